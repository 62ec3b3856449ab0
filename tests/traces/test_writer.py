"""Writing SplitwiseSim's CSV, at once or not at all."""

from __future__ import annotations

import errno
from array import array
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim_core.errors import TraceError
from sim_core.limits import allowed
from sim_core.trace import Trace
from traces import read_csv, write_csv, writer
from traces.named import parse

TRACE = parse("rr_conv_2_30s", 0).generate(0, "rr_conv_2_30s")
whole = st.integers(1, 2**63 - 1)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(st.tuples(st.floats(0.0, 1e17), whole, whole, whole, whole), min_size=1, max_size=20))
def test_what_is_written_reads_back_to_the_last_bit(
    tmp_path: Path, rows: list[tuple[float, int, int, int, int]]
) -> None:
    arrivals, applications, prompts, outputs, batches = zip(*sorted(rows), strict=True)
    trace = Trace(
        name="t",
        request_id=array("q", range(len(rows))),
        application_id=array("q", applications),
        arrival_s=array("d", arrivals),
        prompt_tokens=array("q", prompts),
        output_tokens=array("q", outputs),
        batch_size=array("q", batches),
    )
    write_csv(trace, tmp_path / "t.csv")
    with allowed([("tokens", 2**63), ("arrival_s", 10**17), ("span_s", 10**17)]):
        assert read_csv(tmp_path / "t.csv") == trace


def test_the_file_has_splitwisesims_columns_and_is_alone_in_its_folder(tmp_path: Path) -> None:
    write_csv(TRACE, tmp_path / "t.csv")
    header = (tmp_path / "t.csv").read_text().splitlines()[0]
    assert header == "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size"
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


def test_a_write_that_fails_halfway_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.csv").write_text("old")

    def full_disk(trace: Trace) -> Iterator[str]:
        yield writer.HEADER
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(writer, "csv_lines", full_disk)
    with pytest.raises(TraceError, match=r"t.csv: cannot be written: No space left on device"):
        write_csv(TRACE, tmp_path / "t.csv")
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
    assert (tmp_path / "t.csv").read_text() == "old"


def test_an_interrupted_write_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(trace: Trace) -> Iterator[str]:
        yield writer.HEADER
        raise KeyboardInterrupt

    monkeypatch.setattr(writer, "csv_lines", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_csv(TRACE, tmp_path / "t.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_does_not_exist_is_an_error_of_ours(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="cannot be written: No such file"):
        write_csv(TRACE, tmp_path / "absent" / "t.csv")


def test_a_name_that_ends_in_gz_gives_a_compressed_file_that_reads_back(tmp_path: Path) -> None:
    trace = parse("rr_code_2_20s", 0).generate(0, "rr_code_2_20s")
    write_csv(trace, tmp_path / "a.csv.gz")
    write_csv(trace, tmp_path / "b.csv.gz")
    assert (tmp_path / "a.csv.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert (tmp_path / "a.csv.gz").read_bytes() == (tmp_path / "b.csv.gz").read_bytes()
    assert read_csv(tmp_path / "a.csv.gz").digest() == trace.digest()
