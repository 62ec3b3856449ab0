"""An answer from partial data begins with how much is done, and claims nothing of what was not run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from sync import Outcome
from sync.__main__ import main
from sync.analysis.answers import answers, sentences
from sync.analysis.answers.base import SweepAnswers
from sync.analysis.answers.tables import axes, highest, ranked, then
from sync.analysis.standing import Standing, rank
from sync.analysis.terms import caveats
from sync.results.journal import Journal
from sync.results.outcome import FACTS_OF_A_POINT, SweepInfo
from sync.results.plan import Plan, plan_of
from tests.sync.runs import Make, ladder


def planned(points: int, *rates: float, systems: Sequence[str] = ("a 3P+2T",), workload: str = "conv") -> Plan:
    """A plan of designs at rates, under one workload."""
    designs = {(design.split()[0], design, workload): frozenset(rates) for design in systems}
    return Plan(points, designs, {design.split()[0]: rates for design in systems})


def cells(found: SweepAnswers) -> dict[str, str]:
    """By design what the ranking says it carries."""
    return {row[1]: row[2] for row in ranked(found.workloads[0]).rows}


def test_no_rate_counts_as_carried_above_one_that_was_not_run(run: Make) -> None:
    found = answers(ladder(run, "a", {24: True, 28: True}), plan=planned(4, 12, 20, 24, 28))
    (configuration,) = found.workloads[0].configurations
    assert (configuration.carries, configuration.above, configuration.missing) == (None, (24, 28), (12, 20))
    assert sentences(found) == [
        "Partial: 2 of 4 points are done; nothing is said of the others. a is within the SLO by one seed, so"
        " without an interval, at 28"
        " requests/s; a has no result yet at 12 and 20."
    ]
    assert cells(found) == {"a 3P+2T": "open"}


def test_which_axis_matters_is_told_as_so_far_while_points_are_open(run: Make) -> None:
    runs = [
        outcome
        for name, held in (("p", True), ("q", False))
        for outcome in ladder(run, "a", {10: True, 20: held}, label=name, axes={"scheduler": name})
    ]
    titles = []
    for designs in (("a p", "a q", "a r"), ("a p", "a q")):
        table = axes(answers(runs, plan=planned(2 * len(designs), 10, 20, systems=designs)).workloads[0])
        assert table is not None
        titles.append(table.title.partition(";")[0])
    assert titles == ["conv: the axis scheduler matters most so far", "conv: the axis scheduler matters most"]


def test_designs_that_miss_a_high_rate_are_not_said_to_miss_the_lower_ones(run: Make) -> None:
    found = answers(ladder(run, "a", {28: False, 30: False}), plan=planned(10, 12, 28, 30))
    (text,) = sentences(found)
    assert text == (
        "Partial: 2 of 10 points are done; nothing is said of the others. No run so far is within the SLO by one"
        " seed, so without an interval,"
        " at 28 and 30 requests/s; lower rates have no result yet."
    )
    assert "not even" not in text
    assert cells(found) == {"a 3P+2T": "open"}


def test_a_design_that_misses_its_lowest_rate_carries_none_whatever_else_is_open(run: Make) -> None:
    found = answers(ladder(run, "a", {12: False}), plan=planned(3, 12, 20, 28))
    assert found.workloads[0].configurations[0].state == "none"
    assert sentences(found)[0].endswith("No design is within the SLO by one seed, so without an interval, not even"
        " at 12 requests/s, the lowest"
                                        " rate that was run.")  # fmt: skip


def test_a_design_carries_at_least_a_rate_where_the_next_one_was_not_run(run: Make) -> None:
    found = answers(ladder(run, "a", {12: True, 20: True, 30: False}), plan=planned(4, 12, 20, 24, 30))
    assert sentences(found)[0].endswith(
        "Within the SLO so far, by one seed, so without an interval, a carries at least 20 requests/s; at 24 a has"
        " no result yet."
    )
    assert cells(found) == {"a 3P+2T": "≥ 20"}
    ((_, text),) = then(found.workloads[0]).rows  # type: ignore[union-attr]
    assert text == "30/s: too slow: TTFT p99; no result yet at 24/s"


def test_designs_without_a_result_are_listed_as_not_run_and_nothing_is_said_of_them(run: Make) -> None:
    plan = planned(8, 10, 20, systems=("baseline-a100 3P+2T", "baseline-h100 3P+2T", "b 1P+4T"))
    found = answers(ladder(run, "b", {10: True, 20: True}, label="1P+4T"), plan=plan)
    assert cells(found) == {"b 1P+4T": "≥ 20", "baseline-a100 3P+2T": "not run", "baseline-h100 3P+2T": "not run"}
    assert "none of the rates" not in sentences(found)[0]
    assert found.workloads[0].not_run == ("baseline-a100 3P+2T", "baseline-h100 3P+2T")


def test_systems_of_which_only_the_name_is_known_are_listed_as_not_run(run: Make) -> None:
    plan = Plan(6, {("a", "a 3P+2T", "conv"): frozenset({10.0})}, {"a": (10.0, 20.0), "b": (10.0, 20.0)})
    found = answers([run("a", 10)], plan=plan)
    assert cells(found) == {"a 3P+2T": "≥ 10", "b": "not run"}


def test_a_system_is_only_compared_with_where_what_it_carries_is_known(run: Make) -> None:
    runs = [
        *ladder(run, "splitwise-ha", {10: True, 20: True, 30: False}),
        *ladder(run, "baseline-h100", {10: True}),
        *ladder(run, "baseline-a100", {30: False}),
    ]
    systems = ("splitwise-ha 3P+2T", "baseline-h100 3P+2T", "baseline-a100 3P+2T")
    found = answers(runs, plan=planned(9, 10, 20, 30, systems=systems))
    assert sentences(found)[0].endswith("Splitwise-HA carries 20 requests/s; at 30 Splitwise-HA is too slow: TTFT p99.")
    table = highest(found.workloads[0])
    assert table is not None
    assert ("baseline-a100 (of 1)", "open") in [row[:2] for row in table.rows]
    whole = answers([*runs, *ladder(run, "baseline-a100", {10: False, 20: False})])
    assert "Baseline-A100 carries none of the rates" in sentences(whole)[0]


def test_points_that_failed_count_as_open(run: Make) -> None:
    found = answers([run("a", 10, status="failed", error="boom"), run("a", 20)])
    assert found.workloads[0].configurations[0].state == "open"
    assert sentences(found) == [
        "Partial: 1 of 2 points are done, 1 failed; nothing is said of the others. a is within the SLO by one seed,"
        " so without an interval, at"
        " 20 requests/s; a has no result yet at 10; points that failed: 1."
    ]


def test_at_one_rate_the_cheapest_so_far_is_told_as_such(run: Make) -> None:
    runs = [run("a", 70, cost=150.0), run("b", 70, False, cost=10.0)]
    found = answers(runs, plan=planned(3, 70, systems=("a 3P+2T", "b 3P+2T", "c 3P+2T")))
    assert (
        "To carry 70 requests/s within the SLO so far by one seed, so without an interval, a 3P+2T costs least"
        in sentences(found)[0]
    )


def test_a_choice_of_the_runs_does_not_make_the_others_open(run: Make) -> None:
    runs = [*ladder(run, "a", {10: True, 20: False}), *ladder(run, "b", {10: True, 20: True})]
    plan = planned(4, 10, 20, systems=("a 3P+2T", "b 3P+2T"))
    found = answers([outcome for outcome in runs if outcome.system == "a" and outcome.rate == 20], plan=plan,
                    finished=runs)  # fmt: skip
    assert caveats(found.terms) == []
    assert found.workloads[0].not_run == ()
    assert found.workloads[0].configurations[0].missing == ()


def test_a_whole_sweep_has_no_caveat(run: Make) -> None:
    found = answers(ladder(run, "a", {10: True, 20: False}), plan=planned(2, 10, 20))
    assert caveats(found.terms) == []
    assert sentences(found)[0].startswith(
        "Within the SLO, by one seed, so without an interval, a carries 10 requests/s"
    )


def test_workloads_that_were_not_run_are_named(run: Make) -> None:
    designs = {("a", "a 3P+2T", workload): frozenset({10.0}) for workload in ("conv", "code")}
    assert answers([run("a", 10)], plan=Plan(2, designs, {"a": (10.0,)})).not_run == ("code",)


def test_an_axis_called_rate_that_is_no_rate_of_the_load_opens_nothing(run: Make) -> None:
    plan = Plan(2, {("a", "a 3P+2T", "conv"): frozenset({10.0, 20.0})}, {"a": (1.0, 2.0)})
    assert answers(ladder(run, "a", {10: True, 20: True}), plan=plan).workloads[0].configurations[0].missing == ()


def test_one_point_under_the_keys_of_two_versions_is_one_point() -> None:
    fact = {"system": "a", "design": "a 1xH100", "workload": "conv", "rate": 10.0, "seed": 0, "trace": "rr_conv_10"}
    assert plan_of(1, {}, [fact, dict(fact)]).points == 1
    assert plan_of(1, {}, [fact, fact | {"seed": 1}]).points == 2


# -- from a journal ----------------------------------------------------------------------------------------------------


def keep(results: Path, info: SweepInfo, asked_for: Sequence[Outcome], finished: Sequence[Outcome]) -> None:
    """A start of a sweep that asked for some points and finished some of them."""
    facts: dict[str, Mapping[str, Any]] = {
        made.key: {name: getattr(made, name) for name in FACTS_OF_A_POINT} for made in asked_for
    }
    with Journal(results / info.name) as journal:
        journal.write_sweep(info, list(facts), facts, lambda text, other: text == other)
        for made in finished:
            journal.write(made)


def info_of(points: int, **systems: Sequence[float]) -> SweepInfo:
    return SweepInfo("mine", "", "id", "name: mine\n", points, "python", systems=systems)


def test_all_formats_begin_with_how_much_is_done(run: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    made = ladder(run, "a", {10: True, 20: True, 28: True})
    keep(tmp_path, info_of(9, a=[10, 20, 28], b=[10, 20, 28]), made, made[2:])
    first = "Partial: 1 of 9 points are done; nothing is said of the others."
    printed = {}
    for form in ("table", "markdown", "json"):
        assert main(["--results", str(tmp_path), "answers", "mine", "--format", form]) == 0
        printed[form] = capsys.readouterr().out
    assert printed["table"].splitlines()[0] == first
    assert printed["markdown"].splitlines()[0] == f"> {first}"
    found = json.loads(printed["json"])
    assert found["caveats"] == [first]
    assert found["sentences"][0].startswith(first) and found["workloads"][0]["sentence"].startswith(first)
    assert found["workloads"][0]["not_run"] == ["b"]
    assert found["terms"]["done"] == 1
    assert found["workloads"][0]["configurations"][0]["state"] == "open"


def test_what_earlier_starts_planned_stays_planned(run: Make, tmp_path: Path) -> None:
    first, second = run("a", 10), run("a", 40)
    keep(tmp_path, info_of(24, a=[10, 20, 30]), [first], [first])  # --limit 1
    keep(tmp_path, info_of(1, a=[40]), [second], [second])  # rate=40
    plan = Journal(tmp_path / "mine").plan()
    assert plan is not None
    assert (plan.points, plan.systems["a"]) == (24, [10, 20, 30, 40])
    (configuration,) = answers([first, second], plan=plan).workloads[0].configurations
    assert (configuration.carries, configuration.missing) == (10, (20, 30))


def test_results_of_former_versions_are_read_and_say_not_recorded(
    run: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = run("a", 10)
    keep(tmp_path, info_of(1), [made], [made])
    path = tmp_path / "mine" / "sweep.json"
    contents = json.loads(path.read_text())
    for name in ("systems", "machines"):
        del contents[name]
    for name in ("seed", "trace", "model", "performance_model", "horizon_s"):
        del contents["point_facts"][made.key][name]
    path.write_text(json.dumps(contents))
    assert main(["--results", str(tmp_path), "answers", "mine"]) == 0
    printed = capsys.readouterr().out
    assert "Model: not recorded; iteration times: not recorded." in printed
    assert "Machine dgx-h100: price and watts not recorded." in printed
    assert "horizon not recorded" in printed
    assert "Partial" not in printed


# -- designs beside each other -----------------------------------------------------------------------------------------


def test_a_standing_at_a_high_rate_alone_is_no_best_rate() -> None:
    def at(rate: float, verdict: str = "within SLO") -> Standing:
        return Standing("a conv", rate, verdict == "within SLO", verdict, 1.0, system="a")

    (design,) = rank([at(28)], {"a": (12, 28)})
    assert (design.best, design.holds, design.is_open, design.missing) == (None, False, True, (12,))
    (design,) = rank([at(12), at(28)], {"a": (12, 28)})
    assert (design.best, design.is_open) == (28, False)
    (design,) = rank([at(12, "too slow: TTFT p99")], {"a": (12, 28)})
    assert (design.holds, design.is_open) == (False, False)
    (design,) = rank([at(12, "failed"), at(28)])
    assert (design.holds, design.is_open, design.missing) == (False, True, (12,))
