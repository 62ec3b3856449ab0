from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from sync import Outcome
from sync.__main__ import main
from sync.analysis.answers import answers, normalised, sentence, sentences
from sync.analysis.answers.words import shown
from sync.analysis.standing import RateStanding
from sync.results.outcome import SweepInfo
from sync.results.slo import Slo
from tests.sync.runs import Make, ladder
from tests.sync.stores import keep


def test_a_configuration_carries_the_highest_rate_up_to_which_all_are_within(run: Make) -> None:
    runs = ladder(run, "a", {30: True, 10: True, 20: False, 40: False})
    (workload,) = answers(runs).workloads
    (configuration,) = workload.configurations
    assert (configuration.carries, configuration.above) == (10, (30,))
    assert configuration.then == RateStanding(20, seeds=1, within=0, verdict="too slow: TTFT p99")
    assert "at 20 a is too slow: TTFT p99." in sentence(workload)


def test_a_failed_or_stopped_point_ends_the_ladder(run: Make) -> None:
    failed = [*ladder(run, "a", {10: True, 30: True}), run("a", 20, status="failed", error="boom")]
    (configuration,) = answers(failed).workloads[0].configurations
    assert (configuration.carries, configuration.failed, configuration.above) == (10, (20,), (30,))
    assert configuration.then == RateStanding(20, seeds=1, within=0, verdict="failed")
    stopped = [*ladder(run, "a", {10: True}), run("a", 20, status="stopped", summary={"run/stopped_early_s": 60.0})]
    found = answers(stopped)
    assert found.workloads[0].configurations[0].then == RateStanding(20, 1, 0, "unstable: stopped at 60 s")
    assert (found.runs, found.failed, found.stopped) == (2, 0, 1)


def test_without_counts_a_rate_is_carried_when_all_of_its_seeds_carry_it_and_the_answer_says_so(run: Make) -> None:
    held = {10: [True] * 3, 20: [True, False, True], 30: [False] * 3}
    runs = [run("a", rate, within, seed=seed) for rate, seeds in held.items() for seed, within in enumerate(seeds)]
    found = answers(runs)
    (configuration,) = found.workloads[0].configurations
    assert (configuration.carries, configuration.seeds) == (10, 3)
    assert configuration.then == RateStanding(20, seeds=3, within=2, verdict="too slow: TTFT p99")
    assert sentences(found) == [
        "Within the SLO, with all of 3 seeds (counts not known, so without an interval), a carries 10 requests/s; at 20"
        " with 2 of 3 seeds only, else too slow: TTFT p99."
    ]


def test_the_luckiest_seed_is_no_configuration_of_its_own(run: Make) -> None:
    runs = [run("a", 10, within, seed=seed) for seed, within in enumerate([False, True, False])]
    (workload,) = answers(runs).workloads
    assert len(workload.configurations) == 1
    assert sentence(workload).startswith("No design is within the SLO with all of 3 seeds")


def test_figures_of_several_seeds_are_means_and_the_tightest_limit_is_that_of_the_worst(run: Make) -> None:
    slo = Slo(seconds={"ttft": {"p99": 2.0}})
    served = [{"ttft/p99_s": 1.0, "throughput/steady_requests_per_s": 10.0, "run/completed": 4.0}]
    served += [{"ttft/p99_s": 1.5, "throughput/steady_requests_per_s": 20.0, "run/completed": 4.0}]
    runs = [run("a", 10, seed=seed, summary=figures) for seed, figures in enumerate(served)]
    (configuration,) = answers(runs, slo).workloads[0].configurations
    assert configuration.tightest == 0.75
    assert configuration.requests_per_dollar == 15.0 * 3600 / 100.0


def test_of_splits_that_are_equal_in_all_else_the_one_with_the_most_room_is_named(run: Make) -> None:
    slo = Slo(seconds={"ttft": {"p99": 2.0}})
    seconds = {"1P+9T": 1.9, "5P+5T": 1.2, "9P+1T": 1.5}
    made = [
        run("a", 10, label=label, summary={"ttft/p99_s": value, "run/completed": 4.0})
        for label, value in seconds.items()
    ]
    highest = answers(made, slo).workloads[0].systems[0].highest
    assert highest is not None
    assert (highest.name, highest.tightest) == ("a 5P+5T conv", 0.6)


def test_of_a_system_the_configuration_that_carries_most_is_named_and_of_equals_the_cheapest(run: Make) -> None:
    runs = [
        *ladder(run, "a", {10: True, 20: True}, label="1P+3T", cost=90.0, power=70.0),
        *ladder(run, "a", {10: True, 20: True}, label="2P+2T", cost=80.0, power=75.0),
        *ladder(run, "a", {10: True, 20: False}, label="3P+1T", cost=70.0, power=60.0),
    ]
    (workload,) = answers(runs).workloads
    (a,) = workload.systems
    assert a.highest is not None and a.highest.name == "a 2P+2T conv"
    assert workload.rate == 20
    assert (a.cheapest, a.least_power) == (
        a.highest,
        next(c for c in workload.configurations if c.name == "a 1P+3T conv"),
    )
    (lower,) = answers(runs, rate=10).workloads[0].systems
    assert lower.cheapest == lower.least_power == next(c for c in workload.configurations if c.name == "a 3P+1T conv")
    assert answers(runs, rate=21).workloads[0].systems[0].cheapest is None


