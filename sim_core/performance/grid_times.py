"""Step times as sums of parts, each on a grid of its own: shared work, and the attention of prompts and of decodes."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from sim_core.native import mypyc_attr
from sim_core.performance.context_line import ContextLine, ContextLines
from sim_core.performance.step_times import EXTRAPOLATED, GIVEN, INTERPOLATED, StepTimes
from sim_core.step import Step

OUTSIDE: Final = -1.0  # of a surface's points


class Curve:
    """Seconds by a number of tokens, straight between and beyond its points; never below 0."""

    __slots__ = ("last", "seconds", "tokens")

    def __init__(self, tokens: Sequence[int], seconds: Sequence[float]) -> None:
        self.tokens = list(tokens)
        self.seconds = list(seconds)
        self.last = self.tokens[-1]

    def at(self, tokens: int) -> float:
        """The seconds at this number of tokens."""
        knots, seconds = self.tokens, self.seconds
        high = min(max(bisect_left(knots, tokens), 1), len(knots) - 1)
        low_s, high_s = seconds[high - 1], seconds[high]
        part = (tokens - knots[high - 1]) / (knots[high] - knots[high - 1])
        return max(low_s + (high_s - low_s) * part, 0.0)


class Surface:
    """Seconds by a number of tokens and by a second size, such as the context of each: a row of points a number."""

    __slots__ = ("last", "last_size", "rows", "sizes", "tokens")

    def __init__(
        self, tokens: Sequence[int], sizes: Sequence[Sequence[float]], rows: Sequence[Sequence[float]]
    ) -> None:
        """`sizes` and seconds of the points of each row, which ascend."""
        self.tokens = list(tokens)
        self.sizes = [list(row) for row in sizes]
        self.rows = [list(row) for row in rows]
        self.last = self.tokens[-1]
        self.last_size = min(row[-1] for row in self.sizes)

    def at(self, tokens: int, size: float) -> float:
        """The seconds at one point, where it lies between points of the rows around it; else OUTSIDE."""
        knots = self.tokens
        high = min(max(bisect_left(knots, tokens), 1), len(knots) - 1)
        low = high - 1
        low_sizes, high_sizes = self.sizes[low], self.sizes[high]
        if size < max(low_sizes[0], high_sizes[0]) or size > min(low_sizes[-1], high_sizes[-1]):
            return OUTSIDE
        low_s = _at(low_sizes, self.rows[low], size)
        high_s = _at(high_sizes, self.rows[high], size)
        return max(low_s + (high_s - low_s) * (tokens - knots[low]) / (knots[high] - knots[low]), 0.0)

    def line(self, tokens: float, scale: float, extra_s: float, is_above_first: bool) -> ContextLine:
        """The line of a number of tokens, with sizes times `scale`, and `extra_s` more. `is_above_first`: what it is
        above the row's first point."""
        knots, rows = self.tokens, self.rows
        high = min(max(bisect_left(knots, tokens), 1), len(knots) - 1)
        low = high - 1
        part = (tokens - knots[low]) / (knots[high] - knots[low])
        if part == 0.0 or part == 1.0:
            row = low if part == 0.0 else high
            sizes, seconds = self.sizes[row], rows[row]
        else:
            sizes = sorted({*self.sizes[low], *self.sizes[high]})
            seconds = []
            for size in sizes:
                low_s, high_s = _at(self.sizes[low], rows[low], size), _at(self.sizes[high], rows[high], size)
                seconds.append(max(low_s + (high_s - low_s) * part, 0.0))
        if is_above_first:
            seconds = [max(point_s - seconds[0], 0.0) for point_s in seconds]
        places = [size * scale for size in sizes]
        if places[0] > 0.0:  # below its first point it is level
            places.insert(0, 0.0)
            seconds = [seconds[0], *seconds]
        beyond_s = max((seconds[-1] - seconds[-2]) / (places[-1] - places[-2]), 0.0)
        totals = [point_s + extra_s for point_s in seconds]
        return ContextLine(places, totals, beyond_s, 0.0, sizes[-1] * scale)


