"""What numpy works out over a run's columns is what plain Python does, to the bit."""

from __future__ import annotations

import dataclasses
from array import array
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from configs.compose import Composer
from sim_core import simulate, spec_from_config
from sim_core.arithmetic import Arithmetic
from sim_core.performance.base import IterationTimes, TimeTable
from sync.results.arrays import NumpyArithmetic
from traces.workload import TraceRef, load

ROOT = Path(__file__).parents[2]
PLAIN, FAST = Arithmetic(), NumpyArithmetic()
TIMES = st.floats(0.0, 1e6) | st.just(float("nan"))
TABLE = TimeTable(lambda tokens: 0.013 + tokens / 7e4)
ALONE = {0: IterationTimes(TABLE, TimeTable(lambda tokens: 0.03 + tokens / 9e5), TABLE), 1: None}
ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(1, 9000), st.integers(1, 2000), TIMES, TIMES, TIMES))
CLUSTER = ["cluster=half_half", "cluster.servers.0.count=3", "cluster.servers.1.count=1", "performance_model=db"]
SPLIT = ["start_state=splitwise", "start_state.split_type=heterogeneous", "applications.0.scheduler=mixed_pool"]
DUO = ["applications=duo", "start_state=several"]


def same(one, other):
    assert one.typecode == other.typecode
    assert one.tobytes() == other.tobytes()


@given(ROWS)
def test_times_between_tokens_differences_and_slowdowns_have_the_same_bits(rows):
    applications, prompts, outputs, ttft, tbt, e2e = zip(*rows, strict=True) if rows else [()] * 6
    requests = {
        "application_id": array("q", applications),
        "prompt_tokens": array("q", prompts),
        "output_tokens": array("q", outputs),
        "ttft_s": array("d", ttft),
        "tbt_s": array("d", tbt),
        "e2e_s": array("d", e2e),
    }
    for plain, fast in zip(PLAIN.slowdowns(requests, ALONE), FAST.slowdowns(requests, ALONE), strict=True):
        same(plain, fast)
    columns = requests["e2e_s"], requests["ttft_s"]
    same(PLAIN.minus(*columns), FAST.minus(*columns))
    same(*(one.per_token(*columns, requests["output_tokens"]) for one in (PLAIN, FAST)))


@given(st.lists(TIMES | st.just(-0.0)))
def test_values_come_in_the_same_order_without_those_that_are_none(values):
    assert list(FAST.ascending(array("d", values))) == list(PLAIN.ascending(array("d", values)))


@given(st.lists(st.integers(0, 20)), st.lists(st.integers(0, 20)))
def test_gathered_and_missing_rows_are_the_same(rows, others):
    column, chosen = array("q", range(100, 121)), array("i", rows)
    same(PLAIN.gather(column, chosen), FAST.gather(column, chosen))
    assert FAST.missing(array("i", rows + others), 21) == PLAIN.missing(array("i", rows + others), 21)


@pytest.mark.parametrize("overrides", [SPLIT, [*SPLIT, "end_time=40"], DUO])
def test_a_run_has_the_same_results_whoever_does_the_arithmetic(overrides):
    spec = spec_from_config(Composer().resolved([*CLUSTER, *overrides]), ROOT)
    trace = load(TraceRef("rr_conv_20_1min", "traces/samples", 0), ROOT)
    applications = array("q", [row % len(spec.applications) for row in range(len(trace))])
    trace = dataclasses.replace(trace, application_id=applications)
    plain, fast = simulate(spec, trace), simulate(spec, trace, NumpyArithmetic())
    assert plain.completed > 0
    for name, column in plain.requests.items():
        same(column, fast.requests[name])
    assert repr(fast) == repr(plain)
