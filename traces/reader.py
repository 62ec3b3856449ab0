"""SplitwiseSim's trace CSV -> Trace: fast where the file is sound, exact about the cell where it is not."""

from __future__ import annotations

import csv
import gzip
import warnings
import zlib
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import BinaryIO, cast

from sim_core.errors import TraceError, choices
from sim_core.trace import Trace
from traces.cells import BadCell, integers, times

CHUNK_ROWS = 1 << 16
GENERATIVE_LLM = 2  # the one request_type there is
REQUIRED = ("request_id", "arrival_timestamp", "prompt_size", "token_size")
OPTIONAL = {"request_type": GENERATIVE_LLM, "application_id": 0, "batch_size": 1}
LEAST = {"request_id": 0, "application_id": 0, "batch_size": 1, "prompt_size": 1, "token_size": 1, "request_type": 0}


class TraceWarning(UserWarning):
    """A trace was not as it should be, but could be put right."""


def read_csv(path: Path, *, source: str = "", name: str = "") -> Trace:
    """A CSV file (also gzipped, with a BOM, with CRLF) with SplitwiseSim's columns; others are ignored.

    request_type, application_id and batch_size may be missing (2, 0, 1). Rows out of order are sorted by arrival,
    equal ones staying as they were, with a TraceWarning. TraceError names file, row, column and value of what is
    wrong. `source` is how messages call the file (its path if empty), `name` the trace's name (the file's stem).
    """
    source = source or str(path)
    table = _Table(source)
    try:
        with _open_text(path) as file:
            reader = csv.reader(file)
            table.read_header(next(reader, None))
            while rows := list(islice(reader, CHUNK_ROWS)):
                table.add(rows)
    except OSError as error:  # gzip.BadGzipFile is one of these
        raise TraceError(f"cannot be read: {error.strerror or error}", source=source) from error
    except (EOFError, zlib.error) as error:
        raise TraceError("cannot be read: the gzipped file is damaged or cut short", source=source) from error
    except UnicodeDecodeError as error:
        raise TraceError(f"is not UTF-8 text (byte 0x{error.object[error.start]:02x})", source=source) from error
    except csv.Error as error:
        raise TraceError(f"is not CSV after row {table.rows_seen}: {error}", source=source) from error
    return table.trace(name or path.name.removesuffix(".gz").removesuffix(".csv"))


@contextmanager
def _open_text(path: Path) -> Iterator[TextIOWrapper]:
    with path.open("rb") as raw:
        zipped = raw.peek(2)[:2] == b"\x1f\x8b"
        stream = cast(BinaryIO, gzip.GzipFile(fileobj=raw)) if zipped else raw
        with TextIOWrapper(stream, encoding="utf-8-sig", newline="") as text:
            yield text


def _empty_columns() -> dict[str, array[int]]:
    return {column: array("q") for column in LEAST if column != "request_type"}


@dataclass(slots=True)
class _Table:
    source: str
    header: list[str] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)  # of the columns that count and are there
    arrival_s: array[float] = field(default_factory=lambda: array("d"))
    columns: dict[str, array[int]] = field(default_factory=_empty_columns)
    row_numbers: array[int] = field(default_factory=lambda: array("q"))  # blank rows count but are not kept
    rows_seen: int = 0

    def error(self, reason: str, row: int | None = None, column: str = "") -> TraceError:
        return TraceError(reason, source=self.source, row=row, column=column)

    def read_header(self, header: list[str] | None) -> None:
        if header is None:
            raise self.error("the file is empty")
        self.header = [name.strip() for name in header]
        for column in (*REQUIRED, *OPTIONAL):
            if self.header.count(column) > 1:
                raise self.error(f"column {column!r} is there twice")
            if column in self.header:
                self.places[column] = self.header.index(column)
            elif column in REQUIRED:
                raise self.error(f"column {column!r} is missing{choices(column, filter(None, self.header))}")

    def add(self, rows: list[list[str]]) -> None:
        numbers: Sequence[int] = range(self.rows_seen + 1, self.rows_seen + 1 + len(rows))
        self.rows_seen += len(rows)
        if not all(rows):
            numbers = [number for number, row in zip(numbers, rows, strict=True) if row]
            rows = [row for row in rows if row]
        if set(map(len, rows)) - {len(self.header)}:
            number, row = next((n, r) for n, r in zip(numbers, rows, strict=True) if len(r) != len(self.header))
            raise self.error(f"{len(row)} cells under a header of {len(self.header)}", number)
        if not rows:
            return
        cells = list(zip(*rows, strict=True))
        for column, place in self.places.items():
            try:
                self._add_column(column, cells[place])
            except BadCell as bad:
                raise self.error(bad.reason, numbers[bad.index], column) from None
        for column in OPTIONAL.keys() & self.columns.keys() - self.places.keys():
            self.columns[column].extend([OPTIONAL[column]] * len(rows))
        self.row_numbers.extend(numbers)

    def _add_column(self, column: str, cells: Sequence[str]) -> None:
        if column == "arrival_timestamp":
            self.arrival_s.extend(times(cells))
        elif column == "request_type":
            for index, kind in enumerate(() if set(cells) == {"2"} else integers(cells, LEAST[column])):
                if kind != GENERATIVE_LLM:
                    raise BadCell(index, f"{cells[index]!r}: only {GENERATIVE_LLM} (generative LLM) can be simulated")
        else:
            self.columns[column].extend(integers(cells, LEAST[column]))

    def trace(self, name: str) -> Trace:
        if not self.row_numbers:
            raise self.error("there are no requests, only a header")
        self._check_ids()
        order = self._order()
        if order is not None:
            self.arrival_s = array("d", [self.arrival_s[i] for i in order])
            self.columns = {key: array("q", [column[i] for i in order]) for key, column in self.columns.items()}
        return Trace(
            name=name,
            request_id=self.columns["request_id"],
            application_id=self.columns["application_id"],
            arrival_s=self.arrival_s,
            prompt_tokens=self.columns["prompt_size"],
            output_tokens=self.columns["token_size"],
            batch_size=self.columns["batch_size"],
        )

    def _check_ids(self) -> None:
        ids = self.columns["request_id"]
        if len(set(ids)) == len(ids):
            return
        first: dict[int, int] = {}
        for number, request_id in zip(self.row_numbers, ids, strict=True):
            if request_id in first:
                reason = f"{request_id} is there twice, first in row {first[request_id]}"
                raise self.error(reason, number, "request_id")
            first[request_id] = number

    def _order(self) -> list[int] | None:
        """The rows by arrival, or None when they are in order."""
        arrivals = self.arrival_s.tolist()
        if arrivals == sorted(arrivals):
            return None
        late = next(i for i in range(1, len(arrivals)) if arrivals[i] < arrivals[i - 1])
        warnings.warn(
            f"{self.source}, row {self.row_numbers[late]}, column arrival_timestamp: {arrivals[late]!r} comes after "
            f"{arrivals[late - 1]!r}; the rows were sorted by arrival",
            TraceWarning,
            stacklevel=4,
        )
        return sorted(range(len(arrivals)), key=arrivals.__getitem__)
