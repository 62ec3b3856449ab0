"""Trace -> file -> trace, to the last bit, in every format that is written."""

from __future__ import annotations

from array import array
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim_core.errors import TraceError
from sim_core.limits import allowed
from sim_core.trace import Trace
from traces import writing
from traces.reader import read_file
from traces.reading import open_trace
from traces.trace_file import TraceFile
from traces.writing import ENDINGS, write_batches, write_trace

whole = st.integers(1, 2**63 - 1)
rows_of_a_trace = st.lists(
    st.tuples(st.floats(0.0, 1e17), whole, whole, whole, whole), min_size=1, max_size=20, unique_by=lambda row: row[1]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=rows_of_a_trace)
def test_what_is_written_reads_back_to_the_last_bit(
    tmp_path: Path, rows: list[tuple[float, int, int, int, int]]
) -> None:
    arrivals, ids, prompts, outputs, batches = zip(*sorted(rows), strict=True)
    trace = Trace("t", array("q", ids), array("q", batches), array("d", arrivals), *(
        array("q", column) for column in (prompts, outputs, batches)
    ))  # fmt: skip
    with allowed([("tokens", 2**63), ("arrival_s", 10**17), ("span_s", 10**17)]):
        for ending in ENDINGS:
            write_trace(trace, tmp_path / f"t{ending}")
            assert read_file(tmp_path / f"t{ending}") == trace
            assert read_file(tmp_path / f"t{ending}").digest() == trace.digest()


def test_one_trace_gives_one_file(tmp_path: Path) -> None:
    trace = a_trace(1000)
    for ending in ENDINGS:
        first, second = tmp_path / f"a{ending}", tmp_path / f"b{ending}"
        write_trace(trace, first)
        write_trace(trace, second)
        assert first.read_bytes() == second.read_bytes()


def a_trace(count: int) -> Trace:
    ids = array("q", range(count))
    ones = array("q", [1]) * count
    return Trace("t", ids, ones, array("d", [i / 7 for i in range(count)]), ones, ones, ones)


def test_a_parquet_file_has_row_groups_of_a_bounded_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writing, "ROW_GROUP_ROWS", 300)
    write_trace(a_trace(1000), tmp_path / "t.parquet")
    assert pq.ParquetFile(tmp_path / "t.parquet").num_row_groups == 4


@pytest.mark.parametrize("ending", ENDINGS)
def test_nothing_is_written_of_no_requests_nor_of_a_write_that_fails(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"t{ending}"
    with pytest.raises(TraceError, match="no request is left"):
        write_batches(iter(()), path)
    path.write_text("old")

    def broken():  # type: ignore[no-untyped-def]
        yield writing.trace_batch(a_trace(5))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_batches(broken(), path)
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert path.read_text() == "old"


def test_a_name_that_says_no_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"the name must end in one of \.parquet"):
        write_trace(a_trace(1), tmp_path / "t.txt")


def test_a_file_out_of_order_is_sorted(tmp_path: Path) -> None:
    header = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
    minutes = [(i * 37) % 1000 for i in range(1000)]
    lines = [f"2024-05-12 {m // 60 % 24:02}:{m % 60:02}:00+00:00,{m + 1},1\n" for m in minutes]
    path = tmp_path / "t.csv"
    path.write_text(header + "".join(lines))
    opened = open_trace(TraceFile(path))
    arrivals = [s for part in opened.batches() for s in part["arrival_s"].to_pylist()]
    assert arrivals == sorted(m * 60.0 for m in minutes)
