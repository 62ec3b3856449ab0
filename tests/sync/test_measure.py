"""The figures of a run are those that plain Python computes from its recorded columns, to the bit."""

from __future__ import annotations

import dataclasses
import math
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from configs.compose import Composer
from sim_core import SimResult, SimSpec, simulate, spec_from_config
from sim_core.clients import Clients
from sim_core.performance.curve import times_from_curve
from sim_core.performance.step_times import StepTimes
from sim_core.spec import CurveSpec
from sync.results.measure import _Alone, ascending, measure, pick
from sync.results.measure import _own_on_reference as reference_times
from sync.results.statistics import geometric_mean, mean, mean_of_times, percentile, standard_deviation
from tests.sim_core import worlds
from traces.workload import TraceRef, load

ROOT = Path(__file__).parents[2]
FINITE = st.lists(st.floats(0.0, 1e6), min_size=1, max_size=50)
CLUSTER = ["cluster=half_half", "cluster.servers.0.count=3", "cluster.servers.1.count=1", "performance_model=db"]
SPLIT = ["start_state=splitwise", "start_state.split_type=heterogeneous", "applications.0.scheduler=mixed_pool"]
DUO = ["applications=duo", "start_state=several"]


def run(overrides: list[str]) -> tuple[SimSpec, SimResult]:
    spec = spec_from_config(Composer().resolved([*CLUSTER, *overrides]), ROOT)
    trace = load(TraceRef("rr_conv_20_1min", "traces/samples", 0), ROOT)
    applications = array("q", [row % len(spec.applications) for row in range(len(trace))])
    return spec, simulate(spec, dataclasses.replace(trace, application_id=applications))


def reference_curves(spec: SimSpec) -> dict[int, CurveSpec]:
    """By application, the curve of the paper's reference machine."""
    curves = {curve.model: curve for curve in spec.performance.curves if curve.hardware == "a100-80gb"
              and curve.tensor_parallelism == 8}  # fmt: skip
    return {app.application_id: curves[app.model.measured_as] for app in spec.applications}


@pytest.fixture(scope="module")
def reference_machine() -> StepTimes:
    """The times of its steps, made in front of the examples that Hypothesis times."""
    spec = spec_from_config(Composer().resolved(CLUSTER), ROOT)
    return times_from_curve(reference_curves(spec)[spec.applications[0].application_id])


def bits(values: Any) -> list[str]:
    return [float(value).hex() for value in values]


@pytest.mark.parametrize("overrides", [SPLIT, [*SPLIT, "end_time=40"], DUO])
def test_times_and_slowdowns_of_each_request_follow_from_the_recorded_times(overrides: list[str]) -> None:
    spec, result = run(overrides)
    curves = reference_curves(spec)
    measured = measure(result, spec)
    assert result.completed > 0
    names = ("application_id", "prompt_tokens", "output_tokens", "arrival_s", "prompt_start_s", "prompt_end_s", "end_s")
    rows = list(zip(*(result.requests[name] for name in names), strict=True))
    expected: dict[str, list[float]] = {
        name: [] for name in ("queue_s", "ttft_s", "tbt_s", "e2e_s", "ttft_slowdown", "tbt_slowdown", "e2e_slowdown")
    }
    for application, prompt, output, arrival, started, first, ended in rows:
        ttft, e2e = first - arrival, ended - arrival
        tbt = (e2e - ttft) / (output - 1) if output > 1 else math.nan
        times = times_from_curve(curves[int(application)])
        first_s, each_s = times.prompt_s.at(int(prompt)), times.context_s.at(int(prompt))
        alone = (ttft / first_s, tbt / each_s, e2e / (first_s + each_s * (output - 1)))
        for column, value in zip(expected.values(), (started - arrival, ttft, tbt, e2e, *alone), strict=True):
            column.append(value)
    for name, column in expected.items():
        assert bits(measured.requests[name]) == bits(column), name
    for name in result.requests.keys() - {"end_s"}:
        np.testing.assert_array_equal(measured.requests[name], np.asarray(result.requests[name]))


@pytest.mark.parametrize("overrides", [DUO, [*SPLIT, "end_time=40"], ["applications.0.scheduler=token_jsq"]])
@pytest.mark.parametrize("is_closed_loop", [False, True])
def test_columns_that_numpy_picks_are_those_that_plain_python_picks(overrides: list[str], is_closed_loop: bool) -> None:
    spec = spec_from_config(Composer().resolved([*CLUSTER, *overrides]), ROOT)
    trace = load(TraceRef("rr_conv_20_1min", "traces/samples", 0), ROOT)
    if is_closed_loop:
        clients = Clients(concurrency=30, requests=len(trace) - 7, warmup=7)
        trace = dataclasses.replace(trace, clients=(clients,), arrival_s=array("d", [0.0] * len(trace)))
    plain, picked = simulate(spec, trace).requests, simulate(spec, trace, pick).requests
    assert list(plain) == list(picked)
    assert len(plain["request_id"]) > 30
    for name, column in plain.items():
        assert np.asarray(column).dtype == np.asarray(picked[name]).dtype
        assert np.asarray(column).tobytes() == np.asarray(picked[name]).tobytes(), name


