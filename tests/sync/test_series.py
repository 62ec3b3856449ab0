"""The curves against the columns that they come from, and against what the simulator itself counted."""

from __future__ import annotations

import dataclasses
import json
import math
from array import array
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim_core.trace import Trace
from sweep.experiment.expand import Grid
from sweep.experiment.file import read_experiment
from sync.results.curves import (
    MOST_STEPS,
    PERCENTS,
    Derived,
    Series,
    _edges,
    _kv_tokens,
    _moments,
    _number,
    capacity_tokens,
    derive,
    unserved_words,
)
from sync.results.moments import Moments
from sync.results.parquet import encode_requests, read_derived
from tests.runs import measured

ROOT = Path(__file__).parents[2]


def trace(arrivals, prompts, outputs, batch_sizes=None):
    count = len(arrivals)
    return Trace(
        "t",
        array("q", range(count)),
        array("q", [0] * count),
        array("d", arrivals),
        array("q", prompts),
        array("q", outputs),
        array("q", batch_sizes or [1] * count),
    )


@pytest.fixture(scope="module")
def specs():
    points = Grid(read_experiment(ROOT / "experiments" / "quickstart.yaml"), [], ROOT).points(None, lambda *_: None)
    return {point.system: point.spec for point in points}


@pytest.fixture(scope="module")
def busy():
    """Enough for queues, preemptions and transfers."""
    return trace(
        [n * 0.015 for n in range(600)], [900 + n % 900 for n in range(600)], [1 + n % 150 for n in range(600)]
    )


@pytest.fixture(scope="module", params=["splitwise-ha", "baseline-h100"])
def spec(request, specs):
    return specs[request.param]


@pytest.fixture(scope="module")
def run(spec, busy):
    result = measured(spec, busy)
    return result, derive(result, spec, busy)


def integral(result, curve):
    edges = np.append(np.array(curve.steps, dtype=float), result.end_s)
    return float(np.sum(np.array(curve.values) * np.diff(edges)))


def test_percentile_curves_pass_through_the_summary_s_percentiles(run):
    result, derived = run
    for metric in ("ttft", "tbt", "e2e"):
        curve = derived.series[f"by_percentile/{metric}_s"]
        assert curve.steps == PERCENTS
        assert list(curve.values) == sorted(curve.values)
        for percent in (50, 90, 95, 99):
            wanted = result.summary[f"{metric}/p{percent}_s"]
            assert curve.values[PERCENTS.index(percent)] == pytest.approx(wanted, rel=1e-12)


def test_every_request_is_in_the_throughput_once_and_every_token(run, busy):
    result, derived = run
    assert integral(result, derived.series["over_time_s/throughput_requests_per_s"]) == pytest.approx(len(busy))
    tokens = integral(result, derived.series["over_time_s/output_tokens_per_s"])
    assert tokens == pytest.approx(sum(busy.output_tokens))


def test_waiting_is_the_queue_times_in_sum(run):
    result, derived = run
    waited = sum(result.requests["queue_s"])
    assert waited > 0
    assert integral(result, derived.series["over_time_s/waiting_requests"]) == pytest.approx(waited)


def test_the_batch_is_the_time_in_prompts_and_decodes_without_preemption_in_sum(run):
    result, derived = run
    c = result.requests
    ran = sum(b - a for a, b in zip(c["prompt_start_s"], c["prompt_end_s"], strict=True))
    ran += sum(
        e - s - p
        for s, e, p in zip(c["token_start_s"], c["token_end_s"], c["preempted_s"], strict=True)
        if not math.isnan(s)
    )
    per_instance = integral(result, derived.series["over_time_s/batch_requests_per_instance"])
    assert per_instance * len(result.instances["name"]) == pytest.approx(ran)


@pytest.mark.parametrize("sequences", [1, 3])
def test_the_derived_memory_is_at_its_peak_what_the_simulator_held(specs, sequences):
    """One machine, looked at between all moments at which anything changes: the highest is the recorded peak."""
    spec = specs["baseline-h100"]
    one = tuple(dataclasses.replace(s, count=min(s.count, 1)) for s in spec.servers)
    spec = dataclasses.replace(spec, servers=one)
    load = trace([n * 0.2 for n in range(60)], [800] * 60, [1 + n for n in range(60)], [sequences] * 60)
    result = measured(spec, load)
    assert len(result.instances["name"]) == 1
    columns = {name: np.asarray(column, dtype=float) for name, column in result.requests.items()}
    shorter_than_a_phase = np.arange(0.0, result.end_s, 0.01)
    at = _moments(columns, shorter_than_a_phase)
    held = _kv_tokens(columns, at, np.full(60, float(sequences)), shorter_than_a_phase) / capacity_tokens(spec)
    assert max(held) == pytest.approx(result.summary["memory/peak_fraction"])
    whole = derive(result, spec, load).series["over_time_s/kv_memory_fraction"]
    assert 0 < max(whole.values) <= result.summary["memory/peak_fraction"]


