"""Outcomes as one table: a row for each point, a column for each parameter or figure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sync.results.figures import provisioned
from sync.results.outcome import Outcome
from sync.results.slo import Slo
from sync.results.verdict import verdict

if TYPE_CHECKING:
    import pandas as pd

_PLAIN = (
    *("name", "system", "design", "workload", "rate", "seed", "key", "index", "status", "error"),
    *("trace", "cost", "power"),
    *("cpu_s", "wall_s", "started_at", "version", "core", "git_commit", "trace_identity"),
)


def runs_frame(outcomes: Iterable[Outcome], slo: Slo) -> pd.DataFrame:
    """A row for each outcome, in order of index: its own fields, the `verdict` by `slo`, `axis/...`, `machines/...`
    (also by role: `machines/prompt/...`), then the summary's figures and `slo/...`, the verdict as numbers.

    Machines that a point does not have count 0; figures that it does not have are NaN.
    """
    import pandas as pd  # here: a sweep that only delivers outcomes need not wait for it

    ordered = sorted(outcomes, key=lambda outcome: (outcome.index, outcome.name))
    if not ordered:
        return pd.DataFrame(columns=[*_PLAIN, "verdict", "overrides"])
    judged = [verdict(outcome, slo) for outcome in ordered]
    figures = [{**o.summary, **v.figures(), **provisioned(o)} for o, v in zip(ordered, judged, strict=True)]
    frame = pd.DataFrame(map(_row, ordered, (judgement.text for judgement in judged)))
    columns = [str(column) for column in frame]
    machines = [column for column in columns if column.startswith("machines/")]
    frame[machines] = frame[machines].fillna(0).astype("int64")
    frame["rate"] = frame["rate"].astype("float64")
    for column in [c for c in columns if c.startswith("axis/") and len({type(v) for v in frame[c].dropna()}) > 1]:
        frame[column] = frame[column].map(str, na_action="ignore")  # one type a column, as Parquet demands
    for column in ("error", "git_commit"):
        frame[column] = frame[column].astype("string")
    return frame.join(pd.DataFrame(figures).sort_index(axis="columns"))


def _row(outcome: Outcome, verdict_text: str) -> dict[str, object]:
    roles = {f"{role}/{sku}": count for role, machines in outcome.roles.items() for sku, count in machines.items()}
    return {
        **{name: getattr(outcome, name) for name in _PLAIN},
        "verdict": verdict_text,
        "overrides": " ".join(outcome.overrides),
        **{f"axis/{name}": _axis(value) for name, value in outcome.axes.items()},
        **{f"machines/{name}": count for name, count in {**outcome.machines, **roles}.items()},
    }


def _axis(value: object) -> object:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)
