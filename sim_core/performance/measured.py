"""Step times from measured runs: decodes by their number and the context that they hold, prompts by their tokens.

A run is a batch of prompts, and then of decodes, as SplitwiseSim's table has them. From run to run the times of decodes
scatter by more than thousands of tokens of context cost. So one slope over context is fitted to all of them, where
`table` goes through each.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence

from sim_core.options import reads_configuration
from sim_core.performance.base import Needs
from sim_core.performance.context_line import ContextLine, ContextLines
from sim_core.performance.curve import seconds_at
from sim_core.performance.measured_runs import needed_runs
from sim_core.performance.table import TablePerformance, times_from_steps
from sim_core.performance.table_times import StepTable, TableTimes
from sim_core.section import Section
from sim_core.spec import MeasuredSteps, PerformanceSpec

Decode = tuple[int, int, float]  # how many decodes, the tokens of context that they hold together, and seconds
Corner = tuple[int, int]  # how many decodes, and the tokens of context


class MeasuredPerformance(TablePerformance):
    """Looks up the measured runs of (model, hardware, tensor parallelism)."""

    @classmethod
    @reads_configuration
    def read(cls, config: Section, needs: Needs) -> PerformanceSpec:
        return PerformanceSpec(config.text("policy"), steps=needed_runs(config, needs))

    def _times_from(self, steps: MeasuredSteps) -> TableTimes:
        return times_from_runs(steps)


def times_from_runs(steps: MeasuredSteps) -> TableTimes:
    """The times of measured prompts, between which they are as those of `table`, and of measured decodes."""
    decodes = _Decodes(steps.decodes)
    measured = {(number, context) for number, context, _ in steps.decodes}
    table = StepTable(ContextLines(decodes.line), measured, decodes.base_s())
    return TableTimes(times_from_steps(steps).prompts, table)


class _Decodes:
    """A step of decodes takes a time by their number, and `context_token_s` for each token of context.

    The slope and the times at the measured numbers are a least-squares fit. The time of a number between two of them is
    on the line between these; of one beyond them, by the rules of `seconds_at`. The slope is so small that at every
    measured step the rest is at least the step's time in proportion to its tokens and their context.

    A step is within the measurements where its number and context are within the convex hull of the measured ones.
    """

    def __init__(self, decodes: Sequence[Decode]) -> None:
        by_number: dict[int, list[tuple[int, float]]] = defaultdict(list)
        for number, context, seconds in decodes:
            by_number[number].append((context, seconds))
        self.context_token_s = _context_token_s(by_number)
        self._numbers = sorted(by_number)
        self._base_s = [_mean([s - self.context_token_s * c for c, s in by_number[n]]) for n in self._numbers]
        corners = sorted((number, context) for number, context, _ in decodes)
        self._least = _edge(corners, 1)
        self._most = _edge(corners, -1)

    def base_s(self) -> float:
        """The time of a step without decodes, on the line through the two least numbers of them."""
        return seconds_at(self._numbers[:2], self._base_s[:2], 0)

    def line(self, number: int) -> ContextLine:
        """The line of this number of decodes."""
        base_s = seconds_at(self._numbers, self._base_s, number)
        hull = (_on_edge(edge, number) for edge in (self._least, self._most))
        return ContextLine([0.0], [base_s], self.context_token_s, *hull)


def _context_token_s(by_number: Mapping[int, Sequence[tuple[int, float]]]) -> float:
    """The slope over context that fits best, with a time of its own for each number of decodes."""
    products = squares = 0.0
    for points in by_number.values():
        middle, middle_s = _mean([context for context, _ in points]), _mean([seconds for _, seconds in points])
        products += sum((context - middle) * (seconds - middle_s) for context, seconds in points)
        squares += sum((context - middle) ** 2 for context, _ in points)
    most_s = min(seconds / (context + number) for number, points in by_number.items() for context, seconds in points)
    return min(max(products / squares, 0.0), most_s) if squares else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _edge(corners: Sequence[Corner], side: int) -> list[Corner]:
    """The lower edge (`side` 1) or the upper one (-1) of the convex hull of ascending corners."""
    edge: list[Corner] = []
    for number, context in corners:
        if side < 0 and edge and edge[-1][0] == number:
            edge.pop()  # the same number with more context is further out
        elif edge and edge[-1][0] == number:
            continue
        while len(edge) > 1 and side * _turn(edge[-2], edge[-1], (number, context)) <= 0:
            edge.pop()
        edge.append((number, context))
    return edge


def _turn(first: Corner, second: Corner, third: Corner) -> int:
    """More than 0 where the way from the first over the second to the third corner turns upwards."""
    return (second[0] - first[0]) * (third[1] - first[1]) - (second[1] - first[1]) * (third[0] - first[0])


def _on_edge(edge: Sequence[Corner], number: int) -> float:
    """The context at which `number` decodes are on the edge, or its nearest end."""
    high = bisect_left(edge, (number, 0))
    if high == len(edge) or high == 0 or edge[high][0] == number:
        return float(edge[min(high, len(edge) - 1)][1])
    (low_number, low), (high_number, above) = edge[high - 1], edge[high]
    return low + (above - low) * (number - low_number) / (high_number - low_number)
