"""CSV files. Arrow splits them into cells and converts whole columns; Python finds the cells that are wrong."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from sim_core.errors import choices
from sim_core.limits import limits
from traces.cells import LEAST, integer
from traces.cells import seconds as exact_seconds
from traces.formats.base import SECONDS, About, Assumed, Example, Kind, requests
from traces.read_counts import ReadCounts
from traces.trace_file import HEAD_BYTES, TraceFile

MOST_RAGGED = 1000  # rows of another width in a block, after which reading stops
MAX_NAME, MAX_NAMES = 60, 30  # characters, columns, in a message


def _whole_column(cells: pa.Array, least: int) -> Any:
    text = cells.buffers()[2]
    if text is not None and b"x" in text.to_pybytes().lower():
        return None  # Arrow takes hexadecimal numbers; in a data file they are mistakes
    try:
        numbers = cells.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    return numbers if numbers.min(initial=least) >= least else None


WHOLE = Kind(_whole_column, integer)


def _times_in(unit: str) -> Kind:
    """Times in another unit than seconds, converted exactly."""
    return Kind(lambda cells, least: None, lambda cell, least: exact_seconds(cell, unit))


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file (`source`) and its name in the result (`target`; empty: it is only checked).

    `kind` None: text, kept as it is. `default` is the value where the column is missing.
    """

    source: str
    target: str
    kind: Kind | None = None
    least: int = 0
    default: int | None = None
    required: bool = True


def whole(source: str, target: str, least: int | None = None, default: int | None = None) -> Column:
    """A column of whole numbers, from LEAST[target] on unless `least` is given."""
    return Column(source, target, WHOLE, LEAST[target] if least is None else least, default, default is None)


def output(source: str) -> Column:
    """The tokens of output. 0 marks a failed request."""
    return Column(source, "output_tokens", WHOLE)


def seconds(source: str) -> Column:
    """The time of arrival, in seconds."""
    return Column(source, "arrival", SECONDS)


def text(source: str) -> Column:
    """A column that is kept as it is, if the file has it."""
    return Column(source, source, required=False)


def first_line(head: bytes) -> list[str]:
    """The cells of a CSV file's first line; empty if it is not text."""
    return next(iter(rows_of(head, 1)), [])


