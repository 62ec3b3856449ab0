"""A run's requests as a file to keep; the file also carries what was derived from them."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim_core import SimResult, SimSpec
from sim_core.trace import Trace
from sync.series import Derived, derive

_DERIVED = b"derived"  # the key in the file's own metadata


def encode_requests(result: SimResult, spec: SimSpec, trace: Trace | None = None) -> bytes:
    """The per-request columns of a result as the bytes of a Parquet file (zstd), with `derive`'s in its metadata."""
    table = pa.table({name: pa.array(np.asarray(column)) for name, column in result.requests.items()})
    derived = derive(result, spec, trace)
    table = table.replace_schema_metadata({_DERIVED: derived.to_json()})
    return _bytes(table)


def read_derived(parquet: bytes) -> Derived:
    """What a table of requests carries beside its rows; nothing where it has none (or there is no table)."""
    if not parquet:
        return Derived()
    told = (pq.read_schema(pa.BufferReader(parquet)).metadata or {}).get(_DERIVED)
    return Derived() if told is None else Derived.from_json(told)


def encode_figures(figures: dict[str, float]) -> bytes:
    """Figures by name as the bytes of a Parquet file of two columns."""
    return _bytes(pa.table({"figure": list(figures), "value": [float(value) for value in figures.values()]}))


def _bytes(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())
