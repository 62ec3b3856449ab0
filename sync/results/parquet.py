"""A run's table of requests as a Parquet file, which also carries tables beside it and what was derived from it.

A file may come from anybody. A few kilobytes of Parquet or zlib can stand for gigabytes, so what a file says of its
size is held against its own size, and against the outcome of its run, before anything is read.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim_core import SimSpec
from sim_core.trace import Trace
from sync.results import checks
from sync.results.curves import Derived, derive
from sync.results.inside import open_inside
from sync.results.measure import MeasuredRun
from sync.results.outcome import Outcome

# Keys in the file's metadata. The tables are compressed: who draws curves need not read them.
_DERIVED, INSTANCES, UNSERVED, CLOCK = b"derived", b"instances", b"unserved", b"clock"
# Limits of what thrift makes room for before it has read it; the texts hold the tables beside.
THRIFT_LIMITS = {"thrift_string_size_limit": 1 << 28, "thrift_container_size_limit": 10_000}
_MOST_COLUMNS, _MOST_GROUPS = 200, 1_000
# A row of a run has times that differ from those of all others. The tables that versions of this project have written
# have 80 to 110 bytes a row.
_FREE_ROWS, _LEAST_BYTES_A_ROW = 100_000, 8
_FREE_BYTES, _MOST_BYTES_A_CELL = 1 << 16, 24  # of a column, unpacked
# How much a table beside may grow when it is unpacked; the longest known ones, of unserved requests, grow 13 times.
_FREE_TEXT_BYTES, _MOST_GROWTH, _MOST_BRACKETS = 1 << 24, 24, 10_000


def encode_requests(result: MeasuredRun, spec: SimSpec, trace: Trace | None = None) -> bytes:
    """The per-request columns of a result as the bytes of a Parquet file (LZ4). Its metadata hold what `derive`
    returns, the tables of instances and of requests that were not served, and the clock: when the first request
    arrives, when the run ends, and which time of the trace is 0."""
    columns = {name: _array(column) for name, column in result.requests.items()}
    # that no value is missing takes a quarter of the time away
    schema = pa.schema([pa.field(name, column.type, nullable=False) for name, column in columns.items()])
    table = pa.Table.from_arrays(list(columns.values()), schema=schema)
    beside = {
        _DERIVED: derive(result, spec, trace).to_json().encode(),
        INSTANCES: _packed(result.instances),
        UNSERVED: _packed(result.unserved),
        CLOCK: _packed({name: [getattr(result, name)] for name in ("first_arrival_s", "end_s", "origin_s")}),
    }
    return _bytes(table.replace_schema_metadata(beside))


def _array(numbers: np.ndarray) -> pa.Array:
    """An Arrow array on the same memory. `pa.array` would import pandas: 0.25 s of CPU in each worker."""
    kind = pa.from_numpy_dtype(numbers.dtype)
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])


def open_table(source: bytes | Path, completed: float | None = None) -> pq.ParquetFile:
    """A run's table of requests, of which only the description is read yet. `completed`: how many requests the run's
    summary counts (None: it does not tell).

    Raises ValueError for a file that is no such table, or that says that it is larger than it can be, and OSError for
    one that cannot be read, is a link or is no regular file.
    """
    file = pa.BufferReader(source) if isinstance(source, bytes) else open_inside(source)
    size = len(source) if isinstance(source, bytes) else os.fstat(file.fileno()).st_size
    with _known_to_arrow():
        table = pq.ParquetFile(file, **THRIFT_LIMITS)
    _check_size(table.metadata, size)
    rows = table.metadata.num_rows
    if completed is not None and rows != completed:
        raise ValueError(f"it has {rows:,} rows, and its run completed {completed:,.0f} requests")
    for column in table.schema_arrow:
        if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
            raise ValueError(f"its column {column.name!r} is of the type {column.type}, not of numbers")
    return table


@contextmanager
def _known_to_arrow() -> Iterator[None]:
    """Raise ValueError for what Arrow does not know within this block, such as integers of more than 64 bits."""
    try:
        yield
    except pa.ArrowNotImplementedError as error:
        raise ValueError(str(error)) from error


def _check_size(metadata: pq.FileMetaData, size: int) -> None:
    """Raise ValueError where a file of `size` bytes says that it has more than it can have."""
    rows, columns, groups = metadata.num_rows, metadata.num_columns, metadata.num_row_groups
    if not 0 <= rows <= max(_FREE_ROWS, size // _LEAST_BYTES_A_ROW):
        raise ValueError(f"it says that it has {rows:,} rows, in {size:,} bytes")
    if columns > _MOST_COLUMNS or groups > _MOST_GROUPS:
        raise ValueError(f"it says that it has {columns:,} columns in {groups:,} parts")
    parts = [metadata.row_group(number) for number in range(groups)]
    if sum(part.num_rows for part in parts) != rows:
        raise ValueError("its parts have other rows than it says")
    for part in parts:
        most = _FREE_BYTES + _MOST_BYTES_A_CELL * part.num_rows
        if max((part.column(number).total_uncompressed_size for number in range(columns)), default=0) > most:
            raise ValueError(f"a column of {part.num_rows:,} rows unpacks to more than {most:,} bytes")


def read_requests(
    source: bytes | Path, columns: Collection[str] | None = None, completed: float | None = None
) -> pa.Table:
    """The rows of a table of requests, of all `columns` or of some. Raises as `open_table`, and ValueError for a column
    that the table lacks, and for a time or a number that no request has."""
    with open_table(source, completed) as file:
        if missing := set(columns or ()).difference(file.schema_arrow.names):
            raise ValueError(f"it has no column {min(missing)!r}")
        with _known_to_arrow():
            table = file.read(columns=None if columns is None else sorted(columns)).replace_schema_metadata()
    for name in table.column_names:
        most = checks.MOST_COUNT if pa.types.is_integer(table[name].type) else checks.MOST_S
        if len(table) and bool((np.abs(table[name].to_numpy()) > most).any()):  # NaN is not
            raise ValueError(f"its column {name!r} has a value beyond {most:g}")
    return table


def check_table(outcome: Outcome) -> None:
    """Raise ValueError where an outcome's table, or what goes with it, is none that a run has left."""
    table = outcome.requests_parquet
    if table:
        open_table(table, outcome.summary.get("run/completed")).close()
        read_derived(table)
        for name in (INSTANCES, UNSERVED, CLOCK):
            read_beside(table, name)