@pytest.mark.parametrize("overrides", [SPLIT, DUO])
def test_the_summary_has_means_and_percentiles_of_all_and_of_each_application(overrides: list[str]) -> None:
    spec, result = run(overrides)
    measured = measure(result, spec)
    several = len(spec.applications) > 1
    for number in [None, *(app.application_id for app in spec.applications)]:
        prefix = "" if number is None else f"application_{number}/"
        rows = [number is None or own == number for own in measured.requests["application_id"]]
        e2e = sorted(measured.requests["e2e_s"][rows].tolist())
        assert (f"{prefix}e2e/mean_s" in measured.summary) == (several or number is None)
        if several or number is None:
            assert measured.summary[f"{prefix}e2e/mean_s"] == math.fsum(e2e) / len(e2e)
            assert measured.summary[f"{prefix}e2e/p90_s"] == percentile(e2e, 90.0)
            assert measured.summary[f"{prefix}e2e/max_s"] == e2e[-1]
    assert measured.summary["throughput/requests_per_s"] == result.completed / result.span_s
    assert measured.summary["memory/peak_fraction"] == max(map(float, map(str, result.instances["kv_peak_fraction"])))


def test_slowdowns_of_a_model_that_the_reference_machine_was_not_measured_with_are_unknown() -> None:
    spec, result = run(SPLIT)
    other = tuple(curve for curve in spec.performance.curves if curve.hardware != "a100-80gb")
    unknown = dataclasses.replace(spec, performance=dataclasses.replace(spec.performance, curves=other))
    measured = measure(result, unknown)
    assert np.isnan(measured.requests["e2e_slowdown"]).all()
    assert "e2e/p99_s" in measured.summary
    assert not any("slowdown" in name for name in measured.summary)


def test_runs_on_other_machines_have_the_same_reference_times_which_are_worked_out_once() -> None:
    reference_times.cache_clear()
    clusters = [["cluster.servers.0.count=0"], ["cluster.servers.1.count=0"], ["cluster.servers.0.count=1"]]
    runs = [run(["applications.0.scheduler=jsq", "start_state=baseline", *counts]) for counts in clusters]
    assert len({spec.performance for spec, _ in runs}) > 1
    for spec, result in runs:
        measure(result, spec)
    assert reference_times.cache_info().misses == 1


def test_sizes_of_any_kind_have_the_same_slowdowns(monkeypatch: pytest.MonkeyPatch) -> None:
    spec, result = run(DUO)
    measured = measure(result, spec)
    monkeypatch.setattr("sync.results.measure._MOST_IN_A_TABLE", 0)
    sorted_first = measure(result, spec)
    for metric in ("ttft", "tbt", "e2e"):
        assert bits(sorted_first.requests[f"{metric}_slowdown"]) == bits(measured.requests[f"{metric}_slowdown"])


@given(st.lists(st.lists(st.integers(1, 300), max_size=20), max_size=6))
def test_times_alone_are_the_same_whichever_sizes_were_asked_for_before(
    reference_machine: StepTimes, runs: list[list[int]]
) -> None:
    kept = _Alone(reference_machine)
    for sizes in runs:
        first, each = kept.of(np.array(sizes, dtype=np.int64), np.ones(len(sizes)))
        assert list(zip(first.tolist(), each.tolist(), strict=True)) == [
            reference_machine.alone(size) for size in sizes
        ]


def test_a_run_without_requests_has_counts_alone() -> None:
    spec = worlds.spec()
    assert measure(simulate(spec, worlds.trace([])), spec).summary == {
        "run/completed": 0.0, "run/rejected": 0.0, "run/unfinished": 0.0, "run/events": 0.0, "run/end_s": 0.0
    }  # fmt: skip


@given(st.lists(st.floats(0.0, 1e6) | st.just(math.nan)))
def test_values_are_sorted_without_nan(values: list[float]) -> None:
    assert ascending(np.array(values)).tolist() == sorted(value for value in values if value == value)


@given(FINITE, st.sampled_from([0.0, 50.0, 90.0, 99.9, 100.0]))
def test_a_percentile_is_numpys(values: list[float], percent: float) -> None:
    assert percentile(sorted(values), percent) == pytest.approx(float(np.percentile(values, percent)), rel=1e-12)


@given(FINITE)
def test_means_and_deviations_are_numpys_and_do_not_depend_on_the_order(values: list[float]) -> None:
    assert mean(values) == mean(values[::-1]) == pytest.approx(float(np.mean(values)), rel=1e-9)
    assert standard_deviation(values) == pytest.approx(float(np.std(values)), rel=1e-6, abs=1e-6)
    positive = [value + 1.0 for value in values]
    assert geometric_mean(positive) == pytest.approx(float(np.exp(np.mean(np.log(positive)))), rel=1e-9)
    assert geometric_mean([0.0, *positive]) == 0.0
    assert math.isnan(geometric_mean([-1.0, *positive]))


@given(st.lists(st.floats(-1e-9, 1e6), min_size=1, max_size=50), st.sampled_from([1, 300]))
@example([1.0, 2.0**-53], 1)  # halfway between two floats
@example([1.0, 2.0**-53, 2.0**-300], 1)  # a little more than halfway
@example([math.inf, 1.0], 1)
def test_the_mean_of_times_is_that_of_exact_sums_to_the_bit(times_s: list[float], often: int) -> None:
    assert bits([mean_of_times(np.array(times_s * often))]) == bits([mean(times_s * often)])