def test_steps_are_whole_seconds_and_few(run):
    result, derived = run
    curve = derived.series["over_time_s/waiting_requests"]
    assert curve.steps[0] == 0
    assert len(set(np.diff(curve.steps))) == 1
    assert MOST_STEPS / 3 < len(curve.steps) <= MOST_STEPS
    assert curve.steps[-1] < result.end_s


@pytest.mark.parametrize("end_s", [0.5, 29.0, 31.0, 601.0, 3600.0, 1e6])
def test_a_run_of_any_length_has_a_few_steps(end_s):
    edges = _edges(end_s)
    assert (edges[0], edges[-1]) == (0.0, end_s)
    assert 2 <= len(edges) <= MOST_STEPS + 1
    assert all(np.diff(edges) > 0)


def test_requests_that_were_not_served_are_counted_by_what_became_of_them(specs):
    spec = specs["baseline-h100"]
    load = trace([0.0, 1.0, 2.0], [500, 10**7, 10**7], [5, 5, 5])
    derived = derive(measured(spec, load), spec, load)
    assert derived.unserved == {"never_fits": 2}
    assert unserved_words("never_fits") == "rejected: needs more KV cache than an instance holds"


def test_unserved_requests_of_older_tables_keep_their_words():
    told = "unfinished: waits for its prompt on an instance"
    assert unserved_words(told) == told
    old = Derived.from_json(json.dumps({"series": {}, "trace": {}, "unserved": {told: 3}}))
    assert old.unserved == {told: 3}


def test_a_run_that_completed_nothing_has_curves_of_nothing(specs):
    spec = specs["baseline-h100"]
    load = trace([0.0], [10**7], [5])
    derived = derive(measured(spec, load), spec, load)
    assert not [name for name in derived.series if name.startswith("by_percentile")]
    assert sum(derived.unserved.values()) == 1


def test_a_run_that_was_stopped_early_has_no_percentiles_and_no_curve_of_what_is_not_recorded(specs):
    spec = dataclasses.replace(specs["baseline-a100"], stop_at_backlog_s=5.0)
    load = trace([n * 0.005 for n in range(6000)], [1500] * 6000, [200] * 6000)
    result = measured(spec, load)
    assert result.completed < len(load)
    derived = derive(result, spec, load)
    assert sorted(derived.series) == ["over_time_s/throughput_requests_per_s", "over_time_s/waiting_requests"]
    assert sum(derived.unserved.values()) == len(load) - result.completed


def test_the_mean_number_is_that_of_the_intervals_over_each_step():
    edges = np.array([0.0, 2.0, 4.0, 10.0])
    starts, ends = np.array([0.0, 1.0, math.nan, 9.0]), np.array([2.0, 4.0, 5.0, 11.0])
    mean = Moments(starts, edges).mean_number(Moments(ends, edges))
    assert mean.tolist() == pytest.approx([1.5, 1.0, 1 / 6])


def test_the_table_of_requests_carries_all_of_it(run, spec, busy):
    result, derived = run
    carried = read_derived(encode_requests(result, spec, busy))
    assert carried == derived
    assert carried.trace["digest"] == busy.digest()
    assert carried.trace["requests"] == len(busy)


def test_a_table_without_it_carries_nothing():
    assert read_derived(b"") == Derived()


@pytest.mark.parametrize("text", ["[]", "{}", '{"series": {"a": 1}, "trace": {}, "unserved": {}}', "{"])
def test_what_is_no_such_thing_is_refused(text):
    with pytest.raises(ValueError):
        Derived.from_json(text)
    assert Derived.from_json(Derived({"a": Series((1,), (2.0,))}).to_json()).series == {"a": Series((1,), (2.0,))}


@given(st.floats(0.001, 1e5), st.lists(st.floats(0.0, 1.2), max_size=30), st.booleans())
def test_moments_at_and_around_an_edge_count_as_in_a_histogram(end_s: float, parts: list[float], has_nan: bool) -> None:
    edges = _edges(end_s)
    moments = np.concatenate([np.array(parts) * end_s, edges, np.nextafter(edges, 0.0), np.nextafter(edges, 1e9), [-1]])
    counted = np.histogram(np.minimum(np.round(moments, 6), edges[-1]), edges)[0]
    assert _number(np.append(moments, np.nan) if has_nan else moments, edges).tolist() == counted.tolist()
