from __future__ import annotations

import pytest

from sync.verdict import WITHIN, Standing, design, name_by_rate, rank, verdict


@pytest.mark.parametrize(
    ("summary", "told"),
    [
        ({"slo/within": 1.0, "slo/ttft_p90": 1.0}, "within SLO"),
        ({"slo/within": 0.0, "slo/ttft_p90": 0.0, "slo/ttft_p99": 0.0, "slo/e2e_p50": 0.0, "slo/tbt_p50": 1.0},
         "too slow: TTFT p90 p99, E2E p50"),
        ({"slo/within": 0.0, "run/rejected": 3.0, "run/unfinished": 0.0, "slo/ttft_p90": 1.0}, "3 rejected"),
        ({"slo/within": 0.0, "run/unfinished": 2.0, "slo/tbt_p50": 0.0}, "2 unfinished, too slow: TBT p50"),
        ({"run/completed": 4.0}, "not measured"),
    ],
)  # fmt: skip
def test_the_verdict_says_what_is_in_the_way(outcome, summary, told):
    assert verdict(outcome(summary=summary)) == told


def test_a_run_that_was_stopped_says_when_and_nothing_of_what_it_was_too_early_for(outcome):
    summary = {"slo/within": 0.0, "run/unfinished": 2000.0, "run/stopped_early_s": 812.25}
    assert verdict(outcome(status="stopped", summary=summary)) == "unstable: stopped at 812.2 s"


def test_a_failed_point_is_no_verdict_on_times(outcome):
    assert verdict(outcome(status="failed", error="no memory", summary={})) == "failed"


@pytest.mark.parametrize(
    ("name", "rate", "of", "shown"),
    [
        ("ha 30P+21T conv 70 rps", 70.0, "ha 30P+21T conv", "70/s ha 30P+21T conv"),
        ("ha 3P+2T conv 0.5 rps seed=1", 0.5, "ha 3P+2T conv seed=1", "0.5/s ha 3P+2T conv seed=1"),
        ("ha 3P+2T my_trace", None, "ha 3P+2T my_trace", "ha 3P+2T my_trace"),
        ("splitwise mixed_pool rr_conv_12", 12.0, "splitwise mixed_pool rr_conv_12", "splitwise mixed_pool rr_conv_12"),
    ],
)
def test_a_design_is_a_name_without_its_rate_and_lists_show_the_rate_first(outcome, name, rate, of, shown):
    made = outcome(name=name, rate=rate)
    assert (design(made), name_by_rate(made)) == (of, shown)


def run(design, rate, told=WITHIN, cost=100.0):
    return Standing(design, rate, told, cost)


def test_a_design_stands_for_the_rate_up_to_which_all_its_runs_are_within():
    (one,) = rank([run("a", 24.0), run("a", 8.0), run("a", 16.0, "too slow: TTFT p90"), run("a", 16.0)])
    assert (one.best, one.worse) == (8.0, run("a", 16.0, "too slow: TTFT p90"))
    assert one.holds


def test_designs_are_ranked_by_rate_then_by_cost_and_those_that_hold_nothing_come_last():
    ranked = rank([
        *(run("late", 8.0, "failed", 1.0), run("dear", 16.0, cost=300.0), run("cheap", 16.0, cost=200.0)),
        *(run("best", 32.0, cost=400.0), run("file", None, cost=5.0), run("poor file", None, "1 rejected", 5.0)),
    ])  # fmt: skip
    assert [one.design for one in ranked] == ["best", "cheap", "dear", "file", "late", "poor file"]
    assert [one.holds for one in ranked] == [True] * 4 + [False] * 2
