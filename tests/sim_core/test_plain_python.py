"""A run described in plain Python, without a configuration."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from sim_core import (
    ApplicationSpec,
    InstanceSpec,
    ModelSpec,
    PerformanceSpec,
    ProcessorSpec,
    SchedulerSpec,
    ServerGroupSpec,
    SimSpec,
    SpecError,
    StartStateSpec,
    Trace,
    TraceError,
    simulate,
)
from sim_core.performance.measurements import read_curves
from sync.results.measure import measure

CURVES = read_curves(Path(__file__).parents[2] / "data" / "performance_curves.csv", "performance_curves.csv")
BLOOM = ModelSpec("bloom-176b", "bloom-176b", 70, 14336, 112, None, weights_bytes=329_000_000_000)


def spec(instance: InstanceSpec) -> SimSpec:
    machine = (ProcessorSpec("h100-80gb", 80 * 1024**3),) * 8
    return SimSpec(
        servers=(ServerGroupSpec("dgx-h100", 2, machine),),
        applications=(ApplicationSpec(0, BLOOM, SchedulerSpec("jsq", "jsq")),),
        start_states=(StartStateSpec("baseline", instance=instance),),
        performance=PerformanceSpec("db", curves=tuple(CURVES.values())),
    )


def test_a_run_has_a_table_of_requests_and_a_summary() -> None:
    described = spec(InstanceSpec("ORCA", tensor_parallelism=8))
    run = measure(simulate(described, Trace.of((n / 2, 1000, 100) for n in range(60))), described)
    table = pd.DataFrame(run.requests)
    assert len(table) == run.summary["run/completed"] == 60
    assert table["ttft_s"].mean() == pytest.approx(run.summary["ttft/mean_s"])
    assert (table["e2e_slowdown"] > 0.5).all()


def test_recorded_columns_are_a_table_too() -> None:
    result = simulate(spec(InstanceSpec("ORCA", tensor_parallelism=8)), Trace.of([(0.0, 10, 2)]))
    assert pd.DataFrame(result.requests).loc[0, "end_s"] == result.end_s


def test_splitwise_batching_names_the_limits_that_it_needs() -> None:
    with pytest.raises(SpecError, match="max_batch_tokens and max_preemptions"):
        simulate(spec(InstanceSpec("Splitwise", tensor_parallelism=8)), Trace.of([]))


def test_a_trace_is_made_of_rows_in_any_order() -> None:
    trace = Trace.of([(2.0, 5, 1), (0.5, 7, 3)], name="two")
    assert (trace.name, list(trace.request_id), list(trace.arrival_s)) == ("two", [0, 1], [0.5, 2.0])
    assert (list(trace.prompt_tokens), list(trace.output_tokens)) == ([7, 5], [3, 1])
    assert list(trace.application_id) == [0, 0]
    assert list(trace.batch_size) == [1, 1]


@pytest.mark.parametrize("row", [(-1.0, 1, 1), (float("nan"), 1, 1), (0.0, 0, 1), (0.0, 1, 0)])
def test_a_row_that_is_no_request_is_refused(row: tuple[float, int, int]) -> None:
    with pytest.raises(TraceError, match="row 1: arrivals must be finite"):
        Trace.of([row])
