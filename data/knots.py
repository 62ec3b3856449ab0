"""A distribution of whole numbers as few figures: knots of its cumulative distribution, straight in between."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

Cdf = list[tuple[int, float]]  # (value, share of all that is at most this value), for whole numbers without a gap


@dataclass(frozen=True, slots=True)
class Segment:
    """The straight line between two places of a CDF, and how far the CDF departs from it."""

    first: int
    last: int
    worst: float  # largest departure
    worst_at: int
    signed: float  # sum of departures: what the line adds to the mean
    absolute: float


def exact_cdf(values: Sequence[int]) -> Cdf:
    """From one below the smallest value (probability 0) to the largest (probability 1)."""
    ordered = sorted(values)
    return [(v, bisect_right(ordered, v) / len(ordered)) for v in range(ordered[0] - 1, ordered[-1] + 1)]


def segment(cdf: Cdf, first: int, last: int) -> Segment:
    """Measures the line from cdf[first] to cdf[last]."""
    (v0, p0), (v1, p1) = cdf[first], cdf[last]
    worst, worst_at, signed, absolute = 0.0, first, 0.0, 0.0
    for place in range(first + 1, last):
        value, probability = cdf[place]
        gap = probability - (p0 + (p1 - p0) * (value - v0) / (v1 - v0))
        signed += gap
        absolute += abs(gap)
        if abs(gap) > worst:
            worst, worst_at = abs(gap), place
    return Segment(first, last, worst, worst_at, signed, absolute)


def simplify(cdf: Cdf, max_gap: float, max_mean_error: float) -> Cdf:
    """The knots, first and last of `cdf` among them, of a line that keeps both limits.

    The line departs from `cdf` by `max_gap` at most, and its mean from the mean by the share `max_mean_error`.
    Lines are split where they are worst, until all are good enough (Douglas and Peucker's way).
    """
    # The mean of a whole number above v0 is v0 plus the sum of the shares above each value from v0 on.
    mean = cdf[0][0] + sum(1.0 - p for _, p in cdf)
    segments = [segment(cdf, 0, len(cdf) - 1)]
    while True:
        chosen = max(segments, key=lambda s: (s.worst, -s.first))
        if chosen.worst <= max_gap:
            if abs(sum(s.signed for s in segments)) <= max_mean_error * mean:
                break
            chosen = max(segments, key=lambda s: (s.absolute, -s.first))
        segments.remove(chosen)
        segments.append(segment(cdf, chosen.first, chosen.worst_at))
        segments.append(segment(cdf, chosen.worst_at, chosen.last))
    return [cdf[place] for place in sorted({0, *(s.last for s in segments)})]


def worst_gap(cdf: Cdf, knots: Cdf) -> float:
    """The largest distance between `cdf` and the line through `knots`: their Kolmogorov-Smirnov distance."""
    worst, upper = 0.0, 1
    for value, probability in cdf:
        while knots[upper][0] < value:
            upper += 1
        (v0, p0), (v1, p1) = knots[upper - 1], knots[upper]
        worst = max(worst, abs(probability - (p0 + (p1 - p0) * (value - v0) / (v1 - v0))))
    return worst
