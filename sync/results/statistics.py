"""Summary statistics by numpy's definitions, with exact sums: results do not depend on the order of the values."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, exp, floor, fsum, log, nan, sqrt

from sim_core.results import Column


def percentile(ascending: Column, percent: float) -> float:
    """The percentile of at least one value, in ascending order; linear between the two nearest ranks."""
    position = (len(ascending) - 1) * percent / 100
    low, high = floor(position), ceil(position)
    return float(ascending[low] + (ascending[high] - ascending[low]) * (position - low))


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean of at least one value."""
    return fsum(values) / len(values)


def standard_deviation(values: Sequence[float]) -> float:
    """The standard deviation of at least one value, taken as a whole population."""
    middle = mean(values)
    return sqrt(fsum((value - middle) ** 2 for value in values) / len(values))


def geometric_mean(values: Sequence[float]) -> float:
    """The geometric mean of at least one value; 0 if one is 0, NaN if one is negative."""
    least = min(values)
    if least <= 0:
        return nan if least < 0 else 0.0
    return exp(fsum(map(log, values)) / len(values))
