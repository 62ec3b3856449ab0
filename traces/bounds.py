"""Checks on the rows of a trace while they are read: how many there are, how large, and when they arrive."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from sim_core.limits import limits
from traces.cells import too_late
from traces.formats import TraceFormat
from traces.formats.base import Assumed
from traces.read_counts import ReadCounts
from traces.room import Room
from traces.sorted_rows import SortedRows
from traces.time_unit import UNIT_NS

SIZES = ("prompt_tokens", "output_tokens")


class Watch:
    """Looks at each batch of a file. TraceError if there are too many rows, if they need more memory than there is room
    for, or if a request has too many tokens."""

    def __init__(self, room: Room, sizes: tuple[str, str], counts: ReadCounts) -> None:
        self._room, self._counts = room, counts
        self._names = dict(zip(SIZES, sizes, strict=True))
        self._bounds = limits()
        self._held_bytes, self._most_bytes = 0, room.most

    def passed(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The batch, without rows that are left out as bad ones."""
        if self._counts.rows > self._bounds.rows:
            raise self._counts.error(self._bounds.more_than("rows", "rows"))
        self._held_bytes += batch.nbytes
        if self._held_bytes > self._most_bytes:
            raise self._room.error(self._most_bytes, "of rows in memory")
        for target, name in self._names.items():
            tokens = batch[target].to_numpy()
            if tokens.max(initial=0) > self._bounds.tokens:
                batch = self._without(batch, tokens > self._bounds.tokens, target, name)
        return batch

    def _without(self, batch: pa.RecordBatch, wrong: Any, target: str, name: str) -> pa.RecordBatch:
        for place in np.flatnonzero(wrong):
            reason = self._bounds.too_much("tokens", batch[target][int(place)].as_py(), "tokens")
            self._counts.bad_row(batch["row"][int(place)].as_py(), reason, name)
        return batch.filter(pa.array(~wrong))


def check_times(rows: SortedRows, found: TraceFormat, counts: ReadCounts, assumed: Assumed) -> None:
    """TraceError if the last arrival is later than a trace may have it. In a unit that is only assumed, nothing is
    known."""
    if not assumed.certain:
        return
    unit = 1 if isinstance(rows.last, float) else UNIT_NS["s"]
    if reason := too_late(rows.first / unit, rows.last / unit):
        raise counts.error(reason, rows.row_of_last(), found.arrival)
