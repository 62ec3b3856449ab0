"""Sorting rows by arrival."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traces import sorted_rows
from traces.sorted_rows import SortedRows


def batch(arrivals: list[int], first_row: int) -> pa.RecordBatch:
    rows = list(range(first_row, first_row + len(arrivals)))
    return pa.RecordBatch.from_pydict(
        {"row": rows, "arrival": pa.array(arrivals, pa.int64()), "note": [str(row) for row in rows]}
    )


@given(
    arrivals=st.lists(st.integers(0, 30), min_size=1, max_size=60),
    size=st.integers(1, 9),
    batch_rows=st.integers(1, 5),
    in_order=st.booleans(),
)
def test_rows_come_out_as_a_stable_sort_would_give_them(
    arrivals: list[int], size: int, batch_rows: int, in_order: bool
) -> None:
    if in_order:
        arrivals.sort()
    rows = SortedRows()
    for start in range(0, len(arrivals), size):
        rows.add(batch(arrivals[start : start + size], start))
    if not in_order:
        rows.sort()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorted_rows, "BATCH_ROWS", batch_rows)
        for _ in range(2):  # as often as wanted
            parts = list(rows.batches())
            numbers = [row for part in parts for row in part["row"].to_pylist()]
            assert numbers == sorted(range(len(arrivals)), key=arrivals.__getitem__)
            assert [text for part in parts for text in part["note"].to_pylist()] == [str(row) for row in numbers]
            assert all(0 < part.num_rows <= batch_rows for part in parts)
    assert (rows.rows, rows.first, rows.last) == (len(arrivals), min(arrivals), max(arrivals))
