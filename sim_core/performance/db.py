"""Iteration times from measurements: medians by batch tokens, linear in between and beyond."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from sim_core.errors import SpecError, choices
from sim_core.performance.base import IterationTimes, PerformanceModel, TimeTable
from sim_core.spec import CurveSpec, PerformanceSpec

MIXED_FACTOR = 1.1  # a batch with prompts and decodes, against the same tokens in prompts alone (SplitwiseSim)


def seconds_at(xs: Sequence[int], ys: Sequence[float], x: int) -> float:
    """The straight line through the neighbours of `x`; beyond the ends, of the outermost section. Always above 0.

    Above the last point the line never falls. Below the first it is never lower than the first point's time in
    proportion: a first section that is steeper would reach 0 before no tokens are left.
    The order of operations is scipy's interp1d(fill_value="extrapolate"), so that results agree to the bit.
    """
    high = min(max(bisect_left(xs, x), 1), len(xs) - 1)
    low = high - 1
    if x > xs[high] and ys[high] < ys[low]:
        return ys[high]
    slope = (ys[high] - ys[low]) / (xs[high] - xs[low])
    seconds = slope * (x - xs[low]) + ys[low]
    return max(seconds, ys[0] * x / xs[0]) if x < xs[0] else seconds


class DatabasePerformance(PerformanceModel):
    """Looks up the curve of (model, hardware, tensor parallelism)."""

    def __init__(self, spec: PerformanceSpec) -> None:
        self._curves = {(c.model, c.hardware, c.tensor_parallelism): c for c in spec.curves}
        self._times: dict[tuple[str, str, int], IterationTimes] = {}

    def iteration_times(self, model: str, hardware: str, tensor_parallelism: int) -> IterationTimes:
        wanted = (model, hardware, tensor_parallelism)
        if wanted in self._times:  # all instances of a kind share one table
            return self._times[wanted]
        curve = self._curves.get(wanted)
        if curve is None:
            known = [f"{m} on {h} with tensor parallelism {p}" for m, h, p in sorted(self._curves)]
            text = f"{model} on {hardware} with tensor parallelism {tensor_parallelism}"
            raise SpecError(f"no measurements of {text}{choices(text, known)}", key="performance_model")
        self._times[wanted] = times = times_from_curve(curve)
        return times


def times_from_curve(curve: CurveSpec) -> IterationTimes:
    """The three tables that follow from one curve."""
    xs, prompts, tokens = curve.batch_tokens, curve.prompt_s, curve.token_s
    return IterationTimes(
        prompt_s=TimeTable(lambda n: seconds_at(xs, prompts, n), xs[-1]),
        decode_s=TimeTable(lambda n: seconds_at(xs, tokens, n), xs[-1]),
        mixed_s=TimeTable(lambda n: seconds_at(xs, prompts, n) * MIXED_FACTOR, xs[-1]),
    )
