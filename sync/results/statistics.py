"""Summary statistics by numpy's definitions, with exact sums: results do not depend on the order of the values."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, exp, floor, fsum, log, nan, sqrt

import numpy as np
import numpy.typing as npt

from sim_core.results import Column


def percentile(ascending: Column, percent: float) -> float:
    """The percentile of at least one value, in ascending order; linear between the two nearest ranks."""
    position = (len(ascending) - 1) * percent / 100
    low, high = floor(position), ceil(position)
    return float(ascending[low] + (ascending[high] - ascending[low]) * (position - low))


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean of at least one value."""
    return fsum(values) / len(values)


def mean_of_times(times_s: npt.NDArray[np.float64]) -> float:
    """The `mean` of at least one time, in a seventh of its time.

    The sum in numpy's longest floats is exact but for a known error. Where all numbers within it round to one float, so
    does the exact sum. Elsewhere, and where a time is negative, it is summed as in `mean`.
    """
    total = times_s.sum(dtype=np.longdouble)
    # of each time: numpy halves an array until blocks are short, and adds up the sums of portions of 8,192 one by one
    most_roundings = 64 + len(times_s) / 4096
    error = total * np.finfo(np.longdouble).eps * most_roundings
    with np.errstate(invalid="ignore"):  # of an infinite time
        low, high = float(total - error), float(total + error)
    is_known = low == high and times_s.min() >= 0.0
    return (low if is_known else fsum(times_s.tolist())) / len(times_s)


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
