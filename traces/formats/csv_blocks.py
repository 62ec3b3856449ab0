"""The cells of CSV files, as Arrow splits them: blocks of rows of limited length, without blank lines."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from sim_core.limits import limits
from traces.read_counts import ReadCounts

MOST_RAGGED = 1000  # rows of another width in a block, after which reading stops
# The numbers of its rows, its cells, and the rows of another width before its end: their numbers, and what is wrong.
Block = tuple[Any, pa.RecordBatch, dict[int, str]]


def blocks(stream: BinaryIO, width: int, filled: int, counts: ReadCounts) -> Iterator[Block]:
    """The rows behind the header, as text columns that are named by their places. `width` is the header's; `filled` is
    the place of a column that sound rows have text in. TraceError where the file is no CSV."""
    ragged: dict[int, str] = {}
    try:
        for numbers, block, earlier in _parsed(stream, width, counts, ragged):
            yield *_without_blank_lines(numbers, block, filled, counts), earlier
    except pa.ArrowInvalid as error:
        if len(ragged) >= MOST_RAGGED and not counts.skip_bad_rows:
            raise counts.error(ragged[min(ragged)], min(ragged)) from None
        raise counts.error(_why_no_csv(str(error), counts)) from error


def _parsed(stream: BinaryIO, width: int, counts: ReadCounts, ragged: dict[int, str]) -> Iterator[Block]:
    """The blocks with their blank lines. ArrowInvalid where the file is no CSV, or where too many rows are ragged."""

    def set_aside(row: Any) -> str:
        ragged[row.number - 1] = f"{row.actual_columns} cells under a header of {width}"
        # the first is an error when its block is complete, unless bad rows are left out
        return "skip" if counts.skip_bad_rows or len(ragged) < MOST_RAGGED else "error"

    names, block_bytes = [str(place) for place in range(width)], limits().line_bytes
    try:
        reader = pa.csv.open_csv(
            pa.PythonFile(_Lines(stream, counts, block_bytes), mode="r"),
            read_options=pa.csv.ReadOptions(use_threads=False, block_size=block_bytes, column_names=names, skip_rows=1),
            # blank lines are rows, so that rows keep their numbers
            parse_options=pa.csv.ParseOptions(
                newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=set_aside
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), null_values=[], strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        if str(error).startswith("Empty CSV file"):  # a header alone
            return
        raise
    with reader:
        for block in reader:
            numbers = np.arange(counts.rows + 1, counts.rows + 1 + block.num_rows + len(ragged))
            numbers = numbers[~np.isin(numbers, list(ragged))][: block.num_rows]
            counts.rows = int(numbers[-1]) if len(numbers) else counts.rows
            earlier = {number: ragged.pop(number) for number in sorted(ragged) if number <= counts.rows}
            yield numbers, block, earlier
    if ragged:
        counts.rows += len(ragged)
        yield (
            np.zeros(0, np.int64),
            pa.RecordBatch.from_pydict({name: pa.array([], pa.string()) for name in names}),
            dict(ragged),
        )


def _without_blank_lines(
    numbers: Any, block: pa.RecordBatch, place: int, counts: ReadCounts
) -> tuple[Any, pa.RecordBatch]:
    """The rows that have text in any cell: Arrow gives a blank line as a row of empty cells. `place` is a column that
    sound rows have text in."""
    if not block.num_rows or pc.min(pc.binary_length(block[place])).as_py():
        return numbers, block
    filled = np.zeros(block.num_rows, bool)
    for column in block.columns:
        filled |= pc.binary_length(column).to_numpy() > 0
    counts.blank(block.num_rows - int(filled.sum()))
    return numbers[filled], block.filter(pa.array(filled))


def _why_no_csv(reason: str, counts: ReadCounts) -> str:
    """The reason in a message, from Arrow's own."""
    bounds = limits()
    if "straddling object" in reason or "could not skip initial" in reason.lower():
        more = bounds.more_than("line_bytes", "bytes")
        return f"the row after row {counts.rows} has {more}; a quotation mark may be open"
    return f"is not CSV after row {counts.rows}: {reason.splitlines()[0]}"


class _Lines:
    """A stream for Arrow that raises UnicodeDecodeError at the first byte that is not UTF-8, and TraceError in a line
    that is too long."""

    closed = False

    def __init__(self, stream: BinaryIO, counts: ReadCounts, longest_bytes: int) -> None:
        self._stream, self._decoder = stream, codecs.getincrementaldecoder("utf-8")()
        self._counts, self._longest_bytes, self._open_bytes = counts, longest_bytes, 0

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        end = data.rfind(b"\n")
        self._open_bytes = len(data) - end if end >= 0 else self._open_bytes + len(data)  # of a line without its end
        if self._open_bytes > 2 * self._longest_bytes:
            more = limits().more_than("line_bytes", "bytes")
            raise self._counts.error(f"the row after row {self._counts.rows} has {more}; a quotation mark may be open")
        if not data.isascii() or self._decoder.getstate()[0]:
            self._decoder.decode(data, not data)
        return data

    def close(self) -> None:
        self.closed = True
