"""Several seeds at a rate are judged together by their counts: in answers, tables, JSON and MLflow's page alike."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sync import Outcome, load_sweep
from sync.__main__ import main
from sync.analysis.answers import answers, answers_of, normalised, notes, sentence, sentences
from sync.analysis.answers.base import Configuration
from sync.analysis.answers.tables import highest, least, ranked, then
from sync.analysis.repetitions import CONFIDENCE
from sync.analysis.seeds import NO_COUNTS_NOTE, ONE_NOTE, SEVERAL_NOTE
from sync.analysis.standing import Standing, rank, standing_of
from sync.results.outcome import SweepInfo
from sync.results.slo import PAPER, Slo
from sync.results.verdict import verdict
from tests.sync.runs import ALLOWED, Make, counted, ladder, seeds
from tests.sync.stores import deliver, experiment_tags, keep

LOW, MIDDLE, HIGH = (3, 4, 5, 4, 3, 4, 5, 4), (6, 12, 9, 14, 5, 11, 8, 7), (15, 18, 20, 17, 16, 19, 14, 18)


def steps(run: Make, system: str, rates: dict[float, Sequence[int]], **changes: object) -> list[Outcome]:
    """The runs of a design, at each rate a seed for each number of requests beyond TTFT p90."""
    return [made for rate, beyond in rates.items() for made in seeds(run, system, rate, beyond, **changes)]


def only(runs: list[Outcome], slo: Slo = PAPER) -> Configuration:
    """The one configuration of these runs."""
    ((configuration,),) = (workload.configurations for workload in answers(runs, slo).workloads)
    return configuration


def test_a_rate_between_carried_and_beyond_is_undecided_and_ends_what_is_carried(run: Make) -> None:
    runs = steps(run, "a", {100: LOW, 110: LOW, 120: MIDDLE, 130: HIGH})
    configuration = only(runs)
    assert [at.state for at in configuration.at] == ["within", "within", "undecided", "beyond"]
    assert (configuration.carries, configuration.beyond, configuration.undecided) == (110, 130, (120,))
    assert (configuration.interval, configuration.above, configuration.state) == ((110, 130), (), "carries")
    assert configuration.may_carry_more and not configuration.meets(120) and configuration.may_carry(120)
    assert sentences(answers(runs)) == [
        "Within the SLO, by 8 seeds (95%), a carries at least 110 requests/s, less than 130; at 120 a is undecided with"
        " 8 seeds: 0.90 of TTFT p90 [0.64, 1.16]."
    ]
    ((_, text),) = then(answers(runs).workloads[0]).rows  # type: ignore[union-attr]
    assert text == "120/s: undecided with 8 seeds: 0.90 of TTFT p90 [0.64, 1.16]; beyond at 130/s"


def test_one_bad_seed_of_many_does_not_end_what_is_carried(run: Make) -> None:
    runs = steps(run, "a", {100: (*[3, 4, 5] * 5, ALLOWED + 1)})
    runs[-1] = replace(runs[-1], summary=runs[-1].summary | {"ttft/p90_slowdown": 99.0})
    assert not verdict(runs[-1], PAPER).within
    at = standing_of(runs, PAPER)
    assert (at.seeds, at.within, at.state) == (16, 15, "within")


def test_two_seeds_within_may_still_be_undecided_and_few_seeds_are_said_to_promise_too_much(run: Make) -> None:
    configuration = only(steps(run, "a", {100: (3, 9)}))
    assert [(at.within, at.state) for at in configuration.at] == [(2, "undecided")]
    assert (configuration.state, configuration.carries, configuration.is_decided) == ("undecided", None, True)
    found = answers(steps(run, "a", {100: LOW[:6], 110: HIGH[:6]}))
    assert "by 6 seeds (95%, though fewer than 8 seeds promise too much), a carries 100" in sentences(found)[0]
    assert "fewer than" not in sentences(answers(steps(run, "a", {100: LOW, 110: HIGH})))[0]


def test_an_undecided_lowest_rate_is_neither_carried_nor_known_not_to_be(run: Make) -> None:
    runs = steps(run, "a", {10: MIDDLE}) + steps(run, "baseline-a100", {10: HIGH})
    (workload,) = answers(runs).workloads
    assert [(row.design, row.state) for row in workload.ranking] == [
        ("a 3P+2T", "undecided"),
        ("baseline-a100 3P+2T", "none"),
    ]
    assert sentence(workload) == (
        "No design is known to be within the SLO by 8 seeds (95%); undecided: a at 10 requests/s (0.90 of TTFT p90"
        " [0.64, 1.16] with 8 seeds)."
    )


def test_a_cheaper_design_that_is_undecided_at_the_rate_asked_for_is_named(run: Make) -> None:
    runs = steps(run, "a", {10: LOW}, cost=90.0) + steps(run, "b", {10: MIDDLE}, cost=50.0)
    runs += steps(run, "c", {10: HIGH}, cost=40.0) + steps(run, "d", {10: MIDDLE}, cost=95.0)
    text = sentence(answers(runs, rate=10).workloads[0])
    assert "a 3P+2T costs least ($90.00 an hour)" in text
    assert text.endswith("; cheaper, but undecided: b at 10 requests/s (0.90 of TTFT p90 [0.64, 1.16] with 8 seeds).")


def test_the_ratio_of_two_rates_has_the_interval_of_both(run: Make) -> None:
    ha = steps(run, "splitwise-ha", {150: LOW, 160: HIGH})
    baseline = steps(run, "baseline-h100", {115: LOW, 120: HIGH})
    (workload,) = answers(ha + baseline).workloads
    rows = {row.system: row for row in normalised(workload)}
    assert rows["splitwise-ha"].rate == 150 / 115
    assert rows["splitwise-ha"].rate_interval == (150 / 120, 160 / 115)
    assert rows["baseline-h100"].rate_interval is None
    assert sentence(workload).startswith(
        "Within the SLO at equal cost and power and count, by 8 seeds (95%), Splitwise-HA carries 150 requests/s, less"
        " than 160; 1.30 times [1.25, 1.39] Baseline-H100 (115); at 160 Splitwise-HA is beyond the SLO with 8 seeds:"
    )
    table = highest(workload)
    assert table is not None
    assert dict(zip(table.heads, table.rows[0], strict=True))["× 95%"] == "[1.25, 1.39]"


@pytest.mark.parametrize("beyond", [{115: LOW}, {115: LOW[:1], 120: HIGH[:1]}])
def test_a_ratio_has_no_interval_without_an_upper_end_or_with_one_seed(
    run: Make, beyond: dict[float, Sequence[int]]
) -> None:
    runs = steps(run, "splitwise-ha", {150: LOW, 160: HIGH}) + steps(run, "baseline-h100", beyond)
    (workload,) = answers(runs).workloads
    assert [row.rate_interval for row in normalised(workload)] == [None, None]


def test_equal_draws_count_once_and_leave_one_seed_without_an_interval(run: Make) -> None:
    runs = [replace(made, trace_identity="written") for made in seeds(run, "a", 10, (4, 4, 4))]
    configuration = only(runs)
    assert (configuration.seeds, configuration.at[0].judgement, configuration.interval) == (1, None, None)
    assert "by one seed, so without an interval, a carries" in sentences(answers(runs))[0]
    assert ONE_NOTE in notes(answers(runs))


def test_runs_without_counts_fall_back_to_all_seeds_within_and_say_so(run: Make) -> None:
    runs = seeds(run, "a", 10, LOW)
    runs[2] = replace(runs[2], counts={})
    found = answers(runs)
    at = found.workloads[0].configurations[0].at[0]
    assert (at.state, at.judgement) == ("within", None)
    assert at.text == "within SLO with all of 8 seeds (counts not known, so without an interval)"
    assert "with all of 8 seeds (counts not known, so without an interval), a carries" in sentences(found)[0]
    assert NO_COUNTS_NOTE in notes(found) and SEVERAL_NOTE not in notes(found)


def test_a_failed_seed_leaves_the_rate_open_unless_the_others_show_that_it_is_beyond(run: Make) -> None:
    failed = run("a", 10, status="failed", error="boom", seed=9)
    assert [only([*seeds(run, "a", 10, beyond), failed]).state for beyond in (LOW, MIDDLE, HIGH)] == [
        *("open", "open"),
        "none",
    ]
    assert standing_of([*seeds(run, "a", 10, LOW), failed], PAPER).text == "8 of 9 seeds within SLO, else failed"


def test_a_seed_with_requests_that_were_not_served_is_beyond_and_the_reason_is_told(run: Make) -> None:
    runs = seeds(run, "a", 10, LOW)
    runs[3] = replace(runs[3], summary=runs[3].summary | {"run/rejected": 3.0})
    at = standing_of(runs, PAPER)
    assert (at.state, at.text) == ("beyond", "beyond the SLO with 8 seeds: 3 rejected")


def test_a_load_without_a_rate_is_undecided_too(run: Make) -> None:
    runs = [*seeds(run, "a", None, LOW, cost=90.0), *seeds(run, "b", None, MIDDLE, cost=50.0)]
    (workload,) = answers(runs).workloads
    assert [member.state for member in workload.configurations] == ["carries", "undecided"]
    assert sentence(workload) == "Within the SLO by 8 seeds (95%): a 3P+2T mine."


def test_tables_have_the_share_of_the_limit_with_its_interval(run: Make) -> None:
    (workload,) = answers(steps(run, "a", {100: LOW, 110: HIGH})).workloads
    table = ranked(workload)
    row = dict(zip(table.heads, table.rows[0], strict=True))
    assert (row["requests/s"], row["less than"], row["of limit"]) == ("100", "110", "0.40 [0.34, 0.46]")
    assert least(workload) is None
    one = ranked(answers(ladder(run, "a", {100: True, 110: False})).workloads[0])
    assert "less than" not in one.heads and one.rows[0][3] == "50.0%"


def test_counts_are_asked_for_where_a_rate_has_several_seeds_alone(run: Make) -> None:
    asked: list[Outcome] = []

    def counts(outcome: Outcome) -> Outcome:
        asked.append(outcome)
        return counted(outcome, 2 + outcome.seed % 2)

    runs = [run("a", 10), *(run("a", 20, seed=seed) for seed in range(8))]
    found = answers(runs, counted=counts).workloads[0].configurations[0]
    assert asked == runs[1:]
    assert [at.judgement is not None for at in found.at] == [False, True]


def info(points: int) -> SweepInfo:
    return SweepInfo("mine", "", "id", "name: mine\n", points, "python")


def test_json_carries_state_share_interval_seeds_confidence_and_undecided_rates(
    run: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [*steps(run, "a", {100: LOW, 110: MIDDLE, 120: HIGH}), run("b", 100)]
    keep(tmp_path, info(len(runs)), *runs)
    assert main(["--results", str(tmp_path), "answers", "mine", "--format", "json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["confidence"] == CONFIDENCE
    a, b = found["workloads"][0]["configurations"]
    assert (a["carries"], a["beyond"], a["undecided"], a["interval"], a["seeds"]) == (100, 120, [110], [100, 120], 8)
    at = a["at"][1]
    assert (at["rate"], at["state"], at["limit"], at["seeds"], at["enough_seeds"]) == (
        *(110, "undecided", "TTFT p90"),
        *(8, True),
    )
    assert round(at["share"], 6) == 0.9
    assert at["low"] < at["share"] < at["high"]
    assert (b["interval"], b["beyond"]) == (None, None)
    assert [b["at"][0][name] for name in ("state", "share", "low", "high")] == ["within", None, None, None]


def test_mlflow_page_and_answers_say_the_same_of_every_rate(run: Make, results: Path) -> None:
    runs = steps(run, "a", {100: LOW[:3], 110: MIDDLE[:3]})
    keep(results, info(len(runs)), *runs)
    deliver(results, info(len(runs)), *runs)
    configuration = only(runs)
    assert [at.state for at in configuration.at] == ["within", "undecided"]
    told = experiment_tags(results, "mine")["mlflow.note.content"]
    assert told.startswith("**Most requests within the SLO (3 seeds, too few to be sure):** a 3P+2T conv 100/s.")
    row = next(line for line in told.splitlines() if line.startswith("| a "))
    assert "100/s" in row and "110/s undecided with 3 seeds: " in row
    for source in ("journal", "mlflow"):
        (read,) = answers_of(load_sweep("mine", results, source)).workloads[0].configurations
        assert read.at == configuration.at


def test_designs_are_ranked_by_the_same_judgement_as_answers(run: Make) -> None:
    runs = steps(run, "a", {100: LOW, 110: MIDDLE, 120: HIGH})
    judged = [
        Standing("a", made.rate, True, "within SLO", 1.0, seed=made.seed, outcome=made, slo=PAPER) for made in runs
    ]
    (design,), configuration = rank(judged), only(runs)
    assert (design.best, design.beyond, design.undecided, design.worse) == (
        *(configuration.carries, configuration.beyond),
        *(configuration.undecided, configuration.then),
    )
    (hands,) = rank(replace(standing, outcome=None) for standing in judged)
    assert (hands.best, hands.are_judged) == (120, False)
