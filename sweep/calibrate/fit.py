"""Fits a factor on step times and an offset on TTFT, and tries them on points that were left out of a fit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import exp, log

from sim_core.errors import SpecError
from sim_core.performance.calibrated import LEAST_FACTOR, MOST_FACTOR
from sweep.calibrate.formats import MeasuredPoint

ROUNDS = 3  # of simulating again with a better factor
CLOSE = 1e-3  # a factor that changes by less is the last
_DIGITS = 6  # of factors, so that fits that agree need not be simulated twice


@dataclass(frozen=True, slots=True)
class Fit:
    """What is fitted: see `sim_core.performance.calibrated`."""

    factor: float = 1.0
    ttft_offset_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Times:
    """Mean times of a simulated run. A run whose outputs are one token has no TPOT. `queue_ms` is the part of TTFT in
    which requests wait for their prompt to start."""

    ttft_ms: float
    tpot_ms: float | None
    queue_ms: float = 0.0


Simulate = Callable[[MeasuredPoint, Fit], Times]


@dataclass(frozen=True, slots=True)
class Compared:
    """A point as it was simulated: as configured, with the fit to all points, and with that to all others."""

    point: MeasuredPoint
    before: Times
    after: Times
    left_out: Times | None  # None: there is no other point to fit with


class Remembered:
    """A simulation whose runs are done once."""

    def __init__(self, simulate: Simulate) -> None:
        self._simulate = simulate
        self._known: dict[tuple[str, Fit], Times] = {}

    def __call__(self, point: MeasuredPoint, fit: Fit) -> Times:
        key = (point.name, fit)
        if key not in self._known:
            self._known[key] = self._simulate(point, fit)
        return self._known[key]


def fitted(points: Sequence[MeasuredPoint], simulate: Simulate) -> Fit:
    """The fit to some points: the factor with which the median of log(measured TPOT / simulated TPOT) is 0, then the
    median of `_late_ms` at that factor, 0 at least. SpecError where no point has a TPOT."""
    timed = [point for point in points if point.tpot_ms is not None]
    if not timed:
        raise SpecError("no point has a TPOT, which the factor is fitted to; add a run with outputs of several tokens")
    factor = 1.0
    for _ in range(ROUNDS):
        change = exp(_median((_log_ratio(point, simulate(point, Fit(factor))), point.weight) for point in timed))
        factor = _rounded(factor * change)
        if not LEAST_FACTOR <= factor <= MOST_FACTOR:
            reason = f"steps would have to take {factor:.3g} times as long: compare the configuration with what was run"
            raise SpecError(reason, key="factor", value=factor)
        if abs(change - 1.0) < CLOSE:
            break
    late = [
        (_late_ms(point.ttft_ms, simulate(point, Fit(factor))), point.weight)
        for point in points
        if point.ttft_ms is not None
    ]
    offset_ms = max(_median(late), 0.0) if late else 0.0
    return Fit(factor, _rounded(offset_ms / 1e3))


def _late_ms(measured_ms: float, times: Times) -> float:
    """What a run tells of a delay in front of the engine: measured less simulated TTFT, as far as requests do not wait.
    A queue is as long as step times make it, so a difference in it is no delay that other loads have, too."""
    waiting = min(max(times.queue_ms / times.ttft_ms, 0.0), 1.0) if times.ttft_ms else 0.0
    return (measured_ms - times.ttft_ms) * (1.0 - waiting)


def compared(points: Sequence[MeasuredPoint], simulate: Simulate) -> tuple[Fit, list[Compared]]:
    """The fit to all points, and each point before it, after it, and with the fit to all others."""
    simulate = Remembered(simulate)
    fit = fitted(points, simulate)
    found = []
    for place, point in enumerate(points):
        others = [*points[:place], *points[place + 1 :]]
        has_others = any(other.tpot_ms is not None for other in others)
        left_out = simulate(point, fitted(others, simulate)) if has_others else None
        found.append(Compared(point, simulate(point, Fit()), simulate(point, fit), left_out))
    return fit, found


def errors(points: Iterable[tuple[MeasuredPoint, Times | None]], metric: str) -> list[float]:
    """The absolute relative errors of a metric, `ttft_ms` or `tpot_ms`, where it was measured."""
    found = []
    for point, times in points:
        measured, simulated = getattr(point, metric), None if times is None else getattr(times, metric)
        if measured is not None and simulated is not None:
            found.append(abs(simulated / measured - 1.0))
    return found


def _log_ratio(point: MeasuredPoint, times: Times) -> float:
    assert point.tpot_ms is not None and times.tpot_ms is not None
    return log(point.tpot_ms / times.tpot_ms)


def _median(weighted: Iterable[tuple[float, float]]) -> float:
    """The median of values with weights: the mean of two values where they meet in the middle."""
    values = sorted(weighted)
    half = sum(weight for _, weight in values) / 2.0
    below = 0.0
    for place, (value, weight) in enumerate(values):
        below += weight
        if below == half and place + 1 < len(values):
            return (value + values[place + 1][0]) / 2.0
        if below > half:
            break
    return value


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")
