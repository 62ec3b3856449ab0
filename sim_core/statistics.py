"""Summary statistics, as numpy and scipy define them, without either."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import ceil, exp, floor, fsum, log, sqrt


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The percentile of ascending values, linear between the two nearest ranks (numpy's default)."""
    position = (len(ordered) - 1) * percent / 100
    low, high = floor(position), ceil(position)
    return ordered[low] + (ordered[high] - ordered[low]) * (position - low)


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean of at least one value."""
    return fsum(values) / len(values)


def standard_deviation(values: Sequence[float]) -> float:
    """Of the values as a whole population (numpy's default)."""
    middle = mean(values)
    return sqrt(fsum((value - middle) ** 2 for value in values) / len(values))


def geometric_mean(values: Sequence[float]) -> float:
    """The geometric mean; 0 as soon as one value is 0, NaN where one is negative."""
    if min(values) < 0:
        return float("nan")
    if min(values) == 0:
        return 0.0
    return exp(fsum(map(log, values)) / len(values))


def finite_sorted(values: Iterable[float]) -> list[float]:
    """Ascending, without NaN."""
    some = list(values)
    total = sum(some)
    if total != total:  # a look at each only where there is a NaN
        some = [value for value in some if value == value]
    return sorted(some)
