"""A run's requests as a file to keep; the file also carries what was derived from them."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim_core import SimSpec
from sim_core.trace import Trace
from sync.results.curves import Derived, derive
from sync.results.measure import MeasuredRun

# Keys in the file's own metadata. The tables are packed: nobody needs them to draw curves.
_DERIVED, INSTANCES, UNSERVED, CLOCK = b"derived", b"instances", b"unserved", b"clock"


def encode_requests(result: MeasuredRun, spec: SimSpec, trace: Trace | None = None) -> bytes:
    """The per-request columns of a result as the bytes of a Parquet file (LZ4). Its metadata hold what `derive`
    says, the result's tables of instances and of the requests that were not served, and on the clock of all their times
    when the first request arrives and the run ends, and where that clock reads 0 on the trace's own."""
    table = pa.table({name: _array(column) for name, column in result.requests.items()})
    beside = {
        _DERIVED: derive(result, spec, trace).to_json().encode(),
        INSTANCES: _packed(result.instances),
        UNSERVED: _packed(result.unserved),
        CLOCK: _packed({name: [getattr(result, name)] for name in ("first_arrival_s", "end_s", "origin_s")}),
    }
    return _bytes(table.replace_schema_metadata(beside))


def _array(numbers: np.ndarray) -> pa.Array:
    """The same memory as Arrow's. `pa.array` would import pandas first, a quarter of a second of CPU in each worker."""
    kind = pa.from_numpy_dtype(numbers.dtype)
    return pa.Array.from_buffers(kind, len(numbers), [None, pa.py_buffer(numbers)])


def read_derived(parquet: bytes) -> Derived:
    """What a table of requests carries beside its rows; nothing where it has none (or there is no table)."""
    if not parquet:
        return Derived()
    told = _metadata(parquet).get(_DERIVED)
    return Derived() if told is None else Derived.from_json(told)


def read_beside(parquet: bytes, table: bytes) -> dict[str, list[object]]:
    """The table `INSTANCES`, `UNSERVED` or `CLOCK` that goes with a table of requests, by columns; empty where there is
    none."""
    packed = _metadata(parquet).get(table) if parquet else None
    return {} if packed is None else dict(json.loads(zlib.decompress(packed)))


def _packed(columns: Mapping[str, Sequence[object]]) -> bytes:
    return zlib.compress(json.dumps({name: list(column) for name, column in columns.items()}).encode())


def _metadata(parquet: bytes) -> dict[bytes, bytes]:
    return pq.read_schema(pa.BufferReader(parquet)).metadata or {}


def encode_figures(figures: dict[str, float]) -> bytes:
    """Figures by name as the bytes of a Parquet file of two columns."""
    return _bytes(pa.table({"figure": list(figures), "value": [float(value) for value in figures.values()]}))


def _bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    # Hardly a value occurs twice, so no dictionaries; the bytes of like weight of all numbers stand together, or of
    # whole numbers their differences. With that the fast LZ4 makes smaller files than zstd, in half the time.
    encodings = {field.name: encoding for field in table.schema if (encoding := _encoding(field.type))}
    pq.write_table(table, sink, compression="lz4", use_dictionary=False, column_encoding=encodings)
    return bytes(sink.getvalue().to_pybytes())


def _encoding(kind: pa.DataType) -> str | None:
    if pa.types.is_floating(kind):
        return "BYTE_STREAM_SPLIT"
    return "DELTA_BINARY_PACKED" if pa.types.is_integer(kind) else None
