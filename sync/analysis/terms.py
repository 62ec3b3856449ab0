"""What an answer stands on: model, iteration times, machines, workload, SLO, and how many points are done.

terms = terms_of(outcomes, slo, planned=24)
caveats(terms)      # sentences that an answer begins with, wherever it is shown; none for whole and real data
terms_lines(terms)  # lines that stand beside it
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sync.analysis.texts import joined
from sync.results.outcome import Outcome
from sync.results.point_id import rate_text
from sync.results.slo import Slo

CONSTANT, MEASURED = "constant", "db"  # performance models by their names in configurations
CONSTANTS_WARNING = (
    "Iteration times are constants for testing and no hardware's; `performance_model: db` gives measured times."
)
NOT_RECORDED = "not recorded"
_TIMES = {
    MEASURED: "measured on machines (performance_model: db)",
    CONSTANT: "constants for testing (performance_model: constant)",
}
_MOST_LISTED = 6  # rates, seeds or names that are listed one by one


@dataclass(frozen=True)
class Terms:
    """What an answer stands on. `models` are the language models, `times` the performance models, `machines` the
    machine types, `horizons_s` the stretches of time over which requests arrive: each value once, empty where results
    do not tell. `done` counts points with a result, `failed` points that failed, `planned` all points of the
    experiment (None: not known)."""

    slo: Slo
    models: tuple[str, ...] = ()
    times: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    workloads: tuple[str, ...] = ()
    horizons_s: tuple[float, ...] = ()
    rates: tuple[float, ...] = ()
    seeds: tuple[int, ...] = ()
    done: int = 0
    failed: int = 0
    planned: int | None = None

    @property
    def is_partial(self) -> bool:
        """Whether points of the experiment have no result, since they did not run or failed."""
        return self.failed > 0 or (self.planned is not None and self.done < self.planned)


def terms_of(outcomes: Iterable[Outcome], slo: Slo, planned: int | None = None) -> Terms:
    """The terms of an answer from these outcomes by `slo`; `planned` counts the points of the whole experiment."""
    runs = list(outcomes)
    done = [run for run in runs if run.status != "failed"]
    return Terms(
        slo=slo,
        models=tuple(dict.fromkeys(run.model for run in runs if run.model)),
        times=tuple(dict.fromkeys(run.performance_model for run in runs if run.performance_model)),
        machines=tuple(sorted({sku for run in runs for sku, count in run.machines.items() if count})),
        workloads=tuple(dict.fromkeys(run.workload for run in runs)),
        horizons_s=tuple(sorted({run.horizon_s for run in runs if run.horizon_s is not None})),
        rates=tuple(sorted({run.rate for run in runs if run.rate is not None})),
        seeds=tuple(sorted({run.seed for run in runs})),
        done=len(done),
        failed=len(runs) - len(done),
        planned=planned,
    )


def caveats(terms: Terms) -> list[str]:
    """The sentences that an answer begins with: that times are constants for testing, that points are missing."""
    found = [CONSTANTS_WARNING] if CONSTANT in terms.times else []
    return found + ([partial_text(terms)] if terms.is_partial else [])


def partial_text(terms: Terms) -> str:
    """`Partial: 22 of 150 points are done, 3 failed; nothing is said of the others.`"""
    failed = f", {terms.failed:,} failed" if terms.failed else ""
    if terms.planned is None:
        return f"Partial: {terms.done:,} points are done{failed}; nothing is said of the others."
    verb = "is" if terms.planned == 1 else "are"
    points = "point" if terms.planned == 1 else "points"
    return f"Partial: {terms.done:,} of {terms.planned:,} {points} {verb} done{failed}; nothing is said of the others."


def terms_lines(terms: Terms) -> list[str]:
    """The terms as lines of text, each with its name in front."""
    times = joined([_TIMES.get(name, f"by performance_model: {name}") for name in terms.times])
    lines = [
        f"Model: {joined(terms.models) or NOT_RECORDED}; iteration times: {times or NOT_RECORDED}.",
        f"Machine types: {joined(terms.machines) or NOT_RECORDED}.",
        f"Workload: {_workload_text(terms)}.",
        f"SLO: {slo_text(terms.slo)}; and every request served.",
    ]
    if terms.planned is not None:
        failed = f", {terms.failed:,} failed" if terms.failed else ""
        lines.append(f"Points: {terms.done:,} of {terms.planned:,} done{failed}.")
    return lines


def slo_text(slo: Slo) -> str:
    """The limits; of slowdowns also what they are relative to."""
    relative = " (x: times as long as the same request alone on a DGX-A100)" if slo.slowdown else ""
    return f"{slo.told()}{relative}"


def duration_text(seconds: float) -> str:
    """`90 s`, `2 min`, `1.5 h`."""
    for unit_s, unit in ((3600.0, "h"), (60.0, "min")):
        if seconds >= unit_s * (1 if seconds % unit_s == 0 else 3):
            return f"{seconds / unit_s:.3g} {unit}"
    return f"{seconds:.3g} s"


def _workload_text(terms: Terms) -> str:
    """`conv, requests arrive over 2 min, at 8, 16, 24 and 32 requests/s, one seed (0)`."""
    horizons = joined([duration_text(seconds) for seconds in terms.horizons_s][:_MOST_LISTED])
    parts = [
        joined(terms.workloads) or NOT_RECORDED,
        f"requests arrive over {horizons}" if horizons else f"horizon {NOT_RECORDED}",
    ]
    if terms.rates:
        parts.append(f"at {listed([rate_text(rate) for rate in terms.rates])} requests/s")
    if terms.seeds:
        seeds = listed([str(seed) for seed in terms.seeds])
        parts.append(f"one seed ({seeds})" if len(terms.seeds) == 1 else f"seeds {seeds}")
    return ", ".join(parts)


def listed(values: Sequence[str]) -> str:
    """`8, 16 and 24`; of many `30 to 90 (13 values)`."""
    return joined(values) if len(values) <= _MOST_LISTED else f"{values[0]} to {values[-1]} ({len(values)} values)"
