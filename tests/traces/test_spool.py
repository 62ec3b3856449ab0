"""Sorting in bounded memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from traces import spool as spool_module
from traces.spool import Spool


def batch(arrivals: list[int], first_row: int) -> pa.RecordBatch:
    rows = list(range(first_row, first_row + len(arrivals)))
    return pa.RecordBatch.from_pydict({"row": rows, "arrival": pa.array(arrivals, pa.int64())})


@settings(deadline=None)
@given(
    arrivals=st.lists(st.integers(0, 30), min_size=1, max_size=60),
    size=st.integers(1, 9),
    run_rows=st.integers(1, 12),
    batch_rows=st.integers(1, 5),
    on_disk=st.booleans(),
)
def test_rows_come_out_as_a_stable_sort_would_give_them(
    arrivals: list[int], size: int, run_rows: int, batch_rows: int, on_disk: bool
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(spool_module, "BATCH_ROWS", batch_rows)
        spool = Spool(Path(folder) if on_disk else None, run_rows)
        for start in range(0, len(arrivals), size):
            spool.add(batch(arrivals[start : start + size], start))
        spool.finish()
        for _ in range(2):  # as often as wanted
            rows = [row for part in spool.batches() for row in part["row"].to_pylist()]
            assert rows == sorted(range(len(arrivals)), key=arrivals.__getitem__)
        assert (spool.rows, spool.first, spool.last) == (len(arrivals), min(arrivals), max(arrivals))
        assert list(Path(folder).iterdir()) == []  # its files have no names
        spool.close()
