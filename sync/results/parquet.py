"""A run's table of requests as a Parquet file, which also carries tables beside it and what was derived from it."""

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

# Keys in the file's metadata. The tables are compressed: who draws curves need not read them.
_DERIVED, INSTANCES, UNSERVED, CLOCK = b"derived", b"instances", b"unserved", b"clock"


def encode_requests(result: MeasuredRun, spec: SimSpec, trace: Trace | None = None) -> bytes:
    """The per-request columns of a result as the bytes of a Parquet file (LZ4). Its metadata hold what `derive`
    returns, the tables of instances and of requests that were not served, and the clock: when the first request
    arrives, when the run ends, and which time of the trace is 0."""
    table = pa.table({name: _array(column) for name, column in result.requests.items()})
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


def read_derived(parquet: bytes) -> Derived:
    """What was derived from a table of requests; empty where the file does not have it, or there is no table."""
    derived = _metadata(parquet).get(_DERIVED)
    return Derived() if derived is None else Derived.from_json(derived)


def read_beside(parquet: bytes, table: bytes) -> dict[str, list[object]]:
    """The table `INSTANCES`, `UNSERVED` or `CLOCK` that goes with a table of requests, by columns; empty where there is
    none."""
    packed = _metadata(parquet).get(table)
    return {} if packed is None else dict(json.loads(zlib.decompress(packed)))


def _packed(columns: Mapping[str, Sequence[object]]) -> bytes:
    return zlib.compress(json.dumps({name: list(column) for name, column in columns.items()}).encode())


def _metadata(parquet: bytes) -> dict[bytes, bytes]:
    return (pq.read_schema(pa.BufferReader(parquet)).metadata if parquet else None) or {}


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
    pq.write_table(table, sink, compression="lz4", use_dictionary=False, column_encoding=encodings)
    return bytes(sink.getvalue())
