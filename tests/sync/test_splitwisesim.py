"""SplitwiseSim's files of a kept table are those that the run itself writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sync import Outcome
from sync.files.of_outcome import write_splitwisesim
from sync.files.splitwisesim import write_outputs
from sync.results.parquet import CLOCK, encode_requests, read_beside
from tests.runs import measured
from tests.sim_core import worlds


@pytest.mark.parametrize("shift_s", [0.3, 10_000.7, 1.7e9])
@pytest.mark.parametrize("end_time_s", [None, 3.0])
def test_the_files_are_the_same_wherever_time_starts(
    outcome: Callable[..., Outcome], tmp_path: Path, shift_s: float, end_time_s: float | None
) -> None:
    spec = replace(worlds.spec(), end_time_s=end_time_s)
    trace = worlds.trace([(shift_s + n / 8, 10 + n, 5 + n) for n in range(40)])
    result = measured(spec, trace)
    table = encode_requests(result, spec, trace)
    write_outputs(result, tmp_path / "run")
    write_splitwisesim(outcome(summary=result.summary), table, tmp_path / "kept")
    files = sorted(path.relative_to(tmp_path / "run") for path in (tmp_path / "run").rglob("*.csv"))
    assert len(files) == 5
    for file in files:
        assert (tmp_path / "kept" / file).read_bytes() == (tmp_path / "run" / file).read_bytes(), file
    clock = read_beside(table, CLOCK)
    assert clock == {
        "first_arrival_s": [result.first_arrival_s], "end_s": [result.end_s], "origin_s": [result.origin_s]
    }  # fmt: skip


def test_a_table_of_older_code_has_its_end_in_the_summary(outcome: Callable[..., Outcome], tmp_path: Path) -> None:
    spec, trace = worlds.spec(), worlds.trace([(1.0, 10, 5)])
    result = measured(spec, trace)
    write_outputs(result, tmp_path / "run")
    table = pq.read_table(pa.BufferReader(encode_requests(result, spec, trace)))
    metadata = {name: value for name, value in table.schema.metadata.items() if name != CLOCK}
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(metadata), sink)
    older = outcome(summary=result.summary | {"run/end_s": result.end_s})  # counted from 0
    write_splitwisesim(older, sink.getvalue().to_pybytes(), tmp_path / "kept")
    name = Path("detailed") / "0_alloc.csv"
    assert (tmp_path / "kept" / name).read_bytes() == (tmp_path / "run" / name).read_bytes()
