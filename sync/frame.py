"""Outcomes as one tidy table: a row a point, a column a parameter or a figure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sync.base import Outcome
from sync.run_figures import provisioned

if TYPE_CHECKING:
    import pandas as pd

_PLAIN = (
    *("name", "system", "key", "index", "status", "error", "rate", "trace", "seed", "cost", "power"),
    *("cpu_s", "wall_s", "started_at", "version", "git_commit", "trace_identity"),
)


def runs_frame(outcomes: Iterable[Outcome]) -> pd.DataFrame:
    """A row an outcome, in order of index: its own fields, `axis/...`, `machines/...`, then the summary's figures.

    Machines that a point does not have count 0; figures that it does not have are NaN.
    """
    import pandas as pd  # here, so that whoever only hands outcomes over does not wait for it

    ordered = sorted(outcomes, key=lambda outcome: (outcome.index, outcome.name))
    frame = pd.DataFrame([_row(outcome) for outcome in ordered])
    if frame.empty:
        return pd.DataFrame(columns=[*_PLAIN, "overrides"])
    columns = [str(column) for column in frame]
    machines = [column for column in columns if column.startswith("machines/")]
    frame[machines] = frame[machines].fillna(0).astype("int64")
    frame["rate"] = frame["rate"].astype("float64")
    for column in [c for c in columns if c.startswith("axis/") and len({type(v) for v in frame[c].dropna()}) > 1]:
        frame[column] = frame[column].map(_as_text)  # one type a column, as Parquet demands
    for column in ("error", "git_commit"):
        frame[column] = frame[column].astype("string")
    summary = sorted({name for outcome in ordered for name in (*outcome.summary, *provisioned(outcome))})
    return frame[[c for c in columns if c not in summary] + summary]


def _row(outcome: Outcome) -> dict[str, object]:
    return {
        **{name: getattr(outcome, name) for name in _PLAIN},
        "overrides": " ".join(outcome.overrides),
        **{f"axis/{name}": _axis(value) for name, value in outcome.axes.items()},
        **{f"machines/{sku}": count for sku, count in outcome.machines.items()},
        **outcome.summary,
        **provisioned(outcome),
    }


def _axis(value: object) -> object:
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _as_text(value: object) -> str | None:
    return None if value is None or value != value else str(value)
