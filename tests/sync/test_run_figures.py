from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from sync import Outcome
from sync.results.figures import provisioned, run_figures
from sync.results.frame import runs_frame
from sync.results.measure import MeasuredRun
from sync.results.slo import PAPER, Slo
from sync.tracking.fields import NOT_IN_SUMMARY, metrics

NAN = float("nan")
INSTANCES: dict[str, list[object]] = {
    "application_id": [0, 0],
    "index": [0, 1],
    "role": ["prompt", "token"],
    "busy_s": [10.0, 40.0],
    "utilisation": [0.1, 0.4],
}


def result(arrivals: Sequence[float], e2e: float = 1.0, **changes: Any) -> MeasuredRun:
    """Requests that take `e2e` seconds each, the first half of it their prompt."""
    n = len(arrivals)
    columns: dict[str, list[float]] = {
        "application_id": [0.0] * n,
        "arrival_s": list(arrivals),
        "e2e_s": [e2e] * n,
        "ttft_s": [e2e / 2] * n,
        "tbt_s": [0.1] * n,
        **{f"{phase}_slowdown": [1.0] * n for phase in ("ttft", "tbt", "e2e")},
        "prompt_start_s": list(arrivals),
        "prompt_end_s": [a + e2e / 2 for a in arrivals],
        "token_start_s": [a + e2e / 2 for a in arrivals],
        "token_end_s": [a + e2e for a in arrivals],
        "preempted_s": [0.0] * n,
        "prompt_instance": [0.0] * n,
        "token_instance": [1.0] * n,
    } | changes.pop("columns", {})
    unserved: Mapping[str, list[object]] = {"arrival_s": [], "outcome": []}
    fields = {"unserved": dict(unserved), "instances": INSTANCES, "end_s": 600.0} | changes
    return MeasuredRun({name: np.array(column, dtype=np.float64) for name, column in columns.items()}, **fields)


def test_steady_throughput_counts_who_ends_between_60_and_540_of_600_seconds() -> None:
    # ends at 1 (out), 60.0 (in), 60.5, 301, 539.9 (in), 540 (out), 600.5
    arrivals = [0.0, 59.0, 59.5, 300.0, 538.9, 539.0, 599.5]
    figures = run_figures(result(arrivals))
    assert figures["throughput/steady_requests_per_s"] == 4 / 480


def test_the_window_and_the_backlog_count_from_the_first_arrival() -> None:
    arrivals = [0.0, 59.0, 59.5, 300.0, 538.9, 539.0, 599.5]
    for shift_s in (0.0, 0.75, 1e4, 1.7e9):
        figures = run_figures(result([shift_s + time_s for time_s in arrivals]))
        assert figures["throughput/steady_requests_per_s"] == 4 / 480
        assert figures["run/stable"] == 1.0
        # 479.6 to 539.55 s after the first arrival two are there, for 0.65 and 0.55 s; none 239.8 s before
        assert figures["run/backlog_growth_per_s"] == pytest.approx(1.2 / 59.95 / 239.8, rel=1e-5)


def test_the_window_scales_with_the_time_between_the_first_and_the_last_arrival() -> None:
    figures = run_figures(result([0.5 * i for i in range(240)]))  # the last at 119.5: 12 to 108 s
    assert figures["throughput/steady_requests_per_s"] == 2.0


def test_goodput_wants_every_phase_within_its_limit_and_attainment_counts_the_unserved() -> None:
    arrivals = [float(i) for i in range(1, 101)]
    slow = [7.0 if i < 10 else 1.0 for i in range(100)]
    long = [NAN if i < 50 else 6.0 if i >= 90 else 1.0 for i in range(100)]
    columns = {"ttft_slowdown": slow, "tbt_slowdown": long}
    unserved = {"arrival_s": [5.0] * 25, "outcome": ["rejected"] * 25}
    figures = run_figures(result(arrivals, columns=columns, unserved=unserved))
    assert figures["goodput/ttft_attainment"] == 90 / 125
    assert figures["goodput/tbt_attainment"] == 90 / 125  # one output token: no time between tokens, which meets it
    assert figures["goodput/e2e_attainment"] == 100 / 125
    assert figures["goodput/attainment"] == 80 / 125
    # of 99 s: who arrived at 10 to 89 ends from 9.9 to 89.1 s after the first arrival; 10 was slow
    assert figures["goodput/requests_per_s"] == 79 / 79.2
    assert figures["throughput/steady_requests_per_s"] == 80 / 79.2


