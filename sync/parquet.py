"""A run's requests as a file to keep."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sim_core import SimResult


def encode_requests(result: SimResult) -> bytes:
    """The per-request columns of a result as the bytes of a Parquet file (zstd)."""
    table = pa.table({name: pa.array(np.asarray(column)) for name, column in result.requests.items()})
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())
