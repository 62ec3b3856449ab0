"""What is worked out over the columns of a run, in plain Python. `sync.results.arrays` is faster."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from operator import sub
from typing import TypeVar

from sim_core.performance.base import IterationTimes
from sim_core.statistics import finite_sorted

NAN = float("nan")
Column = TypeVar("Column", "array[int]", "array[float]", "array[float] | array[int]")
Columns = dict[str, "array[float] | array[int]"]
# Of each request the time of its prompt alone on the reference machine, of a token, of all of them.
Slowdowns = tuple["array[float]", "array[float]", "array[float]"]


class Arithmetic:
    """Columns have one length, times are in seconds. Whatever takes its place gives the same values to the bit."""

    def missing(self, rows: Sequence[int], length: int) -> list[int]:
        """Which of so many rows are not among `rows`, ascending."""
        seen = bytearray(length)
        for row in rows:
            seen[row] = 1
        return [row for row in range(length) if not seen[row]]

    def gather(self, column: Column, rows: array[int]) -> Column:
        """The values in some rows."""
        return array(column.typecode, map(column.__getitem__, rows))

    def minus(self, column: array[float], other: array[float]) -> array[float]:
        """The differences."""
        return array("d", map(sub, column, other))

    def per_token(self, e2e_s: array[float], ttft_s: array[float], output_tokens: array[int]) -> array[float]:
        """The time between tokens; NaN where there is but one."""
        rows = zip(e2e_s, ttft_s, output_tokens, strict=True)
        return array("d", [(a - b) / (n - 1) if n > 1 else NAN for a, b, n in rows])

    def slowdowns(self, requests: Columns, alone: Mapping[int, IterationTimes | None]) -> Slowdowns:
        """TTFT, TBT and E2E over those of the same request when nothing else runs: `alone` has the times of each
        application, None where they are unknown, and the slowdowns NaN."""
        ttft, tbt, e2e = array("d"), array("d"), array("d")
        columns = ("application_id", "prompt_tokens", "output_tokens", "ttft_s", "tbt_s", "e2e_s")
        for app, prompt, output, ttft_s, tbt_s, e2e_s in zip(*(requests[name] for name in columns), strict=True):
            times = alone[int(app)]
            first, each = (NAN, NAN) if times is None else (times.prompt_s[int(prompt)], times.decode_s[int(prompt)])
            ttft.append(ttft_s / first)
            tbt.append(tbt_s / each)
            e2e.append(e2e_s / (first + each * (output - 1)))
        return ttft, tbt, e2e

    def ascending(self, column: Sequence[float]) -> Sequence[float]:
        """The values in order, without NaN."""
        return finite_sorted(column)
