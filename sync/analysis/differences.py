"""By how much a figure differs between two configurations, as means over their seeds, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import nan, sqrt
from statistics import fmean, variance

from sync.analysis.repeated import Repeated, interval_of
from sync.analysis.repetitions import CONFIDENCE, Interval, quantile, ratio


@dataclass(frozen=True)
class Difference:
    """How a figure of `one` differs from that of `other`, as means over their seeds: `difference` is one less other,
    `ratio` is one over other. Without several seeds on both sides neither has an interval; the ratio has none either
    where an interval reaches 0."""

    one: Interval
    other: Interval
    difference: Interval
    ratio: float
    ratio_interval: tuple[float, float] | None

    @property
    def is_shown(self) -> bool:
        """Whether the seeds show a difference: its interval is on one side of 0."""
        low, high = self.difference.low, self.difference.high
        return low is not None and high is not None and (low > 0.0 or high < 0.0)


def difference_of(one: Repeated, other: Repeated, name: str, confidence: float = CONFIDENCE) -> Difference | None:
    """How a figure differs between two configurations; None where a run has not measured it. Runs of the same seeds on
    the same requests are compared in pairs, others as two independent samples (Welch)."""
    first, second = one.interval(name, confidence), other.interval(name, confidence)
    if first is None or second is None:
        return None
    values, others = one.values(name), other.values(name)
    if _are_paired(one, other):
        less = interval_of([value - against for value, against in zip(values, others, strict=True)], confidence)
        difference = less or Interval(first.mean - second.mean, None, None, 1)
    else:
        difference = _welch(values, others, confidence)
    half = (1.0 + confidence) / 2.0  # each of the two intervals may have half of the ratio's error
    parts = [interval_of(values, half), interval_of(others, half)]
    ends = [(part.low, part.high) for part in parts if part and part.low and part.high and part.low > 0.0]
    between = ratio(ends[0], ends[1]) if len(ends) == 2 else None
    quotient = first.mean / second.mean if second.mean else nan
    return Difference(first, second, difference, quotient, between)


def _are_paired(one: Repeated, other: Repeated) -> bool:
    """Whether each run has a counterpart of the same seed on the same requests."""
    draws_of = [
        [(run.seed, run.trace_identity) for run in side.runs if run.status != "failed"] for side in (one, other)
    ]
    return draws_of[0] == draws_of[1]


def _welch(values: Sequence[float], others: Sequence[float], confidence: float) -> Interval:
    """The difference of two means, with the interval of Welch and Satterthwaite."""
    difference, count = fmean(values) - fmean(others), min(len(values), len(others))
    if count < 2:
        return Interval(difference, None, None, count)
    parts = [(variance(side) / len(side), len(side) - 1) for side in (values, others)]
    error = sum(part for part, _ in parts)
    if not error:
        return Interval(difference, difference, difference, count)
    freedom = error**2 / sum(part**2 / own for part, own in parts)
    reach = quantile(0.5 + confidence / 2.0, max(1, int(freedom))) * sqrt(error)
    return Interval(difference, difference - reach, difference + reach, count)
