"""Iteration times from one measured curve: medians by batch tokens, linear between and beyond them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from sim_core.performance.step_times import MeasuredTimes, TimeTable
from sim_core.spec import CurveSpec

# the time of a batch with prompts and decodes over that of as many tokens of prompts (SplitwiseSim)
MIXED_FACTOR: Final = 1.1


def seconds_at(xs: Sequence[int], ys: Sequence[float], x: int) -> float:
    """The time at `x` on the line through its neighbours, or beyond the ends on the outermost section. Always above 0.

    Above the last point the line never falls. Below the first point it is never lower than that point's time in
    proportion to the tokens: a steeper first section would reach 0 at a positive number of tokens.
    The order of operations is scipy's interp1d(fill_value="extrapolate"), so that results agree to the bit.
    """
    high = min(max(bisect_left(xs, x), 1), len(xs) - 1)
    low = high - 1
    if x > xs[high] and ys[high] < ys[low]:
        return ys[high]
    slope = (ys[high] - ys[low]) / (xs[high] - xs[low])
    seconds = slope * (x - xs[low]) + ys[low]
    return max(seconds, ys[0] * x / xs[0]) if x < xs[0] else seconds


def times_from_curve(curve: CurveSpec) -> MeasuredTimes:
    """The tables of one curve."""
    xs, prompts, tokens = curve.batch_tokens, curve.prompt_s, curve.token_s
    return MeasuredTimes(
        prompt_s=TimeTable(lambda n: seconds_at(xs, prompts, n), xs[-1]),
        decode_s=TimeTable(lambda n: seconds_at(xs, tokens, n), xs[-1]),
        mixed_s=TimeTable(lambda n: seconds_at(xs, prompts, n) * MIXED_FACTOR, xs[-1]),
        context_s=TimeTable(lambda n: seconds_at(xs, tokens, n), xs[-1]),
        measured=xs,
    )
