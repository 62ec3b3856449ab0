"""CSV files, a chunk of rows at a time and a column at a time; cell by cell only to say which one is wrong."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from sim_core.errors import choices
from traces.cells import LEAST, BadCell, integers, times
from traces.formats.base import CHUNK_ROWS, About, Assumed, selected, with_tokens
from traces.formats.csv_blocks import Watched, blocks
from traces.source import Source
from traces.tally import Tally

BLOCK_BYTES = 1 << 21
MAX_NAME, MAX_NAMES = 60, 30  # characters, columns, in a message
Fast = Callable[[pa.Array], Any]
Convert = Callable[[Sequence[str]], Any]  # cells -> a NumPy array; BadCell names the first that is wrong


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the file (`source`) and what it becomes. `default` stands for a column that may be missing.

    `strict` is its conversion where requests without output are errors. `fast` does the same as `convert` to an Arrow
    array of `kind`, or gives None if it finds anything amiss.
    """

    source: str
    target: str
    convert: Convert | None = None  # None: text
    default: int | None = None
    required: bool = True
    strict: Convert | None = None
    kind: pa.DataType = field(default_factory=pa.string)
    fast: Fast | None = None


def whole(source: str, target: str, least: int | None = None, default: int | None = None) -> Column:
    """A column of whole numbers, from LEAST[target] on unless said otherwise."""
    smallest = LEAST[target] if least is None else least
    convert, fast = _whole(smallest), _from(smallest)
    return Column(source, target, convert, default, default is None, kind=pa.int64(), fast=fast)


def output(source: str) -> Column:
    """The tokens of output, of which there may be none."""
    strict = _whole(LEAST["output_tokens"])
    return Column(source, "output_tokens", _whole(0), strict=strict, kind=pa.int64(), fast=_from(0))


def seconds(source: str) -> Column:
    """The arrival, in seconds."""

    def fast(array: pa.Array) -> Any:
        numbers = array.to_numpy()
        return numbers if ((numbers >= 0.0) & np.isfinite(numbers)).all() else None

    return Column(source, "arrival", _times_in("s"), kind=pa.float64(), fast=fast)


def _times_in(unit: str) -> Convert:
    return lambda cells: np.frombuffer(times(cells, unit), np.float64)


def _whole(least: int) -> Convert:
    return lambda cells: np.frombuffer(integers(cells, least), np.int64)


def _from(least: int) -> Fast:
    def fast(array: pa.Array) -> Any:
        numbers = array.to_numpy()
        return numbers if numbers.min(initial=least) >= least else None

    return fast


def text(source: str) -> Column:
    """A column to be kept as it is, if it is there."""
    return Column(source, source, required=False, fast=lambda array: array)


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

    @property
    def arrival(self) -> str:
        """As TraceFormat."""
        return self._source("arrival")

    def _source(self, target: str) -> str:
        return next(column.source for column in self.columns if column.target == target)

    def sniff(self, head: bytes) -> bool:
        """By the header."""
        rows = rows_of(head, 2)
        if not rows or not set(self.required) <= set(rows[0]) or self.excluded & set(rows[0]):
            return False
        if self.check_row is None:
            return True
        return self.check_row(dict(zip(rows[0], rows[1] if len(rows) > 1 else [], strict=False)))

    def read(self, source: Source, tally: Tally, assumed: Assumed) -> Iterator[pa.RecordBatch]:
        """As TraceFormat."""
        if assumed.unit == self.about.times.unit:
            return self._read(source, tally)
        columns = [
            replace(column, convert=_times_in(assumed.unit), fast=None) if column.target == "arrival" else column
            for column in self.columns
        ]
        return replace(self, columns=tuple(columns))._read(source, tally)

    def _read(self, source: Source, tally: Tally) -> Iterator[pa.RecordBatch]:
        """Arrow's way as far as the file is sound, from there row by row."""
        if (yield from self._read_fast(source, tally)):
            return
        with source.open() as stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline="") as lines:
            reader = csv.reader(lines)
            try:
                header = next(reader, None)
                places = _places(self.columns, header, tally)
                for _ in islice(reader, tally.rows):
                    pass  # these have been read
                while rows := list(islice(reader, CHUNK_ROWS)):
                    yield self._batch(rows, len(header or ()), places, tally)
            except csv.Error as error:
                raise tally.error(f"is not CSV after row {tally.rows}: {error}") from error

    def _read_fast(self, source: Source, tally: Tally) -> Generator[pa.RecordBatch, None, bool]:
        """As `read`, several times as fast; ends with False before the first block in which anything is amiss."""
        head = source.head()
        header = first_line(head)
        if not header or b'"' in head.split(b"\n", 1)[0] or b"\r" in head.split(b"\n", 1)[0][:-1]:
            return False
        places = _places(self.columns, header, tally)
        present = [column for column in self.columns if column.target in places]
        if not all(column.fast for column in present):
            return False
        with source.open() as stream:
            watched = Watched(stream)
            try:
                kinds = {places[column.target]: column.kind for column in present}
                for block in blocks(watched, len(header), kinds, BLOCK_BYTES):
                    arrays = self._checked(block, places, tally)
                    if arrays is None or watched.hexadecimal:
                        return False
                    arrays["row"] = np.arange(tally.rows + 1, tally.rows + 1 + block.num_rows)
                    tally.rows += block.num_rows
                    yield pa.RecordBatch.from_pydict(with_tokens(arrays, tally, self._source("prompt_tokens")))
            except pa.ArrowInvalid:
                return False
        return True

    def _checked(self, block: pa.RecordBatch, places: dict[str, int], tally: Tally) -> dict[str, Any] | None:
        arrays: dict[str, Any] = {"row": None}
        for column in self.columns:
            if column.target in places:
                assert column.fast is not None
                values = column.fast(block[str(places[column.target])])
                if values is None:
                    return None
                if column.strict and tally.zero_output == "error" and values.min(initial=1) < 1:
                    return None
                arrays[column.target] = values
            elif column.default is not None:
                arrays[column.target] = np.full(block.num_rows, column.default, np.int64)
        arrays.pop("", None)
        return arrays

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
        return pa.RecordBatch.from_pydict(with_tokens(arrays, tally, self._source("prompt_tokens")))


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
            raise tally.error(f"column {column.source!r} is missing{choices(column.source, _shown(names))}")
    return places


def _shown(names: list[str]) -> list[str]:
    """Names of columns for a message: some, and none of any length."""
    return [name for name in names if name and name.isprintable() and len(name) <= MAX_NAME][:MAX_NAMES]


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
