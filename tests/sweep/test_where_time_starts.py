"""No figure depends on where a trace's time starts: at 0, hours later, days later, or in 1970."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from random import Random

import pytest

from sim_core.trace import Trace
from sweep.experiment.expand import expand
from sweep.experiment.file import parse_experiment
from sweep.experiment.point import Outcome, Point, project_root
from sweep.launch.worker import run_point
from sync.results.goodput import by_slo
from sync.results.parquet import read_derived
from sync.results.slo import PAPER, Slo
from sync.results.verdict import verdict
from traces.workload import TraceRef
from traces.writer import csv_lines

ROOT = project_root()
SHIFTS_S = (0.0, 10_000.0, 10_000.375, 90_000.0, 90_000.375, 1.7e9, 1.7e9 + 0.375)
EXPERIMENT = """
name: starts
overrides: {performance_model: db, trace.filename: rr_conv_1_5s, cluster: half_half}
systems:
  baseline:
    overrides: {cluster.servers.0.count: 0, cluster.servers.1.count: 1, start_state: baseline,
                applications.0.scheduler: token_jsq}
  split:
    overrides: {cluster.servers.0.count: 1, cluster.servers.1.count: 1, start_state: splitwise,
                start_state.split_type: heterogeneous, applications.0.scheduler: mixed_pool}
"""


def trace_from(shift_s: float, rate_per_s: float, count: int) -> Trace:
    """Poisson arrivals in 1/1024 s, so that a shift rounds none of them."""
    draws, time_s, times = Random(5), 0.5, []
    for _ in range(count):
        times.append(round(time_s * 1024) / 1024 + shift_s)
        time_s += draws.expovariate(rate_per_s)
    sizes = [array("q", (draws.randint(least, most) for _ in range(count))) for least, most in ((100, 2000), (1, 300))]
    return Trace(
        "made", array("q", range(count)), array("q", [0] * count), array("d", times), *sizes, array("q", [1] * count)
    )


@pytest.fixture(scope="module")
def points() -> dict[str, Point]:
    return {point.system: point for point in expand(parse_experiment(EXPERIMENT, "starts.yaml"), [], ROOT)}


Run = Callable[[Point, Trace], Outcome]


def from_python(point: Point, trace: Trace) -> Outcome:
    return run_point(point, ROOT, trace=trace)


@pytest.fixture
def from_file(tmp_path: Path) -> Run:
    def run(point: Point, trace: Trace) -> Outcome:
        (tmp_path / "made.csv").write_text("".join(csv_lines(trace)))
        return run_point(replace(point, trace=TraceRef("made", str(tmp_path), 0)), ROOT)

    return run


def assert_same(outcome: Outcome, first: Outcome) -> None:
    assert outcome.error is None
    assert outcome.summary.keys() == first.summary.keys()
    assert outcome.summary == pytest.approx(first.summary, rel=1e-6, abs=1e-9)
    assert (outcome.status, verdict(outcome, PAPER)) == (first.status, verdict(first, PAPER))
    curves, wanted = (read_derived(one.requests_parquet).series for one in (outcome, first))
    assert curves.keys() == wanted.keys()
    for name, curve in wanted.items():
        assert curves[name].steps == curve.steps
        assert curves[name].values == pytest.approx(curve.values, rel=1e-6, abs=1e-6), name


@pytest.mark.parametrize("system", ["baseline", "split"])
@pytest.mark.parametrize(("rate_per_s", "stable"), [(1.5, 1.0), (16.0, 0.0)])
def test_light_load_and_overload_have_the_same_figures_verdict_and_curves_wherever_time_starts(
    points: dict[str, Point], from_file: Run, system: str, rate_per_s: float, stable: float
) -> None:
    point, count = points[system], int(rate_per_s * 60)
    first = from_python(point, trace_from(0.0, rate_per_s, count))
    assert first.summary["run/stable"] == stable
    assert first.summary["throughput/steady_requests_per_s"] > 1.0
    assert (first.summary["goodput/requests_per_s"] > 1.0) == (stable == 1.0)
    for shift_s in SHIFTS_S:
        trace = trace_from(shift_s, rate_per_s, count)
        for run in (from_python, from_file):
            assert_same(run(point, trace), first)


@pytest.mark.parametrize("system", ["baseline", "split"])
def test_the_early_stop_is_at_the_same_time_after_the_first_arrival(
    points: dict[str, Point], from_file: Run, system: str
) -> None:
    point = replace(points[system], spec=replace(points[system].spec, stop_at_backlog_s=5.0))
    first = from_python(point, trace_from(0.0, 20.0, 1200))
    assert first.status == "stopped"
    assert 5.0 < first.summary["run/stopped_early_s"] < 30.0
    for shift_s in SHIFTS_S:
        assert_same(from_file(point, trace_from(shift_s, 20.0, 1200)), first)


def test_even_arrivals_whose_times_are_rounded_otherwise_fall_into_the_same_windows(points: dict[str, Point]) -> None:
    def every_tenth_of_a_second(shift_s: float) -> Trace:
        return replace(trace_from(0.0, 1.0, 601), arrival_s=array("d", [shift_s + n / 10 for n in range(601)]))

    spec = replace(points["baseline"].spec, stop_at_backlog_s=5.0)
    for point in (points["baseline"], replace(points["baseline"], spec=spec)):
        first = from_python(point, every_tenth_of_a_second(0.0))
        for shift_s in (10_000.0, 33_333.3, 86_399.9, 90_000.0):
            assert_same(from_python(point, every_tenth_of_a_second(shift_s)), first)


@pytest.mark.parametrize("shift_s", SHIFTS_S)
def test_an_end_time_cuts_after_as_much_time_wherever_that_starts(points: dict[str, Point], shift_s: float) -> None:
    point = replace(points["baseline"], spec=replace(points["baseline"].spec, end_time_s=30.0))
    outcomes = [from_python(point, trace_from(shift, 1.5, 90)) for shift in (0.0, shift_s)]
    assert outcomes[0].summary["run/cut_at_s"] == 30.0
    assert 0 < outcomes[0].summary["run/not_arrived"] < outcomes[0].summary["run/unfinished"]
    assert_same(outcomes[1], outcomes[0])


def test_a_run_that_is_cut_has_the_goodput_of_the_time_that_was_simulated(points: dict[str, Point]) -> None:
    def run(end_time_s: float | None, requests: int) -> Outcome:
        point = points["baseline"]
        trace = trace_from(0.0, 1.5, 450)
        columns = {
            each.name: column[:requests]
            for each in fields(Trace)
            if isinstance(column := getattr(trace, each.name), array)
        }
        return from_python(replace(point, spec=replace(point.spec, end_time_s=end_time_s)), replace(trace, **columns))

    whole, cut = run(None, 450), run(150.0, 450)
    steady = "throughput/steady_requests_per_s"
    assert cut.summary[steady] == pytest.approx(whole.summary[steady], rel=0.1)
    here = 450 - cut.summary["run/not_arrived"]
    assert cut.summary["goodput/attainment"] == pytest.approx(cut.summary["run/completed"] / here)
    assert cut.summary["run/stable"] == 0.0
    lenient = Slo(seconds={"e2e": {"p99": 1e6}})
    assert by_slo(cut, lenient).summary["goodput/attainment"] == cut.summary["run/completed"] / here
