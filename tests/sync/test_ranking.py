"""Every design in order, ties told as ties, how near each is to a limit, and which axis matters most."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sim_core.errors import SpecError
from sync import Outcome
from sync.__main__ import main
from sync.analysis.answers import answers, check_rate, counts, sentence, sentences, tables
from sync.analysis.answers.base import AxisEffect
from sync.analysis.answers.tables import axes, front, least, ranked
from sync.analysis.answers.words import share_text
from sync.results.outcome import SweepInfo
from sync.results.plan import Plan
from sync.results.slo import Slo
from tests.sync.runs import Make, ladder
from tests.sync.stores import keep

TTFT = Slo(seconds={"ttft": {"p99": 2.0}, "e2e": {"p95": 10.0}})


def timed(ttft_s: float, e2e_s: float = 1.0) -> dict[str, float]:
    return {"ttft/p99_s": ttft_s, "e2e/p95_s": e2e_s, "run/completed": 4.0}


def of_schedulers(run: Make, seconds: dict[str, float], **changes: Any) -> list[Outcome]:
    """A run of each scheduler at one rate."""
    return [
        run("a", 10, label=f"3P+2T scheduler={name}", axes={"scheduler": name}, summary=timed(value), **changes)
        for name, value in seconds.items()
    ]


def test_every_design_has_its_line_with_the_limit_that_it_is_nearest_to(run: Make) -> None:
    seconds = {"jsq": 1.9, "random": 1.0, "mixed_pool": 1.5, "round_robin": 3.0}
    made = [run("a", 10, summary=timed(0.1, 9.96), cost=101.0, axes={"scheduler": "none"})]
    (workload,) = answers([*of_schedulers(run, seconds), *made], TTFT).workloads
    assert [row[:5] for row in ranked(workload).rows] == [
        ("1", "a 3P+2T scheduler=random", "≥ 10", "50.0%", "TTFT p99"),
        ("1", "a 3P+2T scheduler=mixed_pool", "≥ 10", "75.0%", "TTFT p99"),
        ("1", "a 3P+2T scheduler=jsq", "≥ 10", "95.0%", "TTFT p99"),
        ("4", "a 3P+2T", "≥ 10", "99.6%", "E2E p95"),
        ("-", "a 3P+2T scheduler=round_robin", "none", "150% at 10", "TTFT p99"),
    ]
    assert "(equal places are ties)" in ranked(workload).title


def test_of_many_designs_the_table_has_the_first_and_says_of_how_many(run: Make) -> None:
    made = [run("a", 10, label=f"{number}P", cost=float(number + 1)) for number in range(60)]
    (workload,) = answers(made).workloads
    assert len(ranked(workload).rows) == 50
    assert "the first 50 of 60 designs" in ranked(workload).title
    assert len(ranked(workload, most=None).rows) == 60


def test_ties_in_the_carried_rate_are_told_with_why_one_is_named(run: Make) -> None:
    def best(**changes: dict[str, Any]) -> str:
        runs = [
            outcome
            for label, own in changes.items()
            for outcome in ladder(run, "a", {10: True, 20: True}, label=label, **own)
        ]
        return sentences(answers(runs, TTFT))[0]

    def of(ttft_s: float, **more: float) -> dict[str, Any]:
        return {"summary": timed(ttft_s), **more}

    assert best(P=of(1.0, cost=90.0), Q=of(1.0, cost=95.0)).endswith(
        "a P carries at least 20 requests/s (as does a Q); no higher rate was run."
        " Of these designs a P costs least ($90.00 an hour)."
    )
    assert "and of equal cost draws least" in best(P=of(1.0, power=40.0), Q=of(1.0, power=45.0))
    assert best(P=of(1.0), Q=of(0.5), R=of(0.8)).endswith(
        " These designs are a tie in rate, cost and power; a Q has the most room below its limits."
    )
    assert best(P=of(1.0), Q=of(1.0)).endswith(
        " This is a tie: cost, power and room below the limits do not tell a P from all of the others."
    )
    many = best(**{name: of(1.0) for name in "PQRSTUV"})
    assert "(as do a Q, a R, a S and 3 more)" in many


def test_ties_for_the_cheapest_are_named(run: Make) -> None:
    made = of_schedulers(run, {"jsq": 1.9, "random": 1.0, "mixed_pool": 1.5})
    (workload,) = answers(made, TTFT).workloads
    (text,) = sentences(answers(made, TTFT))
    assert "a 3P+2T scheduler=random costs least ($100.00 an hour), as do" in text
    assert ", as do a 3P+2T scheduler=jsq and a 3P+2T scheduler=mixed_pool" in text
    (system,) = workload.systems
    assert system.cheapest_ties == ("a 3P+2T scheduler=jsq", "a 3P+2T scheduler=mixed_pool")
    table = least(workload)
    assert table is not None and "(tie with 2 more designs)" in table.rows[0][-1]


def test_ties_are_told_for_a_load_without_a_rate(run: Make) -> None:
    made = [run("a", None, label=name, axes={"scheduler": name}, cost=cost) for name, cost in
            (("jsq", 9.0), ("random", 9.0), ("mixed_pool", 10.0))]  # fmt: skip
    assert sentences(answers(made)) == [
        "To serve mine within the SLO by one seed, so without an interval, a jsq costs least ($9.00 an hour), as"
        " does a random, and draws"
        " least (power weight 50.0), as do a random and a mixed_pool."
    ]
    assert [row[0] for row in ranked(answers(made).workloads[0]).rows] == ["1", "1", "3"]


def test_designs_that_equal_one_of_the_front_are_named_beside_it(run: Make) -> None:
    runs = [
        *ladder(run, "a", {10: True}, label="q", cost=10.0),
        *ladder(run, "a", {10: True}, label="u", cost=10.0),
        *ladder(run, "a", {10: True, 20: True}, label="r", cost=20.0),
    ]
    (workload,) = answers(runs).workloads
    table = front(workload)
    assert table is not None
    assert [(row[0], row[-1]) for row in table.rows] == [("a q", "a u"), ("a r", "-")]


def test_a_winner_at_its_limit_is_told_as_such(run: Make) -> None:
    def said(ttft_s: float) -> str:
        return sentences(answers([run("a", 10, summary=timed(ttft_s))], TTFT))[0]

    assert said(1.992).endswith(" a is at 99.6% of its limit of TTFT p99 at 10 requests/s.")
    assert "of its limit" not in said(1.0)


@pytest.mark.parametrize(
    ("share", "text"), [(0.9999, "99.9%"), (1.0, "100%"), (0.7784, "77.8%"), (12.321, "1,232%"), (None, "-")]
)
def test_what_is_within_a_limit_never_reads_as_all_of_it(share: float | None, text: str) -> None:
    assert share_text(share) == text


def test_watts_are_compared_where_all_are_known_and_else_the_papers_weights(run: Make) -> None:
    hungry = {"watts": 9000.0, "power": 40.0, "label": "hungry"}
    frugal = {"watts": 8000.0, "power": 45.0, "label": "frugal"}
    (workload,) = answers([run("a", 10, **hungry), run("a", 10, **frugal)]).workloads
    assert (workload.draws_by, workload.systems[0].least_power.design) == ("watts", "a frugal")  # type: ignore[union-attr]
    assert ranked(workload).heads[-1] == "kW"
    assert ranked(workload).rows[0][-1] == "8.00"
    (workload,) = answers([run("a", 10, **hungry), run("a", 10, **frugal | {"watts": 0.0})]).workloads
    assert (workload.draws_by, workload.systems[0].least_power.design) == ("power", "a hungry")  # type: ignore[union-attr]
    assert ranked(workload).heads[-1] == "weight"


def with_axes(run: Make, carried: dict[tuple[str, int], float]) -> list[Outcome]:
    """Designs of two axes, each with the rate up to which it is within the SLO."""
    return [
        run("a", rate, rate <= most, label=f"{scheduler} {batch}", axes={"rate": rate, "scheduler": scheduler,
                                                                         "batch": batch})
        for (scheduler, batch), most in carried.items()
        for rate in (10, 20, 30)
    ]  # fmt: skip


def test_the_axis_that_changes_the_carried_rate_most_comes_first(run: Make) -> None:
    carried = {("x", 1): 10, ("x", 2): 20, ("y", 1): 30, ("y", 2): 30}
    (workload,) = answers(with_axes(run, carried)).workloads
    assert workload.axes == (
        AxisEffect("scheduler", ("x", "y"), comparisons=2, mean=15.0, largest=20.0, unit="requests/s"),
        AxisEffect("batch", ("1", "2"), comparisons=2, mean=5.0, largest=10.0, unit="requests/s"),
    )
    table = axes(workload)
    assert table is not None and "the axis scheduler matters most" in table.title
    assert table.rows[0] == ("scheduler", "15", "20", "2", "x, y")


def test_axes_that_change_as_much_are_a_tie(run: Make) -> None:
    carried = {("x", 1): 10, ("x", 2): 20, ("y", 1): 20, ("y", 2): 30}
    table = axes(answers(with_axes(run, carried)).workloads[0])
    assert table is not None and "the axes batch and scheduler matter most (a tie)" in table.title
    same = axes(answers(with_axes(run, dict.fromkeys(carried, 10))).workloads[0])
    assert same is not None and "no axis makes a difference" in same.title


def test_at_one_rate_axes_are_compared_by_attainment(run: Make) -> None:
    def at(scheduler: str, share: float) -> Outcome:
        return run("a", 10, label=scheduler, axes={"scheduler": scheduler},
                   summary={**timed(1.0), "goodput/attainment": share},
                   goodput_limits=TTFT.of_each_request())  # fmt: skip

    (workload,) = answers([at("x", 0.5), at("y", 0.875)], TTFT).workloads
    assert workload.axes == (AxisEffect("scheduler", ("x", "y"), 1, 0.375, 0.375, "attainment"),)
    assert axes(workload).rows[0][1] == "37.5"  # type: ignore[union-attr]
    other = Slo(seconds={"ttft": {"p99": 1.5}})  # goodput was not counted by these limits
    assert answers([at("x", 0.5), at("y", 0.875)], other).workloads[0].axes == ()


def test_systems_are_compared_with_the_best_of_their_own_axes(run: Make) -> None:
    runs = [
        *ladder(run, "a", {10: True, 20: False}, label="1P", axes={"split": 1}),
        *ladder(run, "a", {10: True, 20: True}, label="2P", axes={"split": 2}),
        *ladder(run, "b", {10: True, 20: False}, axes={}),
    ]
    effects = {effect.axis: effect.mean for effect in answers(runs).workloads[0].axes}
    assert effects == {"split": 10.0, "system": 10.0}


def test_a_rate_that_was_run_is_answered_first_and_one_that_was_not_is_refused_with_those_there_are(
    run: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [
        *ladder(run, "a", {8: True, 16: True, 24: True}, cost=90.0),
        *ladder(run, "b", {8: True, 16: False, 24: False}, cost=80.0),
    ]
    keep(tmp_path, SweepInfo("mine", "", "id", "name: mine\n", 6, "python"), *runs)
    command = ["--results", str(tmp_path), "answers", "mine", "--rate"]
    assert main([*command, "16"]) == 0
    printed = capsys.readouterr().out.replace("\n", " ")
    assert printed.startswith(
        "conv: To carry 16 requests/s within the SLO by one seed, so without an interval, a 3P+2T costs least"
    )
    assert printed.index("the cheapest design of each system to carry 16 requests/s") < printed.index("every design")
    assert "no design carries it" in printed
    for rate in ("12", "23"):
        assert main([*command, rate]) == 2
        assert capsys.readouterr().err == (
            f"error: --rate='{rate}': no run is at this rate, and nothing is interpolated; there are runs at 8, 16 and"
            " 24 requests/s\n"
        )


def test_of_many_rates_the_nearest_are_named_and_a_planned_rate_is_not_said_to_be_none(run: Make) -> None:
    plan = Plan(8, {("a", "a 3P+2T", "conv"): frozenset(range(10, 18))}, {"a": tuple(range(10, 18))})
    found = answers(ladder(run, "a", dict.fromkeys(range(10, 17), True)), plan=plan)
    with pytest.raises(SpecError, match=r"at 10 to 16 \(7 values\) requests/s, the nearest 12 and 13$"):
        check_rate(found, 12.5)
    with pytest.raises(SpecError, match=r"no point at this rate is done yet; .*, the nearest 16$"):
        check_rate(found, 17)


def test_how_near_a_limit_is_is_told_at_the_rate_asked_for_alone(run: Make) -> None:
    runs = [run("a", rate, summary=timed(1.99)) for rate in (10, 20)]
    assert sentence(answers(runs, TTFT, rate=20).workloads[0]).endswith(
        " a 3P+2T is at 99.5% of its limit of TTFT p99 at 20 requests/s."
    )
    assert "of its limit" not in sentence(answers(runs, TTFT, rate=10).workloads[0])


def test_the_names_of_designs_stand_left_in_the_front(run: Make) -> None:
    equal = [*ladder(run, "a", {10: True}, label="q", cost=10.0), *ladder(run, "a", {10: True}, label="u", cost=10.0)]
    table = front(answers([*equal, *ladder(run, "a", {10: True, 20: True}, cost=20.0)]).workloads[0])
    assert table is not None
    assert [table.heads[place] for place in sorted(table.words)] == ["design", "tie with"]


def test_one_point_is_counted_as_one(run: Make) -> None:
    assert counts(answers([run("a", 10)])).startswith("1 point: 1 completed.")


def test_a_design_that_was_not_run_at_a_rate_is_not_said_to_carry_it(run: Make) -> None:
    runs = [*ladder(run, "a", {8: True, 24: True}, cost=10.0), *ladder(run, "b", {8: True, 16: True, 24: True})]
    (workload,) = answers(runs, rate=16).workloads
    assert [answer.cheapest is not None for answer in workload.systems] == [False, True]


def test_tables_fit_eighty_columns_and_break_no_name(
    run: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    names = ("baseline-a100", "baseline-h100", "splitwise-hhcap")
    runs = [
        outcome
        for name in names
        for outcome in ladder(run, name, {8: True, 16: name != names[0]}, cost=1523.2, watts=408_000.0, label="30P+10T",
                              axes={"scheduler": name[-4:]})
    ]  # fmt: skip
    keep(tmp_path, SweepInfo("mine", "", "id", "name: mine\n", 6, "python"), *runs)
    assert len(tables(answers(runs).workloads[0])) >= 3
    assert main(["--results", str(tmp_path), "answers", "mine"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert all(f"{name} 30P+10T" in "\n".join(lines) for name in names)
