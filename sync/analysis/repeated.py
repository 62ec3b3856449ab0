"""Repetitions as one: runs that differ by their seed alone, judged together, each figure with its mean and interval.

for members in repetitions(sweep.outcomes.values()):
    seeds = repeated(members, sweep.slo, sweep.with_counts)
    print(seeds.text, seeds.interval("ttft/p99_s"))
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import TYPE_CHECKING, Any

from configs.figure import figure
from sync.analysis.repetitions import CONFIDENCE, Interval, Judgement, judge_sample, mean_interval, sample_of
from sync.analysis.standing import Counted, RateStanding, RateState, draws, repeated_by, repetitions, standing_of
from sync.results.metrics import METRICS, SLOWDOWN_PERCENTILES
from sync.results.outcome import Outcome
from sync.results.slo import Slo
from sync.results.sweep import Sweep

if TYPE_CHECKING:
    import pandas as pd

_TIMES = tuple(f"{metric}/{percentile}_s" for metric in METRICS for percentile in SLOWDOWN_PERCENTILES)
_ENDS = ("", "/low", "/high")  # of the columns of a figure: its mean, and its interval
_BESIDE = ("goodput/attainment", "utilisation/mean")


@dataclass(frozen=True)
class Repeated:
    """Runs of one configuration at one rate, of different seeds, and how they stand together. `judgement`: what their
    counts say, also of one seed, which has a share but no interval (None: counts are not known, or a seed failed)."""

    runs: tuple[Outcome, ...]
    standing: RateStanding
    judgement: Judgement | None

    @property
    def state(self) -> RateState:
        """See `RateStanding`."""
        return self.standing.state

    @property
    def seeds(self) -> int:
        """The number of different seeds."""
        return self.standing.seeds

    @property
    def within(self) -> int:
        """The number of seeds that are within the SLO, each by its own figures."""
        return self.standing.within

    @property
    def reason(self) -> str:
        """The verdict on a run that is not within the SLO, else on the first."""
        return self.standing.verdict

    @property
    def text(self) -> str:
        """See `RateStanding`."""
        return self.standing.text

    def values(self, name: str) -> list[float]:
        """A figure of each run that did not fail; NaN where it was not measured."""
        return [run.summary.get(name, nan) for run in self.runs if run.status != "failed"]

    def interval(self, name: str, confidence: float = CONFIDENCE) -> Interval | None:
        """The mean of a figure with its interval; None where a run that did not fail has not measured it."""
        return interval_of(self.values(name), confidence)


def interval_of(values: Sequence[float], confidence: float = CONFIDENCE) -> Interval | None:
    """As `mean_interval`, but None where one of the values is not known: the others may be the lucky ones."""
    return mean_interval(values, confidence) if all(map(isfinite, values)) else None


def repeated(runs: Sequence[Outcome], slo: Slo, counted: Counted | None = None) -> Repeated:
    """What runs of one configuration at one rate, which differ by seed, are together by `slo`; see `standing_of`. One
    seed is not counted anew."""
    different = draws(sorted(runs, key=lambda run: run.seed))
    standing = standing_of(different, slo, counted)
    judgement = standing.judgement
    if judgement is None and len(different) == 1 and different[0].status != "failed":
        sample = sample_of(different, slo)
        judgement = None if sample is None else judge_sample(sample)
    return Repeated(tuple(different), standing, judgement)


def siblings(outcome: Outcome, outcomes: Iterable[Outcome]) -> list[Outcome]:
    """The outcome and its repetitions among `outcomes`, by seed."""
    groups = repetitions(other for other in outcomes if repeated_by(other) == repeated_by(outcome))
    return groups[0] if groups else [outcome]


def interval_text(interval: Interval | None) -> str:
    """`4.12 [3.9, 4.34]`; of one value the value alone; `-` where it is not known."""
    if interval is None:
        return "-"
    if interval.low is None or interval.high is None:
        return figure(interval.mean)
    return f"{figure(interval.mean)} [{figure(interval.low)}, {figure(interval.high)}]"


def repetitions_frame(sweep: Sweep) -> pd.DataFrame:
    """A row for each configuration at each rate: `system`, `design`, `workload`, `rate`; `seeds`, `state` (`Repeated`);
    `share`, what the requests of all seeds take of the tightest limit (`limit`; 1 is at the limit), with its interval
    from `low` to `high`; then for each main figure its mean, as `ttft/p99_s`, with `ttft/p99_s/low` and `.../high`.
    What is not known is NaN, and one seed has no interval."""
    import pandas as pd  # here: pandas takes long to import

    names = dict.fromkeys([*_TIMES, *(limit.figure for limit in sweep.slo.limits()), *_BESIDE])
    ordered = sorted(sweep.outcomes.values(), key=lambda outcome: (outcome.index, outcome.name))
    rows = [_row(members, sweep, names) for members in repetitions(ordered)]
    facts = ("system", "design", "workload", "rate", "seeds", "state", "share", "low", "high", "limit")
    frame = pd.DataFrame(rows, columns=[*facts, *(f"{name}{end}" for name in names for end in _ENDS)])
    frame[["rate", "share", "low", "high"]] = frame[["rate", "share", "low", "high"]].astype("float64")
    return frame


def _row(members: Sequence[Outcome], sweep: Sweep, names: Iterable[str]) -> dict[str, Any]:
    seeds = repeated([sweep.with_counts(sweep.with_goodput(run)) for run in members], sweep.slo)
    judgement, first = seeds.judgement, members[0]
    row: dict[str, Any] = {name: getattr(first, name) for name in ("system", "design", "workload", "rate")}
    row |= {"seeds": seeds.seeds, "state": seeds.state}
    if judgement is not None:
        limit = None if judgement.limit is None else judgement.limit.told()
        row |= {"share": judgement.share, "low": judgement.low, "high": judgement.high, "limit": limit}
    for name in names:
        interval = seeds.interval(name)
        ends = (nan, None, None) if interval is None else (interval.mean, interval.low, interval.high)
        row |= {f"{name}{end}": nan if value is None else value for end, value in zip(_ENDS, ends, strict=True)}
    return row