def test_the_front_has_whom_no_other_beats_in_cost_power_and_rate(run: Make) -> None:
    def with_figures(label: str, cost: float, power: float, rate: float) -> list[Outcome]:
        return ladder(run, "a", {rate: True}, label=label, cost=cost, power=power)

    figures = {"p": (10, 10, 5), "q": (10, 9, 5), "r": (20, 9, 6), "s": (20, 20, 6), "t": (30, 5, 1), "u": (10, 9, 5)}
    runs = [made for label, args in figures.items() for made in with_figures(label, *args)]
    runs += ladder(run, "a", {5: False}, label="none", cost=1.0, power=1.0)
    (workload,) = answers(runs).workloads
    assert [configuration.name for configuration in workload.front] == ["a q conv", "a r conv", "a t conv"]


def test_tables_are_normalised_to_baseline_a100_or_else_the_first_baseline(run: Make) -> None:
    runs = [
        *ladder(run, "baseline-h100", {10: True, 20: True, 30: False}, cost=50.0),
        *ladder(run, "baseline-a100", {10: True, 20: False}, power=100.0),
        *ladder(run, "splitwise-ha", {10: True, 20: True, 30: True}),
    ]
    (workload,) = answers(runs).workloads
    assert workload.reference == "baseline-a100"
    assert {row.system: (row.rate, row.cost, row.power, row.machines) for row in normalised(workload)} == {
        "baseline-h100": (2.0, 0.5, 0.5, 1.0),
        "baseline-a100": (1.0, 1.0, 1.0, 1.0),
        "splitwise-ha": (3.0, 1.0, 0.5, 1.0),
    }
    (other,) = answers([outcome for outcome in runs if outcome.system != "baseline-a100"]).workloads
    assert other.reference == "baseline-h100"


def test_a_baseline_that_carries_nothing_is_no_reference(run: Make) -> None:
    runs = [*ladder(run, "baseline-a100", {10: False}), *ladder(run, "splitwise-ha", {10: True, 20: True})]
    (workload,) = answers(runs).workloads
    (row,) = normalised(workload)
    assert (row.system, row.rate, workload.reference) == ("splitwise-ha", 1.0, "splitwise-ha")
    assert "Baseline-A100 carries none of the rates" in sentence(workload)


def test_the_answer_in_words_names_terms_rate_and_multiples(run: Make) -> None:
    runs = [
        *ladder(run, "baseline-a100", {8: True, 16: False}, cost=98.0, power=80.0),
        *ladder(run, "baseline-h100", {8: True, 16: True, 24: False}, cost=100.0, machines={"dgx-h100": 2}),
        *ladder(run, "splitwise-ha", {8: True, 16: True, 24: True}, cost=99.0),
    ]
    (text,) = sentences(answers(runs))
    assert text == (
        "Within the SLO at equal cost, by one seed, so without an interval, Splitwise-HA carries at least 24"
        " requests/s,"
        " 1.50 times Baseline-H100 (16) and 3.00 times Baseline-A100 (8); no higher rate was run."
    )


def test_one_rate_asks_who_carries_it_for_least(run: Make) -> None:
    runs = [
        run("baseline-a100", 70, cost=200.0, power=90.0),
        run("splitwise-ha", 70, label="1P+3T", cost=150.0, power=80.0),
        run("splitwise-ha", 70, label="3P+1T", cost=160.0, power=45.0),
        run("splitwise-ha", 70, False, label="1P+1T", cost=10.0, power=5.0),
    ]
    assert sentences(answers(runs)) == [
        "To carry 70 requests/s within the SLO by one seed, so without an interval, Splitwise-HA 1P+3T costs least"
        " ($150.00 an hour,"
        " 0.75 times Baseline-A100's); Splitwise-HA 3P+1T draws least (power weight 45.0, 0.50 times"
        " Baseline-A100's)."
    ]


def test_one_run_alone_says_what_it_carries(run: Make) -> None:
    assert sentences(answers([run("a", 10)])) == [
        "Within the SLO, by one seed, so without an interval, a carries at least 10 requests/s; no higher rate was run."
    ]


