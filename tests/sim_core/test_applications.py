"""Several applications in one cluster."""

from __future__ import annotations

from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from configs.compose import CONFIG_DIR, Composer
from sim_core import CapacityError, SpecError, Trace, spec_from_config
from sim_core.spec import SimSpec
from sync.files.splitwisesim import write_outputs
from tests.runs import measured
from tests.sim_core import worlds

ROOT = CONFIG_DIR.parent
DUO = ["applications=duo", "start_state=several", "cluster=half_half", "cluster.servers.0.count=3",
       "cluster.servers.1.count=1", "performance_model=db"]  # fmt: skip


def duo(*overrides: str) -> SimSpec:
    return spec_from_config(Composer().resolved([*DUO, *overrides]), ROOT)


def with_applications(trace: Trace, numbers: list[int]) -> Trace:
    return replace(trace, application_id=array("q", numbers))


ROWS = [(row / 4, 200 + row, 20) for row in range(40)]


def test_each_request_goes_to_its_application_and_its_machines() -> None:
    trace = with_applications(worlds.trace(ROWS), [row % 2 for row in range(40)])
    result = measured(duo(), trace)
    assert result.completed == 40
    names = {}
    for application, index, name in zip(
        *(result.instances[column] for column in ("application_id", "index", "name")), strict=True
    ):
        names[application, index] = name
    # application 0 took the H100 and the first A100; two A100 are left for application 1
    assert names == {
        (0, 0): "h100-80gb_0", (0, 1): "a100-80gb_1", (1, 0): "a100-80gb_0", (1, 1): "a100-80gb_1"
    }  # fmt: skip
    for application, sent in zip(result.requests["application_id"], result.requests["transfer_start_s"], strict=True):
        assert (sent == sent) == (application == 0)


def test_an_application_runs_as_it_would_alone() -> None:
    both = measured(duo(), with_applications(worlds.trace(ROWS), [row % 2 for row in range(40)]))
    overrides = ["applications.0.scheduler=token_jsq", "applications.0.model_architecture=llama2-70b",
                 "applications.0.model_size=llama2-70b-fp16", "cluster=half_half", "cluster.servers.0.count=2",
                 "cluster.servers.1.count=0", "start_state=baseline", "performance_model=db"]  # fmt: skip
    alone = measured(spec_from_config(Composer().resolved(overrides), ROOT), worlds.trace(ROWS[1::2]))
    shared = sorted(
        (arrival, e2e)
        for application, arrival, e2e in zip(
            *(both.requests[name] for name in ("application_id", "arrival_s", "e2e_s")), strict=True
        )
        if application == 1
    )
    assert shared == sorted(zip(alone.requests["arrival_s"], alone.requests["e2e_s"], strict=True))


def test_summaries_and_files_are_per_application(tmp_path: Path) -> None:
    result = measured(duo(), with_applications(worlds.trace(ROWS), [int(row < 10) for row in range(40)]))
    write_outputs(result, tmp_path)
    assert len((tmp_path / "detailed" / "0.csv").read_text().splitlines()) == 1 + 30
    assert len((tmp_path / "detailed" / "1.csv").read_text().splitlines()) == 1 + 10
    rows = (tmp_path / "summary.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["application_id", "0", "1"]
    assert result.summary["application_0/run/completed"] == 30
    slowest = [result.summary[f"application_{number}/ttft/max_s"] for number in (0, 1)]
    assert slowest[0] != slowest[1] and max(slowest) == result.summary["ttft/max_s"]


def test_a_request_for_an_application_that_is_not_there_is_an_error() -> None:
    with pytest.raises(SpecError, match="application 7"):
        measured(duo(), with_applications(worlds.trace(ROWS), [7] * 40))


def test_a_part_that_asks_for_machines_beyond_those_left_is_an_error() -> None:
    with pytest.raises(CapacityError, match="asks for 2 dgx-h100 and 1 are left"):
        measured(duo("start_state.parts.0.machines.dgx-h100=2"), worlds.trace(ROWS))


def test_two_parts_for_one_application_are_an_error() -> None:
    with pytest.raises(SpecError, match="two parts"):
        duo("start_state.parts.1.application_id=0")


def test_without_instances_everything_is_rejected_and_says_so(tmp_path: Path) -> None:
    overrides = ["start_state=unallocated", "performance_model=db"]
    result = measured(spec_from_config(Composer().resolved(overrides), ROOT), worlds.trace(ROWS))
    assert (result.completed, result.rejected) == (0, 40)
    assert set(result.unserved["reason"]) == {"application 0 has no instance"}
    write_outputs(result, tmp_path)
    assert len((tmp_path / "unserved.csv").read_text().splitlines()) == 41
