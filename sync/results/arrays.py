"""What is worked out over the columns of a run, by numpy: the same values to the bit, in a tenth of the time."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sim_core.arithmetic import NAN, Arithmetic, Column, Columns, Slowdowns
from sim_core.performance.base import IterationTimes

Floats = npt.NDArray[np.float64]


class NumpyArithmetic(Arithmetic):
    """See `Arithmetic`. Each step rounds as there: no step is merged with another, no order of additions changed."""

    def missing(self, rows: Sequence[int], length: int) -> list[int]:
        """See `Arithmetic`."""
        seen = np.zeros(length, dtype=bool)
        seen[np.asarray(rows, dtype=np.int64)] = True
        found: list[int] = np.flatnonzero(~seen).tolist()
        return found

    def gather(self, column: Column, rows: array[int]) -> Column:
        """See `Arithmetic`."""
        return _array(column.typecode, np.asarray(column)[np.asarray(rows)])

    def minus(self, column: array[float], other: array[float]) -> array[float]:
        """See `Arithmetic`."""
        return _array("d", np.asarray(column) - np.asarray(other))

    def per_token(self, e2e_s: array[float], ttft_s: array[float], output_tokens: array[int]) -> array[float]:
        """See `Arithmetic`."""
        after_first = np.asarray(output_tokens) - 1
        several = after_first > 0
        between_s = (np.asarray(e2e_s) - np.asarray(ttft_s)) / np.where(several, after_first, 1)
        return _array("d", np.where(several, between_s, NAN))

    def slowdowns(self, requests: Columns, alone: Mapping[int, IterationTimes | None]) -> Slowdowns:
        """See `Arithmetic`."""
        applications, prompts = np.asarray(requests["application_id"]), np.asarray(requests["prompt_tokens"])
        first, each = np.full(len(prompts), NAN), np.full(len(prompts), NAN)
        for application, times in alone.items():
            if times is not None:
                mine = applications == application
                sizes, which = np.unique(prompts[mine], return_inverse=True)
                first[mine] = np.array([times.prompt_s[size] for size in sizes.tolist()])[which]
                each[mine] = np.array([times.decode_s[size] for size in sizes.tolist()])[which]
        whole = first + each * (np.asarray(requests["output_tokens"]) - 1)
        over = zip(("ttft_s", "tbt_s", "e2e_s"), (first, each, whole), strict=True)
        with np.errstate(divide="raise"):
            ttft, tbt, e2e = (_array("d", np.asarray(requests[name]) / times_s) for name, times_s in over)
        return ttft, tbt, e2e

    def ascending(self, column: Sequence[float]) -> Sequence[float]:
        """See `Arithmetic`."""
        values = np.sort(np.asarray(column, dtype=np.float64))  # NaN last
        return _array("d", values[: len(values) - int(np.isnan(values).sum())])


def _array(typecode: str, values: npt.NDArray[Any]) -> array[Any]:
    made = array(typecode)
    made.frombytes(np.ascontiguousarray(values, dtype=typecode).data.cast("B"))
    return made
