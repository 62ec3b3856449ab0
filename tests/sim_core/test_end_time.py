"""`end_time`: after how much time a run ends, if at all, and what is said of a run that it cuts."""

from __future__ import annotations

import re
from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from configs.compose import CONFIG_DIR, Composer
from sim_core import SimSpec, SpecError, spec_from_config
from sim_core.trace import Trace
from sweep.single.summary import one_line_summary, text_summary
from tests.runs import measured
from tests.sim_core import worlds
from tests.sim_core.test_single_run import BASELINE, run

ROOT = CONFIG_DIR.parent


def read(*overrides: str) -> SimSpec:
    return spec_from_config(Composer().resolved(list(overrides)), ROOT)


def test_a_run_has_no_end_unless_one_is_set() -> None:
    assert read().end_time_s is None
    assert read("end_time=null").end_time_s is None
    assert read("end_time=600").end_time_s == 600.0
    assert read().canonical() != read("end_time=86400").canonical()


@pytest.mark.parametrize(
    "value", ["0", "-1", "nan", "inf", "-inf", "soon", "'600'", "true", "[600]", "{s: 600}", "1" + "0" * 400]
)
def test_an_end_that_is_none_is_refused_in_one_line(value: str) -> None:
    with pytest.raises(SpecError, match=r"end_time.*must be a number of seconds above 0, or null: no end") as caught:
        read(f"end_time={value}")
    assert "\n" not in str(caught.value)


def test_a_trace_of_several_days_is_served_whole() -> None:
    days = worlds.trace([(86_400.0 * day + 5.0, 10, 5) for day in range(10)])
    result = measured(replace(worlds.spec(), end_time_s=None), days)
    assert (result.completed, result.unfinished, result.cut_at_s) == (10, 0, None)
    assert "run/cut_at_s" not in result.summary


def hourly(starts_at_s: float) -> Trace:
    return worlds.trace([(starts_at_s + 3600.0 * hour, 10, 5) for hour in range(48)])


@pytest.mark.parametrize("starts_at_s", [0.0, 0.25, 10_000.0, 90_000.0, 1.7e9])
def test_the_end_counts_from_the_first_arrival(starts_at_s: float) -> None:
    result = measured(replace(worlds.spec(), end_time_s=86_400.0), hourly(starts_at_s))
    # as in SplitwiseSim the event that reaches the end is the last one: the arrival of the 25th request
    assert (result.completed, result.unfinished, result.not_arrived) == (24, 24, 23)
    assert (result.summary["run/cut_at_s"], result.summary["run/not_arrived"]) == (86_400.0, 23.0)
    assert result.summary["run/end_s"] == 86_400.0


def test_an_end_that_nothing_reaches_or_that_leaves_nobody_out_cuts_nothing() -> None:
    spec, trace = worlds.spec(), worlds.trace([(1.0, 10, 5)])
    for end_time_s in (0.5, 1e6):  # alone the request takes half a second
        result = measured(replace(spec, end_time_s=end_time_s), trace)
        assert (result.completed, result.cut_at_s) == (1, None)
    assert measured(replace(spec, end_time_s=0.25), trace).cut_at_s == 0.25


def test_requests_that_stand_still_for_ever_end_a_run_without_an_end() -> None:
    spec = replace(worlds.spec("kv_round_robin", count=2, kv_tokens=60, prompt_s=1.0), end_time_s=None)
    result = measured(spec, worlds.trace([(0.0, 25, 30), (0.0, 25, 30), (0.5, 25, 30)]))
    assert result.completed + result.unfinished == 3 and result.unfinished > 0
    assert result.cut_at_s is None


def test_the_first_line_says_that_the_end_cut_the_run_with_numbers() -> None:
    spec, trace = replace(worlds.spec(), end_time_s=86_400.0), hourly(10_000.0)
    result = measured(spec, trace)
    cut = "cut at 86,400 s after the first arrival (end_time): 23 of 48 requests had not arrived, 1 were unfinished"
    assert text_summary(spec, trace, result, 1.0, "out").splitlines()[0] == cut
    assert one_line_summary(result).startswith(f"{cut}; 24 completed")
    whole = text_summary(spec, trace, measured(replace(spec, end_time_s=None), trace), 1.0, "out")
    assert "cut" not in whole


def test_the_command_says_first_that_a_run_was_cut(tmp_path: Path) -> None:
    done = run(tmp_path, *BASELINE, "end_time=0.5")
    assert done.returncode == 0, done.stderr
    assert re.match(
        r"cut at 0\.5 s after the first arrival \(end_time\): \d of 3 requests had not arrived", done.stdout
    )


def test_instances_start_up_when_the_first_request_arrives() -> None:
    spec = worlds.spec("round_robin", count=1)
    spec = replace(spec, applications=(replace(spec.applications[0], spin_up_s=4.0),))
    for starts_at_s in (0.0, 1.5, 10_000.0, 1.7e9):
        result = measured(spec, worlds.trace([(starts_at_s, 16, 1), (starts_at_s + 1.0, 16, 1)]))
        assert list(result.requests["queue_s"]) == [4.0, 3.25]  # the second one waits for the first one's prompt too


@pytest.mark.parametrize(("starts_at_s", "origin_s"), [(86_399.5, 0.0), (86_400.0, 86_400.0), (1.7e9 + 0.25, 1.7e9)])
def test_a_trace_that_splitwisesim_could_not_serve_is_timed_from_its_first_whole_second(
    starts_at_s: float, origin_s: float
) -> None:
    given = worlds.trace([(starts_at_s, 10, 5), (starts_at_s + 2.0, 10, 5)])
    result = measured(worlds.spec(), given)
    assert result.origin_s == origin_s
    assert list(result.requests["arrival_s"]) == [starts_at_s - origin_s, starts_at_s + 2.0 - origin_s]
    assert given.on_run_clock().on_run_clock() == given.on_run_clock()
    text = text_summary(worlds.spec(), given, result, 1.0, "out")
    said = f"times count from {origin_s:,.0f} s of the trace, its first arrival's whole second"
    assert (said in text) == (origin_s > 0.0)


def test_an_empty_trace_has_a_clock_too() -> None:
    empty = replace(worlds.trace([]), arrival_s=array("d"))
    assert (empty.first_arrival_s, empty.on_run_clock()) == (0.0, empty)
    assert measured(replace(worlds.spec(), end_time_s=5.0), empty).span_s == 0.0
