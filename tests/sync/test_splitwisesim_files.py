"""SplitwiseSim's files, made of the tables that a sweep keeps: those of today and those of older versions."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

from sync.files.of_outcome import write_splitwisesim
from sync.results.measure import MeasuredRun
from sync.results.parquet import encode_requests
from tests.runs import measured
from tests.sim_core.worlds import spec, trace
from tests.sync.conftest import OutcomeMaker

LATER = ("processor", "processors", "tensor_parallelism")  # columns that the first tables did not have


def _alloc(outcome: OutcomeMaker, result: MeasuredRun, folder: Path) -> list[dict[str, str]]:
    table = encode_requests(result, spec())
    write_splitwisesim(outcome(summary={"run/end_s": result.end_s}), table, folder)
    with (folder / "detailed" / "0_alloc.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_processor_of_an_instance_is_a_column_of_its_own_and_not_read_out_of_its_name(
    outcome: OutcomeMaker, tmp_path: Path
) -> None:
    result = measured(spec(), trace([(0.0, 4, 3)]))
    renamed = replace(result, instances={**result.instances, "name": ["first", "second"]})
    rows = _alloc(outcome, renamed, tmp_path)
    assert [row["instance_names"] for row in rows] == ["box-gpu", "box-gpu"]
    assert [(row["processors"], row["tensor_parallelism"]) for row in rows] == [("1", "1"), ("1", "1")]


def test_a_table_of_an_older_version_without_that_column_gives_the_same_file(
    outcome: OutcomeMaker, tmp_path: Path
) -> None:
    result = measured(spec(), trace([(0.0, 4, 3)]))
    older = {name: column for name, column in result.instances.items() if name not in LATER}
    now, then = (
        _alloc(outcome, result, tmp_path / "now"),
        _alloc(outcome, replace(result, instances=older), tmp_path / "then"),
    )
    assert then == [{name: value for name, value in row.items() if name not in LATER} for row in now]
