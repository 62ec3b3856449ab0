"""Seconds of a pass of the model as straight lines over the tokens of context in it, and sums of growing passes."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from math import ceil, inf, sqrt
from typing import Final

MOST_LINES: Final = 1 << 14  # kept in one `ContextLines`
NO_END: Final = 1 << 60  # passes


class ContextLine:
    """Seconds by context: straight between its knots, of which the first is at 0, and beyond the last one.

    From `measured_from` to `measured_to` tokens of context it lies between measured points.
    """

    __slots__ = ("_seconds", "_slopes", "knots", "measured_from", "measured_to")

    def __init__(
        self,
        knots: Sequence[float],
        seconds: Sequence[float],
        beyond_s: float,
        measured_from: float = 0.0,
        measured_to: float = inf,
    ) -> None:
        """`seconds` at each of `knots`, which ascend; beyond the last one each token takes `beyond_s` more."""
        self.knots = list(knots)
        self._seconds = list(seconds)
        sections = zip(knots, knots[1:], seconds, seconds[1:], strict=False)
        self._slopes = [*((high_s - low_s) / (high - low) for low, high, low_s, high_s in sections), beyond_s]
        self.measured_from = measured_from
        self.measured_to = measured_to

    def at(self, context: float) -> float:
        """The seconds of one pass."""
        place = bisect_right(self.knots, context) - 1
        return self._seconds[place] + self._slopes[place] * (context - self.knots[place])

    def total(self, context: int, growth: int, passes: int) -> float:
        """The seconds of `passes` passes, of which the first has `context`, and each further one `growth` more.

        The passes within a section between two knots are an arithmetic series.
        """
        knots = self.knots
        place = bisect_right(knots, context) - 1
        last = len(knots) - 1
        total = 0.0
        while True:
            count = passes
            if place < last:
                count = min(max(ceil((knots[place + 1] - context) / growth), 0), passes)
            if count > 0:
                slope = self._slopes[place]
                first_s = self._seconds[place] + slope * (context - knots[place])
                total += count * first_s + slope * growth * (count * (count - 1) // 2)
                passes -= count
                if not passes:
                    return total
                context += count * growth
            place += 1

    def passes_within(self, context: int, growth: int, elapsed_s: float, extra_s: float) -> int:
        """How many of such passes `elapsed_s` is long enough for, if each takes `extra_s` more; up to rounding."""
        if elapsed_s <= 0.0:
            return 0
        knots = self.knots
        place = bisect_right(knots, context) - 1
        last = len(knots) - 1
        passes = 0
        while True:
            slope = self._slopes[place]
            first_s = self._seconds[place] + slope * (context - knots[place]) + extra_s
            growth_s = slope * growth
            if place < last:
                count = max(ceil((knots[place + 1] - context) / growth), 0)
                section_s = count * first_s + growth_s * (count * (count - 1) // 2)
                if section_s < elapsed_s:
                    elapsed_s -= section_s
                    passes += count
                    context += count * growth
                    place += 1
                    continue
            # the root of n * first_s + n * (n - 1) / 2 * growth_s = elapsed_s, without a difference of nearly equal
            # numbers where times grow
            linear_s = first_s - growth_s / 2
            root_s = linear_s + sqrt(max(linear_s * linear_s + 2 * growth_s * elapsed_s, 0.0))
            return passes + int(2 * elapsed_s / root_s)

    def above(self, base_s: float) -> ContextLine:
        """By how much it is above `base_s`; 0 where it is below."""
        return ContextLine(self.knots, [max(knot_s - base_s, 0.0) for knot_s in self._seconds], self._slopes[-1])

    def passes_measured(self, context: int, growth: int) -> int:
        """How many of such passes have no more context than was measured."""
        room = self.measured_to - context
        if room < 0:
            return 0
        return NO_END if room == inf else int(room // growth) + 1


class ContextLines:
    """The lines by a number of tokens, computed at the first look-up and kept."""

    __slots__ = ("_compute", "_kept")

    def __init__(self, compute: Callable[[int], ContextLine]) -> None:
        self._compute = compute
        self._kept: dict[int, ContextLine] = {}

    def of(self, tokens: int) -> ContextLine:
        """The line of this number of tokens."""
        line = self._kept.get(tokens)
        if line is None:
            line = self._compute(tokens)
            if len(self._kept) < MOST_LINES:
                self._kept[tokens] = line
        return line