def test_another_slo_has_other_good_requests() -> None:
    arrivals = [float(i) for i in range(1, 101)]
    columns = {"ttft_s": [i / 100 for i in range(100)]}
    figures = run_figures(result(arrivals, columns=columns), Slo(seconds={"ttft": {"p50": 0.1, "p99": 0.2}}))
    assert figures["goodput/attainment"] == 21 / 100


def test_without_slowdowns_there_is_throughput_and_no_goodput() -> None:
    columns = {f"{phase}_slowdown": [NAN] * 100 for phase in ("ttft", "tbt", "e2e")}
    figures = run_figures(result([float(i) for i in range(1, 101)], columns=columns))
    assert "throughput/steady_requests_per_s" in figures
    assert not [name for name in figures if name.startswith("goodput/")]


def test_a_run_that_completed_nothing_has_no_good_request() -> None:
    unserved = {"arrival_s": [1.0, 100.0], "outcome": ["unfinished", "unfinished"]}
    figures = run_figures(result([], unserved=unserved))
    assert figures["goodput/attainment"] == figures["goodput/requests_per_s"] == figures["run/stable"] == 0.0


def test_no_request_at_all_has_no_figures_but_those_of_machines() -> None:
    of_machines = ("utilisation/prompt", "utilisation/token", "batch/prompt_requests", "batch/token_requests")
    assert set(run_figures(result([]))) == set(of_machines)


def test_one_request_at_the_start_divides_by_nothing() -> None:
    assert run_figures(result([0.0]))["run/stable"] == 1.0


def test_a_steady_load_is_stable_and_a_queue_that_grows_is_not() -> None:
    draws = np.random.default_rng(1)
    arrivals = list(np.sort(draws.uniform(0, 600, 600 * 20)))
    assert run_figures(result(arrivals, e2e=10.0))["run/stable"] == 1.0
    late = [10.0 + 0.05 * a for a in arrivals]  # served at 95% of the rate
    growing = run_figures(result(arrivals, columns={"e2e_s": late}))
    assert growing["run/stable"] == 0.0
    assert growing["run/backlog_growth_per_s"] == pytest.approx(20 * (1 - 1 / 1.05), rel=0.15)


def test_who_never_leaves_or_a_stop_makes_a_run_unstable() -> None:
    arrivals = [float(i) for i in range(100)]
    left = {"arrival_s": [50.0], "outcome": ["unfinished"]}
    assert run_figures(result(arrivals, unserved=left))["run/stable"] == 0.0
    refused = {"arrival_s": [50.0], "outcome": ["rejected"]}
    assert run_figures(result(arrivals, unserved=refused))["run/stable"] == 1.0
    assert run_figures(result(arrivals, stopped_s=30.0)) == {"run/stable": 0.0}


def test_batches_hold_the_requests_that_run_while_a_roles_machines_are_busy() -> None:
    figures = run_figures(result([float(i) for i in range(1, 101)], columns={"preempted_s": [0.25] * 100}))
    assert figures["batch/prompt_requests"] == pytest.approx(100 * 0.5 / 10.0)
    assert figures["batch/token_requests"] == pytest.approx(100 * 0.25 / 40.0)
    assert (figures["utilisation/prompt"], figures["utilisation/token"]) == (0.1, 0.4)
    alone = {**INSTANCES, "role": ["", ""]}
    both = run_figures(result([float(i) for i in range(1, 101)], instances=alone))
    assert both["utilisation/both"] == 0.25
    assert both["batch/both_requests"] == pytest.approx(100 * 1.0 / 50.0)


def test_money_and_energy_are_those_of_the_machines_provisioned(outcome: Callable[..., Outcome]) -> None:
    summary = {"throughput/steady_requests_per_s": 20.0, "goodput/requests_per_s": 10.0}
    run = outcome(cost=100.0, watts=72_000.0, summary=summary)
    assert provisioned(run) == {
        "power/watts": 72_000.0,
        "cost/requests_per_dollar": 720.0,
        "cost/good_requests_per_dollar": 360.0,
        "power/requests_per_kwh": 1000.0,
        "power/good_requests_per_kwh": 500.0,
    }
    assert provisioned(run).items() <= metrics(run, PAPER).items()
    assert provisioned(run).keys() <= NOT_IN_SUMMARY
    assert runs_frame([run], PAPER).loc[0, "power/requests_per_kwh"] == 1000.0
    assert provisioned(outcome(cost=0.0, summary=summary)) == {}
    assert provisioned(outcome(summary={})) == {}
