"""Step times from measured steps: linear between and beyond them, in their tokens and in the context before them."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable

from sim_core.options import reads_configuration
from sim_core.performance.base import CurveKey, Needs, PerformanceModel
from sim_core.performance.context_line import ContextLine, ContextLines
from sim_core.performance.curve import seconds_at
from sim_core.performance.measured_steps import needed_steps
from sim_core.performance.table_times import StepTable, TableTimes
from sim_core.section import Section
from sim_core.spec import MeasuredSteps, PerformanceSpec

Points = list[tuple[int, float]]  # context and seconds, ascending


class TablePerformance(PerformanceModel):
    """Looks up the measured steps of (model, hardware, tensor parallelism)."""

    def __init__(self, spec: PerformanceSpec) -> None:
        super().__init__(spec)
        self._measured = {(each.model, each.hardware, each.tensor_parallelism): each for each in spec.steps}
        self._times: dict[CurveKey, TableTimes] = {}

    @classmethod
    @reads_configuration
    def read(cls, config: Section, needs: Needs) -> PerformanceSpec:
        return PerformanceSpec(config.text("policy"), steps=needed_steps(config, needs))

    def known(self) -> list[CurveKey]:
        return list(self._measured)

    def step_times(self, model: str, hardware: str, tensor_parallelism: int) -> TableTimes | None:
        wanted = (model, hardware, tensor_parallelism)
        if wanted not in self._times:  # all instances of a kind share their lines
            if wanted not in self._measured:
                return None
            self._times[wanted] = self._times_from(self._measured[wanted])
        return self._times[wanted]

    def _times_from(self, steps: MeasuredSteps) -> TableTimes:
        return times_from_steps(steps)


def times_from_steps(steps: MeasuredSteps) -> TableTimes:
    """The tables of measured steps."""
    return TableTimes(_table(steps.prompts, by_mean=False), _table(steps.decodes, by_mean=True))


def _table(steps: Iterable[tuple[int, int, float]], *, by_mean: bool) -> StepTable:
    by_tokens: dict[int, Points] = {}
    for tokens, context, seconds in steps:
        by_tokens.setdefault(tokens, []).append((context, seconds))
    measured = {(tokens, context) for tokens, points in by_tokens.items() for context, _ in points}
    grid = _Grid(by_tokens, by_mean)
    return StepTable(ContextLines(grid.line), measured, grid.base_s())


class _Grid:
    """The lines over context of all numbers of tokens.

    That of a measured number goes through its points. Another one lies between the lines of its neighbours, or beyond
    those of the outermost two, by the rules of `seconds_at`. Neighbours are compared where a token has the same context
    (`by_mean`: decodes, of which each has its own), or where all have the same (a prompt).
    """

    def __init__(self, by_tokens: dict[int, Points], by_mean: bool) -> None:
        self._by_mean = by_mean
        self._tokens = sorted(by_tokens)
        self._rows = [_row(tokens, by_tokens[tokens], self._growth_s(tokens, by_tokens)) for tokens in self._tokens]

    def _growth_s(self, tokens: int, by_tokens: dict[int, Points]) -> float:
        """The seconds of a token of context where `tokens` were measured with one context: those at the nearest number
        of tokens that was measured with several."""
        several = [other for other, points in by_tokens.items() if len(points) > 1]
        if not several:
            return 0.0
        nearest = min(several, key=lambda other: (abs(other - tokens), other))
        (low, low_s), *_, (high, high_s) = by_tokens[nearest]
        growth_s = max((high_s - low_s) / (high - low), 0.0)
        return growth_s if self._by_mean else growth_s * tokens / nearest  # all tokens of a prompt read its context

    def base_s(self) -> float:
        """The time of a step without tokens, on the line through the two least numbers of tokens."""
        return seconds_at(self._tokens[:2], [row.at(0.0) for row in self._rows[:2]], 0)

    def line(self, tokens: int) -> ContextLine:
        """The line of this number of tokens."""
        counts, rows = self._tokens, self._rows
        high = min(max(bisect_left(counts, tokens), 1), len(counts) - 1)
        around = counts[high - 1], counts[high]
        if tokens in around:
            return rows[high - 1 + around.index(tokens)]
        scales = [tokens / count if self._by_mean else 1.0 for count in around]
        neighbours = list(zip(rows[high - 1 : high + 1], scales, strict=True))
        knots = _distinct([knot * scale for row, scale in neighbours for knot in row.knots])
        far = 2.0 * knots[-1] or 1.0
        *seconds, far_s = (
            seconds_at(around, [row.at(context / scale) for row, scale in neighbours], tokens)
            for context in (*knots, far)
        )
        return ContextLine(
            knots,
            seconds,
            max((far_s - seconds[-1]) / (far - knots[-1]), 0.0),
            max(row.measured_from * scale for row, scale in neighbours),
            min(row.measured_to * scale for row, scale in neighbours),
        )


def _row(tokens: int, points: Points, growth_s: float) -> ContextLine:
    """The line through measured points.

    Below the first one the first section goes on, but is never lower than that point's time in proportion to its tokens
    and their context. Beyond the last one the last section goes on, but never falls.
    """
    knots = [float(context) for context, _ in points]
    seconds = [point_s for _, point_s in points]
    first_s = last_s = growth_s
    if len(points) > 1:
        first_s = (seconds[1] - seconds[0]) / (knots[1] - knots[0])
        last_s = max((seconds[-1] - seconds[-2]) / (knots[-1] - knots[-2]), 0.0)
    measured_from, measured_to = knots[0], knots[-1]
    if measured_from > 0.0:
        least_s = seconds[0] * tokens / (tokens + measured_from)
        seconds.insert(0, max(seconds[0] - first_s * measured_from, least_s))
        knots.insert(0, 0.0)
    return ContextLine(knots, seconds, last_s, measured_from, measured_to)


def _distinct(knots: list[float]) -> list[float]:
    """`knots` in ascending order, without those that differ from another one by rounding alone."""
    kept: list[float] = []
    for knot in sorted(knots):
        if not kept or knot > kept[-1] * (1.0 + 1e-9):
            kept.append(knot)
    return kept