def test_the_answer_says_when_no_design_is_within_the_slo_and_when_there_is_one_design(run: Make) -> None:
    assert sentences(answers(ladder(run, "a", {10: False, 20: False}))) == [
        "No design is within the SLO by one seed, so without an interval, not even at 10 requests/s, the lowest"
        " rate that was run."
    ]
    assert sentences(answers(ladder(run, "a", {10: True, 20: False}))) == [
        "Within the SLO, by one seed, so without an interval, a carries 10 requests/s; at 20 a is too slow: TTFT p99."
    ]
    assert sentences(answers([run("a", 10, status="failed", error="boom")])) == [
        "Partial: 0 of 1 point is done, 1 failed; nothing is said of the others. No point has a result; points that"
        " failed: 1."
    ]
    assert answers([]).workloads == ()


def test_a_trace_without_a_rate_is_carried_or_not(run: Make) -> None:
    (workload,) = answers([run("a", None), run("b", None, False)]).workloads
    assert [answer.highest is not None for answer in workload.systems] == [True, False]
    assert sentence(workload) == "Within the SLO by one seed, so without an interval: a 3P+2T mine."
    assert [configuration.name for configuration in workload.front] == ["a 3P+2T mine"]


def test_workloads_are_answered_apart(run: Make) -> None:
    runs = [run("a", 10, workload="code"), run("a", 10, False, workload="conv")]
    found = answers(runs)
    assert [workload.workload for workload in found.workloads] == ["code", "conv"]
    assert [text.split(":")[0] for text in sentences(found)] == ["code", "conv"]


def test_another_slo_gives_other_answers(run: Make) -> None:
    def timed(rate: float, p99_s: float) -> Outcome:
        return run("a", rate, False, summary={"ttft/p99_s": p99_s, "run/completed": 4.0})

    runs = [timed(10, 0.1), timed(20, 0.2), timed(30, 0.4)]
    for limit, carries in ((0.05, None), (0.1, 10), (0.25, 20), (1.0, 30)):
        (configuration,) = answers(runs, Slo(seconds={"ttft": {"p99": limit}})).workloads[0].configurations
        assert configuration.carries == carries


def test_names_of_systems_are_shown_as_the_paper_writes_them() -> None:
    names = ("splitwise-hhcap", "splitwise-ha", "baseline-a100", "mine", "splitwise-x-y", "cap")
    assert [shown(name) for name in names] == [
        "Splitwise-HHcap", "Splitwise-HA", "Baseline-A100", "mine", "splitwise-x-y", "cap",
    ]  # fmt: skip


def deliver(results: Path, made: list[Outcome]) -> None:
    """Keep the outcomes as the sweep `mine`."""
    keep(results, SweepInfo("mine", "", "id", "name: mine\n", 4, "python"), *made)


def test_the_answers_as_markdown_are_tables_with_as_many_cells_in_each_line(
    run: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = [*ladder(run, "baseline-a100", {10: True}), *ladder(run, "a|b", {10: True, 20: True}, label="1P+3T")]
    deliver(tmp_path, made)
    assert main(["--results", str(tmp_path), "answers", "mine", "--format", "markdown"]) == 0
    found = capsys.readouterr().out
    assert found.startswith(
        "> Partial: 3 of 4 points are done; nothing is said of the others.\n\n"
        "> Within the SLO at equal cost and power and count, by one seed, so without an interval, a|b carries at"
        " least 20 requests/s, 2"
    )
    tables = [part.splitlines() for part in found.split("\n\n") if part.startswith("|")]
    assert all({line.replace("\\|", "").count("|") for line in lines} == {lines[0].count("|")} for lines in tables)
    assert r"| 1 | a\|b 1P+3T | ≥ 20 | 50.0% | TTFT p50 | 100 | 50.0 |" in tables[0]


def test_the_command_prints_tables_json_and_one_line_for_mistakes(
    run: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deliver(tmp_path, [*ladder(run, "a", {10: True, 20: False}, label="[1]"), *ladder(run, "b", {10: False, 20: True})])
    assert main(["--results", str(tmp_path), "answers", "mine"]) == 0
    printed = capsys.readouterr().out
    assert "a [1] " in printed
    assert "within again at 20/s, not counted" in printed
    assert main(["--results", str(tmp_path), "answers", "mine", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["workloads"][0]["systems"][0]["highest"]["carries"] == 10
    assert found["sentences"] == [found["workloads"][0]["sentence"]]
    for arguments in (["gone"], ["mine", "--rate", "0"], ["mine", "--slo", str(tmp_path / "gone.yaml")]):
        assert main(["--results", str(tmp_path), "answers", *arguments]) == 2
        assert capsys.readouterr().err.count("\n") == 1


def test_no_answer_is_a_number_that_json_does_not_have(run: Make) -> None:
    (workload,) = answers([run("baseline-a100", 10, cost=0.0, power=0.0), run("a", 10, cost=0.0)]).workloads
    figures = [value for row in normalised(workload) for value in (row.rate, row.cost, row.power, row.machines)]
    assert all(value is None or math.isfinite(value) for value in figures)