def rows_of(head: bytes, count: int) -> list[list[str]]:
    """The first rows, of which the last may be cut; empty for what is not UTF-8 text."""
    lines = head.split(b"\n", count)[:count]
    try:
        return [
            [cell.strip() for cell in row] for row in csv.reader(io.StringIO(b"\n".join(lines).decode("utf-8-sig")))
        ]
    except (UnicodeDecodeError, csv.Error):
        return []


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """A layout recognised by its header, and perhaps by the cells of its first row."""

    about: About
    columns: tuple[Column, ...]
    example: Example
    check_row: Callable[[dict[str, str]], bool] | None = None  # is a file with this header, and this first row, of it?
    excluded: frozenset[str] = frozenset()  # a file with one of these columns is of another format

    @property
    def required(self) -> list[str]:
        """Columns that must be there."""
        return [column.source for column in self.columns if column.required]

    @property
    def arrival(self) -> str:
        """As TraceFormat."""
        return self.source("arrival")

    @property
    def sizes(self) -> tuple[str, str]:
        """As TraceFormat."""
        return self.source("prompt_tokens"), self.source("output_tokens")

    def source(self, target: str) -> str:
        return next(column.source for column in self.columns if column.target == target)

    def sniff(self, head: bytes) -> bool:
        """By the header."""
        rows = rows_of(head, 2)
        if not rows or not set(self.required) <= set(rows[0]) or self.excluded & set(rows[0]):
            return False
        if self.check_row is None:
            return True
        return self.check_row(dict(zip(rows[0], rows[1] if len(rows) > 1 else [], strict=False)))

    def read(self, source: TraceFile, counts: ReadCounts, assumed: Assumed) -> Iterator[pa.RecordBatch]:
        """As TraceFormat."""
        head = source.head()
        if not head:
            raise counts.error("the file is empty")
        header = first_line(head)
        _check_width(head, header, counts)
        with source.open() as stream:
            if not header:
                codecs.getincrementaldecoder("utf-8")().decode(head.split(b"\n", 1)[0])  # or an error that names it
            places = _places(self.columns, header, counts)
            try:
                for numbers, block, ragged in _blocks(stream, len(header), counts):
                    yield self._batch(numbers, block, ragged, places, counts, assumed)
            except pa.ArrowInvalid as error:
                raise counts.error(_why_no_csv(str(error), counts)) from error

    def _batch(
        self,
        numbers: Any,
        block: pa.RecordBatch,
        ragged: dict[int, str],
        places: dict[str, int],
        counts: ReadCounts,
        assumed: Assumed,
    ) -> pa.RecordBatch:
        """The requests of a block. `numbers` are its rows' numbers; `ragged` the rows of another width, and why."""
        numbers, block = _without_blank_lines(numbers, block, places["arrival"], counts)
        arrays: dict[str, Any] = {"row": numbers}
        wrong = {number: (reason, "") for number, reason in ragged.items()}
        for column in self.columns:
            if column.target not in places:
                if column.default is not None:
                    arrays[column.target] = np.full(len(numbers), column.default, np.int64)
                continue
            cells = block[places[column.target]]
            if column.kind is None:
                arrays[column.target] = cells
                continue
            kind, least = self._kind(column, counts, assumed)
            arrays[column.target], reasons = kind.converted(cells, least)
            for place, reason in reasons.items():
                wrong.setdefault(int(numbers[place]), (reason, column.source))
        arrays.pop("", None)  # columns that are only checked
        return requests(arrays, wrong, counts, self.source("prompt_tokens"))

    def _kind(self, column: Column, counts: ReadCounts, assumed: Assumed) -> tuple[Kind, int]:
        """How the column is converted, and the least number that it may hold."""
        assert column.kind is not None
        if column.target == "output_tokens" and counts.zero_output == "error":
            return column.kind, LEAST["output_tokens"]
        if column.target == "arrival" and assumed.unit != self.about.times.unit:
            return _times_in(assumed.unit), column.least
        return column.kind, column.least


def _check_width(head: bytes, header: list[str], counts: ReadCounts) -> None:
    """TraceError for too many columns, and for a first line that is longer than `head`."""
    if len(header) > limits().columns:
        raise counts.error(limits().too_much("columns", len(header), "columns in its first line"))
    if len(head) >= HEAD_BYTES and b"\n" not in head:
        raise counts.error(f"its first line has more than {HEAD_BYTES:,} bytes; it must have the names of the columns")


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


def _blocks(stream: BinaryIO, width: int, counts: ReadCounts) -> Iterator[tuple[Any, pa.RecordBatch, dict[int, str]]]:
    """The rows behind the header, in blocks of text columns named by their places, as `_batch` takes them.

    ArrowInvalid where the file is no CSV.
    """
    ragged: dict[int, str] = {}

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
        for block in _until_ragged(reader, ragged, counts):
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
            ragged,
        )


def _until_ragged(reader: Any, ragged: dict[int, str], counts: ReadCounts) -> Iterator[pa.RecordBatch]:
    """The reader's blocks. TraceError for the first row of another width where reading stopped for too many of them."""
    try:
        yield from reader
    except pa.ArrowInvalid:
        if counts.skip_bad_rows or len(ragged) < MOST_RAGGED:
            raise
        number = min(ragged)
        raise counts.error(ragged[number], number) from None


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


def _places(columns: tuple[Column, ...], header: list[str], counts: ReadCounts) -> dict[str, int]:
    """Where the columns are in the file, by their targets."""
    places = {}
    for column in columns:
        if header.count(column.source) > 1:
            raise counts.error(f"column {column.source!r} is there twice")
        if column.source in header:
            places[column.target] = header.index(column.source)
        elif column.required:
            raise counts.error(f"column {column.source!r} is missing{choices(column.source, _presentable(header))}")
    return places


def _presentable(names: list[str]) -> list[str]:
    """The names of columns that a message may show: not all of them, and none that is long or unprintable."""
    return [name for name in names if name and name.isprintable() and len(name) <= MAX_NAME][:MAX_NAMES]
