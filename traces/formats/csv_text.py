"""CSV files, a chunk of rows at a time and a column at a time; cell by cell only to say which one is wrong."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from sim_core.errors import choices
from traces.cells import BadCell, integers, times
from traces.formats.base import CHUNK_ROWS, LEAST, About, selected, with_output
from traces.source import Source
from traces.tally import Tally

Convert = Callable[[Sequence[str]], Any]  # cells -> a NumPy array; BadCell names the first that is wrong


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file (`source`) and what it becomes. `default` stands for a column that may be missing.

    `strict` is its conversion where requests without output are errors.
    """

    source: str
    target: str
    convert: Convert | None = None  # None: text
    default: int | None = None
    required: bool = True
    strict: Convert | None = None


def whole(source: str, target: str, least: int | None = None, default: int | None = None) -> Column:
    """A column of whole numbers, from LEAST[target] on unless said otherwise."""
    convert = _whole(LEAST[target] if least is None else least)
    return Column(source, target, convert, default, required=default is None)


def output(source: str) -> Column:
    """The tokens of output, of which there may be none."""
    return Column(source, "output_tokens", _whole(0), strict=_whole(LEAST["output_tokens"]))


def _whole(least: int) -> Convert:
    return lambda cells: np.frombuffer(integers(cells, least), np.int64)


def seconds(source: str) -> Column:
    """The arrival, in seconds."""
    return Column(source, "arrival", lambda cells: np.frombuffer(times(cells), np.float64))


def text(source: str) -> Column:
    """A column to be kept as it is, if it is there."""
    return Column(source, source, required=False)


def first_line(head: bytes) -> list[str]:
    """The cells of a CSV file's first line, or nothing if it is not text."""
    return next(iter(rows_of(head, 1)), [])


def rows_of(head: bytes, count: int) -> list[list[str]]:
    """The first rows; the last one may be cut. Nothing for what is not UTF-8 text."""
    lines = head.split(b"\n", count)[:count]
    try:
        return [
            [cell.strip() for cell in row] for row in csv.reader(io.StringIO(b"\n".join(lines).decode("utf-8-sig")))
        ]
    except (UnicodeDecodeError, csv.Error):
        return []


@dataclass(frozen=True, slots=True)
class CsvFormat:
    """A layout that its header tells, and perhaps the cells of its first row."""

    about: About
    columns: tuple[Column, ...]
    check_row: Callable[[dict[str, str]], bool] | None = None  # of a file that has the header: is it this format?
    excluded: frozenset[str] = frozenset()  # columns that tell it is another format

    @property
    def required(self) -> list[str]:
        """Columns that must be there."""
        return [column.source for column in self.columns if column.required]

    def sniff(self, head: bytes) -> bool:
        """By the header."""
        rows = rows_of(head, 2)
        if not rows or not set(self.required) <= set(rows[0]) or self.excluded & set(rows[0]):
            return False
        if self.check_row is None:
            return True
        return self.check_row(dict(zip(rows[0], rows[1] if len(rows) > 1 else [], strict=False)))

    def read(self, source: Source, tally: Tally) -> Iterator[pa.RecordBatch]:
        """As TraceFormat."""
        with source.open() as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            try:
                header = next(reader, None)
                places = _places(self.columns, header, tally)
                while rows := list(islice(reader, CHUNK_ROWS)):
                    yield self._batch(rows, len(header or ()), places, tally)
            except csv.Error as error:
                raise tally.error(f"is not CSV after row {tally.rows}: {error}") from error

    def _batch(self, rows: list[list[str]], width: int, places: dict[str, int], tally: Tally) -> pa.RecordBatch:
        numbers, rows = _full_rows(rows, width, tally)
        cells = list(zip(*rows, strict=True)) if rows else [()] * width
        arrays: dict[str, Any] = {"row": np.array(numbers, np.int64)}
        good = np.ones(len(rows), bool)
        for column in self.columns:
            place = places.get(column.target)
            if place is None and column.default is not None:
                arrays[column.target] = np.full(len(rows), column.default, np.int64)
            elif place is not None:
                arrays[column.target] = _converted(column, cells[place], arrays["row"], good, tally)
        arrays.pop("", None)  # columns that are only checked
        if not good.all():
            arrays = selected(arrays, good)
        return pa.RecordBatch.from_pydict(with_output(arrays, tally))


def _places(columns: tuple[Column, ...], header: list[str] | None, tally: Tally) -> dict[str, int]:
    if header is None:
        raise tally.error("the file is empty")
    names = [name.strip() for name in header]
    places = {}
    for column in columns:
        if names.count(column.source) > 1:
            raise tally.error(f"column {column.source!r} is there twice")
        if column.source in names:
            places[column.target] = names.index(column.source)
        elif column.required:
            raise tally.error(f"column {column.source!r} is missing{choices(column.source, filter(None, names))}")
    return places


def _full_rows(rows: list[list[str]], width: int, tally: Tally) -> tuple[Sequence[int], list[list[str]]]:
    """Rows with their numbers, without blank ones and those of another width."""
    numbers: Sequence[int] = range(tally.rows + 1, tally.rows + 1 + len(rows))
    tally.rows += len(rows)
    if set(map(len, rows)) == {width}:
        return numbers, rows
    kept = []
    for number, row in zip(numbers, rows, strict=True):
        if len(row) == width:
            kept.append((number, row))
        elif row:
            tally.bad_row(number, f"{len(row)} cells under a header of {width}")
    return [number for number, _ in kept], [row for _, row in kept]


def _converted(column: Column, cells: Sequence[str], numbers: Any, good: Any, tally: Tally) -> Any:
    """The column; cells that are wrong are marked in `good` where bad rows are to be left out."""
    convert = column.strict if column.strict and tally.zero_output == "error" else column.convert
    if convert is None:
        return pa.array(cells, pa.string())
    try:
        return convert(cells)
    except BadCell as bad:
        if not tally.skip_bad_rows:
            raise tally.error(bad.reason, int(numbers[bad.index]), column.source) from None
    values = []
    for index, cell in enumerate(cells):
        try:
            values.append(convert([cell])[0])
        except BadCell as bad:
            values.append(0)
            if good[index]:
                tally.bad_row(int(numbers[index]), bad.reason, column.source)
            good[index] = False
    return np.array(values)
