"""The rows of a trace, held in memory as Arrow columns and sorted by arrival."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

BATCH_ROWS = 1 << 16


class SortedRows:
    """Takes record batches with a column `arrival` (no NaN) and gives their rows back sorted by it.

    Simultaneous rows stay in the order in which they were added. Memory holds every row once, and while unsorted ones
    are read an index of 8 bytes a row.
    """

    def __init__(self) -> None:
        self._batches: list[pa.RecordBatch] = []
        self._columns: dict[str, pa.Array] = {}  # of rows that were not in order
        self._order: pa.Array | None = None  # places in the columns
        self.rows = 0
        self.first: float = 0.0  # the earliest and the latest arrival, in the column's own unit
        self.last: float = 0.0

    def add(self, batch: pa.RecordBatch) -> None:
        """Adds the next rows of the file; at least one."""
        arrivals = batch["arrival"].to_numpy()
        low, high = arrivals.min().item(), arrivals.max().item()
        self.first, self.last = (min(low, self.first), max(high, self.last)) if self.rows else (low, high)
        self.rows += batch.num_rows
        self._batches.append(batch)

    def row_of_last(self) -> int:
        """The number of the row with the latest arrival; to be asked before `sort`."""
        batch = next(batch for batch in self._batches if batch["arrival"].to_numpy().max().item() == self.last)
        return int(batch["row"][int(batch["arrival"].to_numpy().argmax())].as_py())

    def sort(self) -> None:
        """Called once, after the last row was added, unless the rows came in order."""
        parts = {name: [batch[name] for batch in self._batches] for name in self._batches[0].schema.names}
        self._batches = []
        for name in list(parts):  # one column at a time, so that only one is in memory twice
            self._columns[name] = _joined(parts.pop(name))
        self._order = pc.array_sort_indices(self._columns["arrival"])  # a stable sort

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows in order; may be called any number of times."""
        if self._order is None:
            for batch in self._batches:
                for start in range(0, batch.num_rows, BATCH_ROWS):
                    yield batch.slice(start, BATCH_ROWS)
            return
        for start in range(0, self.rows, BATCH_ROWS):
            places = self._order.slice(start, BATCH_ROWS)
            columns = [_one_array(column.take(places)) for column in self._columns.values()]
            yield pa.RecordBatch.from_arrays(columns, names=list(self._columns))


def _joined(parts: list[pa.Array]) -> pa.Array | pa.ChunkedArray:
    try:
        return pa.concat_arrays(parts)
    except pa.ArrowInvalid:  # more than 2 GB of text do not fit into one array
        return pa.chunked_array(parts)


def _one_array(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
