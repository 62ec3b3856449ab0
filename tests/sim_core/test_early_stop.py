from __future__ import annotations

from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from configs.compose import Composer
from sim_core import SimSpec, SpecError, spec_from_config
from sweep.single.summary import one_line_summary
from sync.results.measure import MeasuredRun
from tests.runs import measured
from traces import workload
from traces.workload import TraceRef

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def spec() -> SimSpec:
    overrides = ["cluster=half_half", "cluster.servers.0.count=0", "cluster.servers.1.count=1", "start_state=baseline"]
    overrides += ["performance_model=db", "applications.0.scheduler=token_jsq"]
    return spec_from_config(Composer().resolved(overrides), ROOT)


def run(spec: SimSpec, bound_s: float | None, trace: str) -> MeasuredRun:
    return measured(replace(spec, stop_at_backlog_s=bound_s), workload.load(TraceRef(trace, "traces", 0), ROOT))


def content(result: MeasuredRun) -> tuple[object, ...]:
    """All of it, in values of which one that is no number equals itself."""
    requests = {name: column.tobytes() for name, column in result.requests.items()}
    return requests, result.unserved, repr(result.instances), result.summary, result.events, result.stopped_s


@pytest.mark.parametrize(("trace", "bound_s"), [("rr_conv_1_10min", 20.0), ("rr_conv_20_1min", 60.0)])
def test_a_run_that_is_not_stopped_is_the_same_to_the_bit(spec: SimSpec, trace: str, bound_s: float) -> None:
    assert content(run(spec, bound_s, trace)) == content(run(spec, None, trace))


def test_a_queue_that_diverges_ends_the_run_without_figures_that_could_be_taken_for_whole_ones(spec: SimSpec) -> None:
    whole, stopped = run(spec, None, "rr_conv_20_2min"), run(spec, 10.0, "rr_conv_20_2min")
    assert whole.stopped_s is None
    assert stopped.stopped_s is not None
    assert 10.0 < stopped.stopped_s < 60.0
    assert stopped.events < whole.events / 2
    assert stopped.stopped_s == stopped.end_s
    assert stopped.summary["run/stopped_early_s"] == stopped.summary["run/end_s"] == stopped.span_s
    assert stopped.span_s == stopped.end_s - stopped.first_arrival_s
    assert {name.partition("/")[0] for name in stopped.summary} == {"run"}
    assert stopped.completed + stopped.unfinished == whole.completed
    assert "unstable, stopped at" in one_line_summary(stopped)
    assert all(stopped.requests["e2e_s"][row] == whole.requests["e2e_s"][row] for row in range(stopped.completed))


def test_a_burst_that_is_served_afterwards_is_no_divergence(spec: SimSpec) -> None:
    trace = workload.load(TraceRef("rr_conv_1_2min", "traces", 0), ROOT)
    at_once = array("d", [min(arrival_s, 0.5) if arrival_s < 60.0 else arrival_s for arrival_s in trace.arrival_s])
    result = measured(replace(spec, stop_at_backlog_s=10.0), replace(trace, arrival_s=at_once))
    assert (result.stopped_s, result.completed) == (None, len(trace))


def test_the_rule_is_part_of_what_a_run_is(spec: SimSpec) -> None:
    assert len({replace(spec, stop_at_backlog_s=bound).digest() for bound in (None, 10.0, 20.0)}) == 3


@pytest.mark.parametrize("value", ["0", "-1", "0.5", "soon"])
def test_a_bound_that_is_none_is_refused(value: str) -> None:
    with pytest.raises(SpecError, match="stop_at_backlog_s"):
        spec_from_config(Composer().resolved([f"stop_at_backlog_s={value}"]), ROOT)
