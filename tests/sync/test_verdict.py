from __future__ import annotations

from collections.abc import Callable

import pytest

from sync import Outcome
from sync.analysis.standing import RateStanding, Standing, name_by_rate, rank, repetitions, together
from sync.results.slo import PAPER, WITHIN, Slo
from sync.results.verdict import verdict
from tests.summaries import summary

Make = Callable[..., Outcome]


@pytest.mark.parametrize(
    ("figures", "text"),
    [
        (summary(), "within SLO"),
        (summary("ttft_p90", "ttft_p99", "e2e_p50"), "too slow: TTFT p90 p99, E2E p50"),
        (summary(**{"run/rejected": 3.0, "run/unfinished": 0.0}), "3 rejected"),
        (summary("tbt_p50", **{"run/unfinished": 2.0}), "2 unfinished, too slow: TBT p50"),
        ({"run/completed": 0.0}, "no request was completed"),
        (
            summary(**{"run/unfinished": 9.0, "run/standstill_requests": 7.0, "run/standstill_s": 3.0}),
            "standstill: 7 can never be served, 2 unfinished",
        ),
        (
            summary(**{"run/unfinished": 9.0, "run/cut_at_s": 60.0, "run/not_arrived": 5.0}),
            "cut at 60 s by end_time: 5 had not arrived, 4 unfinished",
        ),
        (
            {"run/completed": 4.0, "tbt/mean_s": 0.1},
            "slowdown not measured: TTFT p50 p90 p99, TBT p50 p90 p99, E2E p50 p90 p99",
        ),
    ],
)
def test_the_verdict_says_what_is_in_the_way(outcome: Make, figures: dict[str, float], text: str) -> None:
    judged = verdict(outcome(summary=figures), PAPER)
    assert (judged.text, judged.within) == (text, text == WITHIN)


def test_a_run_whose_outputs_are_one_token_each_has_no_tbt_to_judge(outcome: Make) -> None:
    figures = {name: value for name, value in summary().items() if not name.startswith("tbt/")}
    judged = verdict(outcome(summary=figures), PAPER)
    assert judged.within
    assert judged.without_tbt
    slow = verdict(outcome(summary=figures | {"e2e/p50_slowdown": 9.0}), PAPER)
    assert slow.text == "too slow: E2E p50"


def test_a_run_that_was_stopped_says_when_and_nothing_of_what_it_was_too_early_for(outcome: Make) -> None:
    figures = {"run/unfinished": 2000.0, "run/stopped_early_s": 812.25}
    assert verdict(outcome(status="stopped", summary=figures), PAPER).text == "unstable: stopped at 812.2 s"


def test_a_failed_point_is_no_verdict_on_times(outcome: Make) -> None:
    judged = verdict(outcome(status="failed", error="no memory", summary={}), PAPER)
    assert (judged.text, judged.within, judged.figures()) == ("failed", False, {"slo/within": 0.0})


def test_a_verdict_as_numbers_has_one_for_each_limit_of_the_slo(outcome: Make) -> None:
    slo = Slo(seconds={"ttft": {"p99": 1.0}, "e2e": {"p95": 2.0}})
    figures = {"run/completed": 4.0, "ttft/p99_s": 1.0, "e2e/p95_s": 2.5}
    assert verdict(outcome(summary=figures), slo).figures() == {
        "slo/within": 0.0,
        "slo/ttft_p99": 1.0,
        "slo/e2e_p95": 0.0,
    }


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({"design": "ha 30P+21T", "workload": "conv", "rate": 70.0}, "70/s ha 30P+21T conv"),
        (
            {"design": "ha 3P+2T", "workload": "conv", "rate": 0.5, "seed": 1, "axes": {"seed": 1}},
            "0.5/s ha 3P+2T conv seed 1",
        ),
        ({"design": "ha 3P+2T", "workload": "mine", "rate": None}, "ha 3P+2T mine"),
    ],
)
def test_lists_show_the_rate_first(outcome: Make, facts: dict[str, object], shown: str) -> None:
    assert name_by_rate(outcome(name="ha 3P+2T mine", **facts)) == shown


def test_runs_that_differ_by_seed_alone_are_repetitions(outcome: Make) -> None:
    points = [(1, 2, "t"), (2, 0, "t"), (1, 0, "t"), (1, 0, "longer")]
    runs = [
        outcome(n, rate=rate, seed=seed, trace=trace, trace_identity=f"{trace} {seed}")
        for n, (rate, seed, trace) in enumerate(points)
    ]
    assert [[run.seed for run in members] for members in repetitions(runs)] == [[0, 2], [0], [0]]


def test_a_seed_that_changes_neither_the_trace_nor_the_run_is_no_repetition(outcome: Make) -> None:
    runs = [outcome(seed, rate=1.0, seed=seed, trace="t", trace_identity="written") for seed in range(3)]
    assert [[run.seed for run in members] for members in repetitions(runs)] == [[0]]


def test_repetitions_are_within_when_all_are_and_else_say_how_many(outcome: Make) -> None:
    good, slow = (verdict(outcome(summary=figures), PAPER) for figures in (summary(), summary("ttft_p99")))
    failed = verdict(outcome(status="failed", error="no memory", summary={}), PAPER)
    assert (
        together([(0, good), (1, good)]).text
        == "within SLO with all of 2 seeds (counts not known, so without an interval)"
    )
    three = together([(0, failed), (1, slow), (2, good)])
    assert (three.seeds, three.within) == (3, 1)
    assert three.text == ("1 of 3 seeds within SLO, else too slow: TTFT p99 (counts not known, so without an interval)")
    assert together([(0, slow)]).text == slow.text


def test_two_runs_with_one_seed_are_one_seed(outcome: Make) -> None:
    good, slow = (verdict(outcome(summary=figures), PAPER) for figures in (summary(), summary("ttft_p99")))
    found = together([(0, good), (0, slow)])
    assert (found.seeds, found.within, found.text) == (1, 0, "too slow: TTFT p99")


def run(design: str, rate: float | None, text: str = WITHIN, cost: float = 100.0) -> Standing:
    return Standing(design, rate, text == WITHIN, text, cost)


def test_a_design_stands_for_the_rate_up_to_which_all_its_runs_are_within() -> None:
    (design,) = rank([run("a", 24.0), run("a", 8.0), run("a", 16.0, "too slow: TTFT p90"), run("a", 16.0)])
    assert (design.best, design.worse) == (8.0, RateStanding(16.0, seeds=1, within=0, verdict="too slow: TTFT p90"))
    assert design.holds


def test_designs_are_ranked_by_rate_then_by_cost_and_those_that_hold_nothing_come_last() -> None:
    ranked = rank([
        *(run("late", 8.0, "failed", 1.0), run("dear", 16.0, cost=300.0), run("cheap", 16.0, cost=200.0)),
        *(run("best", 32.0, cost=400.0), run("file", None, cost=5.0), run("poor file", None, "1 rejected", 5.0)),
    ])  # fmt: skip
    assert [design.design for design in ranked] == ["best", "cheap", "dear", "file", "late", "poor file"]
    assert [design.holds for design in ranked] == [True] * 4 + [False] * 2
