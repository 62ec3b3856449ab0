"""CSV files. Arrow splits them into cells and converts whole columns; Python finds the cells that are wrong."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from sim_core.errors import choices
from sim_core.limits import limits
from traces.cells import LEAST, integer
from traces.cells import seconds as exact_seconds
from traces.formats.base import SECONDS, About, Assumed, Example, Kind, requests
from traces.formats.csv_blocks import blocks
from traces.read_counts import ReadCounts
from traces.trace_file import HEAD_BYTES, TraceFile

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
            for numbers, block, ragged in blocks(stream, len(header), places["arrival"], counts):
                yield self._batch(numbers, block, ragged, places, counts, assumed)

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