def column_names(source: bytes | Path) -> list[str]:
    """The names of the columns of a table of requests. Raises as `open_table`."""
    with open_table(source) as file:
        return list(file.schema_arrow.names)


def read_derived(parquet: bytes) -> Derived:
    """What was derived from a table of requests; empty where the file does not have it, or there is no table."""
    derived = _metadata(parquet).get(_DERIVED)
    return Derived() if derived is None else Derived.from_json(derived)


def read_beside(parquet: bytes, table: bytes) -> dict[str, list[object]]:
    """The table `INSTANCES`, `UNSERVED` or `CLOCK` that goes with a table of requests, by columns; empty where there is
    none. Raises ValueError for anything else than columns of equal length, and for what unpacks to more than it can."""
    packed = _metadata(parquet).get(table)
    return {} if packed is None else _columns(_unpacked(packed))


def _packed(columns: Mapping[str, Sequence[object]]) -> bytes:
    return zlib.compress(json.dumps({name: list(column) for name, column in columns.items()}).encode())


def _unpacked(packed: bytes) -> bytes:
    most = _FREE_TEXT_BYTES + _MOST_GROWTH * len(packed)
    unpacking = zlib.decompressobj()
    try:
        text = unpacking.decompress(packed, most)
    except zlib.error as error:
        raise ValueError(f"what goes with it cannot be unpacked ({error})") from error
    if unpacking.unconsumed_tail or text.count(b"[") + text.count(b"{") > _MOST_BRACKETS:
        raise ValueError(f"what goes with it, {len(packed):,} bytes, unpacks to more than {most:,} or to no table")
    return text


def _columns(text: bytes) -> dict[str, list[object]]:
    try:
        columns: Any = json.loads(text)
    except RecursionError as error:
        raise ValueError("what goes with it is nested too deeply") from error
    lists: list[Any] = list(columns.values()) if isinstance(columns, dict) else [None]
    if not all(isinstance(column, list) for column in lists) or len({len(column) for column in lists}) > 1:
        raise ValueError("what goes with it are no columns of equal length")
    for name, column in columns.items():
        checks.text(1, checks.MOST_NAME)("the name of a column that goes with it", name)
        for value in column:
            if type(value) is not float:
                checks.scalar(name, value)
            elif abs(value) > checks.MOST_FIGURE:
                raise ValueError(f"its {name} has the value {value:g}")
    return dict(columns)


def _metadata(parquet: bytes) -> dict[bytes, bytes]:
    if not parquet:
        return {}
    with open_table(parquet) as file:
        return file.schema_arrow.metadata or {}


def encode_figures(figures: dict[str, float]) -> bytes:
    """Figures by name as the bytes of a Parquet file of two columns."""
    return _bytes(pa.table({"figure": list(figures), "value": [float(value) for value in figures.values()]}))


def _bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    # No dictionaries, since hardly a value occurs twice. Splitting floats by byte, and differences of integers, let the
    # fast LZ4 make smaller files than zstd does, in half the time.
    encodings = {
        **{field.name: "BYTE_STREAM_SPLIT" for field in table.schema if pa.types.is_floating(field.type)},
        **{field.name: "DELTA_BINARY_PACKED" for field in table.schema if pa.types.is_integer(field.type)},
    }
    pq.write_table(
        table, sink, compression="lz4", use_dictionary=False, column_encoding=encodings, write_statistics=False
    )
    return bytes(sink.getvalue())