def _at(sizes: Sequence[float], seconds: Sequence[float], size: float) -> float:
    high = min(max(bisect_left(sizes, size), 1), len(sizes) - 1)
    part = (size - sizes[high - 1]) / (sizes[high] - sizes[high - 1])
    return seconds[high - 1] + (seconds[high] - seconds[high - 1]) * part


class StepGrid:
    """The tables of one deployment; tokens are those of one rank, of which there are `ranks`. The step ends with the
    rank that has the most of them: a prompt is computed by one rank, and all ranks have as many decodes.

    A step of decodes alone takes `rest` and `decodes`, one with prompts `shared` (by all of its tokens), `experts`,
    `prompts` and `decodes`. `experts` is by the tokens of a rank in the mean, since ranks compute them together. Where
    `is_fused`, the attention of prompts has the projections in it, of all tokens: decodes beside prompts then add what
    their context adds. `estimated` and `estimated_rest` are the parts of `shared`, `experts` and `rest` that come from
    formulas, and not from measured kernels.
    """

    __slots__ = ("decodes", "estimated", "estimated_rest", "experts", "is_fused", "prompts", "ranks", "rest", "shared")

    def __init__(
        self,
        shared: Curve,
        experts: Curve,
        estimated: Curve,
        rest: Curve,
        estimated_rest: Curve,
        prompts: Surface,
        decodes: Surface,
        ranks: int,
        is_fused: bool,
    ) -> None:
        self.shared = shared
        self.experts = experts
        self.estimated = estimated
        self.rest = rest
        self.estimated_rest = estimated_rest
        self.prompts = prompts
        self.decodes = decodes
        self.ranks = ranks
        self.is_fused = is_fused

    def of_rank(self, tokens: int) -> int:
        """How many of so many decodes the rank with the most of them has."""
        return -(-tokens // self.ranks)

    def of_busiest(self, tokens: int, prompts: int) -> int:
        """How many of the tokens of prompts the rank with the most of them has; 0 prompts: one."""
        if self.ranks == 1 or prompts <= 1:
            return tokens
        return -(-tokens * -(-prompts // self.ranks) // prompts)

    def decodes_alone(self, decodes: int) -> ContextLine:
        """The seconds of a step of decodes, by the context that they hold together."""
        own = self.of_rank(decodes)
        return self.decodes.line(own, decodes, self.rest.at(own), False)

    def decodes_beside(self, decodes: int) -> ContextLine:
        """What decodes add to a step with prompts, by the context that they hold together."""
        return self.decodes.line(self.of_rank(decodes), decodes, 0.0, self.is_fused)

    def of_prompts(self, tokens: int) -> ContextLine:
        """The seconds of the attention of prompts with these tokens on a rank, by the rank's pairs: see
        `Step.prompt_pairs`."""
        return self.prompts.line(tokens, tokens, 0.0, False)


@mypyc_attr(allow_interpreted_subclasses=True)
class GridTimes(StepTimes):
    """The times of steps on the tables of a deployment. `overhead_s` is part of each step. A step with prompts takes at
    least `launch_s` besides: without a CUDA graph its kernels are launched one by one, however little they do."""

    __slots__ = ("_alone", "_beside", "_prompts", "grid", "launch_s", "overhead_s")

    grows_with_context = True

    def __init__(self, grid: StepGrid, overhead_s: float = 0.0, launch_s: float = 0.0) -> None:
        super().__init__(grid.decodes.last * grid.ranks)
        # between measured kernels: no whole step was measured
        self.mostly = INTERPOLATED if launch_s == 0.0 else ""
        self.launch_s = launch_s
        self.grid = grid
        self.overhead_s = overhead_s
        self._alone = ContextLines(grid.decodes_alone)
        self._beside = ContextLines(grid.decodes_beside)
        self._prompts = ContextLines(grid.of_prompts)

    def seconds(self, step: Step, repeat: int) -> float:
        passes, decodes, tokens = repeat * step.passes, step.decodes, step.prompt_tokens
        if not tokens:
            return self.overhead_s * repeat + self._alone.of(decodes).total(step.decode_context, decodes, passes)
        if self.launch_s == 0.0:
            return self._with_prompts(step, repeat)
        seconds = 0.0
        for before in range(repeat):  # each of them grows with its context, and may outgrow the launches
            one = step.after(before) if before else step
            seconds += max(self._with_prompts(one, 1), self._least_s(step))
        return seconds

    def _least_s(self, step: Step) -> float:
        """The least that a step with prompts takes."""
        return self.overhead_s + self.launch_s * step.passes

    def _with_prompts(self, step: Step, repeat: int) -> float:
        """The seconds of steps with prompts by their kernels alone."""
        passes, decodes, tokens = repeat * step.passes, step.decodes, step.prompt_tokens
        grid = self.grid
        own, own_decodes = grid.of_busiest(tokens, step.prompts), grid.of_rank(decodes)
        work_s = grid.shared.at(own + own_decodes) + grid.experts.at(grid.of_rank(tokens + decodes))
        seconds = self.overhead_s * repeat + work_s * passes
        projected = own + own_decodes if grid.is_fused else own
        pairs = pairs_of(step) * own // tokens
        # most steps with prompts have a number of tokens of their own, and a line is worth its cost for several alone
        prompts_s = grid.prompts.at(projected, pairs / projected) if passes == 1 else OUTSIDE
        if prompts_s == OUTSIDE:
            prompts_s = self._prompts.of(projected).total(pairs, 2 * tokens * own, passes)
        seconds += prompts_s
        if decodes:
            seconds += self._beside.of(decodes).total(step.decode_context, decodes, passes)
        return seconds

    def steps_within(self, step: Step, elapsed_s: float) -> int:
        if step.prompt_tokens or step.passes > 1:
            return self._steps_between(step, elapsed_s, 0, step.repeat + 1)
        line = self._alone.of(step.decodes)
        steps = line.passes_within(step.decode_context, step.decodes, elapsed_s, self.overhead_s)
        return self._steps_near(steps, step, elapsed_s)

    def plus(self, overhead_s: float) -> GridTimes:
        times = GridTimes(self.grid, self.overhead_s + overhead_s, self.launch_s)
        times._alone, times._beside, times._prompts = self._alone, self._beside, self._prompts  # worked out once
        return times

    def provenance(self, step: Step) -> str:
        if self.steps_beyond(step, 1):
            return EXTRAPOLATED
        is_launching = step.prompt_tokens > 0 and self._with_prompts(step, 1) < self._least_s(step)
        return GIVEN if is_launching else INTERPOLATED

    def estimated_share(self, step: Step) -> float:
        grid = self.grid
        curve = grid.estimated if step.prompt_tokens else grid.estimated_rest
        return curve.at(grid.of_rank(step.tokens)) * step.passes / self.seconds(step, 1)

    def may_exceed(self, decodes: int) -> bool:
        return True

    def steps_beyond(self, step: Step, repeat: int) -> int:
        grid, decodes, tokens = self.grid, step.decodes, step.prompt_tokens
        passes = repeat * step.passes
        if decodes:
            if grid.of_rank(decodes) > grid.decodes.last:
                return repeat
            passes = min(passes, _passes_to(int(grid.decodes.last_size) * decodes, step.decode_context, decodes))
        if tokens:
            own = grid.of_busiest(tokens, step.prompts)
            if own + grid.of_rank(decodes) > grid.shared.last:
                return repeat
            most = int(grid.prompts.last_size) * own
            passes = min(passes, _passes_to(most, pairs_of(step) * own // tokens, 2 * tokens * own))
        return repeat - passes // step.passes


def _passes_to(most: int, first: int, growth: int) -> int:
    """How many passes are within `most`, of which the first has `first`, and each further one `growth` more."""
    return (most - first) // growth + 1 if first <= most else 0


def pairs_of(step: Step) -> int:
    """The pairs of the prompts in a step: see `Step.prompt_pairs`."""
    return step.prompt_pairs or step.prompt_tokens * (2 * step.prompt_context + step.prompt_tokens)
