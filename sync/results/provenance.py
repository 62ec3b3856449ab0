"""Where the times of steps come from: which share of a run's time was measured, and which was not.

shares(run.summary)        # {"interpolated": 0.97, "extrapolated": 0.03}
caution(summaries)         # a sentence for answers that rest on more than 5% of extrapolation
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sim_core.performance.step_times import ESTIMATED, EXTRAPOLATED, PROVENANCES

PROVENANCE = "provenance/"  # before the name of each, in summaries
MOST_UNMEASURED = 0.05  # the largest share of a run's time beyond the measurements that needs no caution

Summary = Mapping[str, float]


def shares(summary: Summary) -> dict[str, float]:
    """By `StepTimes.provenance` the share of the time of all steps of a run; empty where results do not tell."""
    return {name: summary[key] for name in PROVENANCES if summary.get(key := f"{PROVENANCE}{name}", 0.0) > 0.0}


def shares_of_all(summaries: Iterable[Summary]) -> dict[str, tuple[float, float]]:
    """The smallest and the largest of these shares over several runs; 0 is the smallest where one has none."""
    runs = [found for summary in summaries if (found := shares(summary))]
    return {
        name: (min(run.get(name, 0.0) for run in runs), max(run.get(name, 0.0) for run in runs))
        for name in PROVENANCES
        if any(name in run for run in runs)
    }


def shares_text(found: Mapping[str, tuple[float, float]]) -> str:
    """`88% to 97% interpolated, 3% to 12% extrapolated`; what is not all never reads as all of it."""
    parts = []
    for name, (low, high) in found.items():
        texts = dict.fromkeys((_percent(low), _percent(high)))
        parts.append(f"{' to '.join(texts)} {name}")
    return ", ".join(parts)


def caution(found: Mapping[str, tuple[float, float]]) -> str:
    """`Up to 12% of the simulated time is extrapolated: its steps have more tokens or context than any measured one.`
    Empty where it is less than `MOST_UNMEASURED` of each run."""
    parts = []
    for name, why in (
        (EXTRAPOLATED, "its steps have more tokens or context than any measured one"),
        (ESTIMATED, "it comes from formulas, and not from measured steps or kernels"),
    ):
        low, high = found.get(name, (0.0, 0.0))
        if high > MOST_UNMEASURED:
            upto = "" if _percent(low) == _percent(high) else "up to "
            parts.append(f"{upto}{_percent(high)} of the simulated time is {name}: {why}")
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}." if text else ""


def _percent(share: float) -> str:
    if 0.0 < share < 0.001:
        return "under 0.1%"
    if 0.999 < share < 1.0:
        return "over 99.9%"
    return f"{100.0 * share:.3g}%"
