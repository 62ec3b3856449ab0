from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from rich.console import Console

from sweep.experiment.naming import axis_labels
from sweep.experiment.point import Outcome
from sweep.results_table import results_table, shown_axes
from sync.results.slo import PAPER
from tests.sync.runs import counted

PHASES, PERCENTILES = ("ttft", "tbt", "e2e"), ("p50", "p90", "p99")


@pytest.fixture
def widest(outcome: Outcome) -> Outcome:
    """An outcome that takes as much room as any."""
    summary = {f"{phase}/{p}_s": 0.123456 for phase in PHASES for p in PERCENTILES}
    summary |= {f"{phase}/{p}_slowdown": 98.765 for phase in PHASES for p in PERCENTILES}
    summary |= {"run/rejected": 12345.0, "run/unfinished": 54321.0}
    machines = {"dgx-h100-pcap": 25, "dgx-h100": 15}
    return replace(outcome, system="splitwise-hhcap", machines=machines, cost=1523.2, power=1430.0, summary=summary)


def lines(outcomes: list[Outcome], width: int) -> list[str]:
    console = Console(width=width)
    with console.capture() as captured:
        console.print(results_table(outcomes, console, PAPER))
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [120, 160, 200])
def test_nothing_is_cut_from_120_columns_on(widest: Outcome, width: int) -> None:
    printed = lines([widest], width)
    assert max(len(line.rstrip()) for line in printed) <= width
    text = "\n".join(printed)
    assert "…" not in text
    assert text.count("0.123/0.123/0.123") == 3
    assert text.count("98.8/98.8/98.8x") == 3
    for told in ("splitwise-hhcap", "25 H100cap+15 H100", "1523", "1430", "12345", "54321", "no"):
        assert told in text


def test_rejected_and_unfinished_have_no_column_when_there_are_none(widest: Outcome) -> None:
    clean = replace(widest, summary=widest.summary | {"run/rejected": 0.0, "run/unfinished": 0.0})
    assert "rejected" not in "\n".join(lines([clean], 160))
    assert "rejected" in "\n".join(lines([clean, widest], 160))


def test_a_run_in_which_nothing_completed_has_dashes_and_is_not_within_the_slo(widest: Outcome) -> None:
    nothing = replace(widest, summary={"run/unfinished": 5.0})
    text = "\n".join(lines([nothing], 160))
    assert text.count("-/-/-") == 6
    assert "no" in text.split()


def test_a_trace_without_a_rate_is_named(widest: Outcome) -> None:
    assert "test_trace" in "\n".join(lines([replace(widest, rate=None, trace="test_trace")], 200))


def grid(widest: Outcome) -> list[Outcome]:
    """Two systems: both vary workload and a limit, one of them a split that no other column shows."""
    made = []
    for system, prompts in (("splitwise-hhcap", (3, 5)), ("baseline", (None,))):
        for workload, limit, rate, prompt in product(("code", "conv"), (0, 1), (70, 80), prompts):
            axes = {"a.workload": workload, "limit": limit, "rate": rate} | ({"prompt": prompt} if prompt else {})
            design = f"{system} {limit} {prompt}"
            made.append(replace(widest, system=system, design=design, workload=workload, axes=axes, rate=float(rate)))
    return made


@pytest.mark.parametrize("width", [80, 90, 100, 120, 140, 160, 200])
def test_rows_show_what_was_varied_and_no_width_cuts_anything(widest: Outcome, width: int) -> None:
    outcomes = grid(widest)
    printed = lines(outcomes, width)
    text = "\n".join(printed)
    assert max(len(line.rstrip()) for line in printed) <= width
    assert "…" not in text
    words = text.split()
    assert sum(word in ("code", "workload=code") for word in words) == sum(
        o.axes["a.workload"] == "code" for o in outcomes
    )
    assert "prompt" in text
    assert "limit" in text
    assert text.count("98.8/98.8/98.8x") == 3 * len(outcomes)
    for told, times in (("no", len(outcomes)), ("70", len(outcomes) / 2), ("80", len(outcomes) / 2)):
        assert words.count(told) == times
    assert "1523" in text


@pytest.mark.parametrize("width", [80, 120, 160])
def test_runs_that_differ_by_seed_alone_are_one_row_of_means_and_two_of_the_range(widest: Outcome, width: int) -> None:
    def seeded(seed: int, p99: float) -> Outcome:
        changed = {"ttft/p99_slowdown": p99, "ttft/p50_s": p99 / 10, "run/completed": 4.0}
        figures = {name: 0.5 for name in widest.summary if name.endswith("slowdown")} | changed
        return replace(widest, seed=seed, axes={"seed": seed}, summary=figures)

    printed = lines([seeded(0, 2.0), seeded(1, 4.0), seeded(2, 9.0)], width)
    text = "\n".join(printed)
    assert "2/3" in text.split()  # of the paper's limit of 6
    assert "lowest of 3 seeds" in " ".join(text.split()) and "highest of 3 seeds" in " ".join(text.split())
    assert [word.split("/")[2] for word in text.split() if word.startswith("0.50/0.50/")][0::3] == [
        "5.00x",
        "2.00x",
        "9.00x",
    ]
    assert "seed=" not in text


@pytest.mark.parametrize("width", [45, 50, 60, 70, 80])
def test_a_narrow_screen_has_the_rate_the_price_and_the_verdict_of_every_row(widest: Outcome, width: int) -> None:
    printed = lines([replace(widest, rate=70.0 + i, cost=1000.0 + i) for i in range(5)], width)
    assert max(len(line.rstrip()) for line in printed) <= width
    words = "\n".join(printed).split()
    assert all(words.count(str(70 + i)) == 1 for i in range(5))
    assert all(words.count(str(1000 + i)) == 1 for i in range(5))
    assert words.count("no") == 5


def test_an_axis_that_another_column_shows_has_none_of_its_own(widest: Outcome) -> None:
    one = replace(widest, axes={"rate": 70, "h100": 15, "workload": "conv"}, rate=70.0)
    two = replace(one, axes=one.axes | {"h100": 16}, machines={"dgx-h100": 16})
    assert shown_axes([one, two, replace(one, axes=one.axes | {"rate": 80}, rate=80.0)]) == []
    assert shown_axes([one, two, replace(two, axes=two.axes | {"workload": "code"})]) == ["workload"]


def test_axes_are_called_by_as_much_of_their_end_as_tells_them_apart() -> None:
    axes = ["applications.0.scheduler", "start_state.prompt.num_instances", "start_state.token.num_instances", "seed"]
    assert axis_labels(axes) == ["scheduler", "prompt.num_instances", "token.num_instances", "seed"]


def test_what_is_the_same_in_all_rows_stands_above_where_there_is_no_room(widest: Outcome) -> None:
    printed = lines([o for o in grid(widest) if o.system == "baseline"], 160)
    assert printed[0] == "system: baseline"
    assert printed[1] == "machines: 25 H100cap+15 H100"
    assert "baseline" not in "\n".join(printed[1:])


def test_the_width_that_a_narrow_table_asks_for_shows_all_figures(widest: Outcome) -> None:
    named, other = (replace(widest, name=value, design=value, axes={"scheduler": value}) for value in ("a" * 30, "b"))
    note = " ".join(lines([named, other], 80)).partition("No room for p50, p90 and slowdowns: COLUMNS=")[2]
    needed = int(note.split()[0])
    assert "No room" in "\n".join(lines([named, other], needed - 1))
    assert "No room" not in "\n".join(lines([named, other], needed))


@pytest.mark.parametrize(("beyond", "word"), [((3, 4, 5), "yes"), ((2, 20, 9), "undecided"), ((20, 21, 22), "no")])
def test_several_seeds_with_counts_are_judged_together(widest: Outcome, beyond: tuple[int, ...], word: str) -> None:
    served = {name: 0.5 for name in widest.summary if name.endswith("slowdown")} | {"run/completed": 4.0}
    runs = [counted(replace(widest, seed=seed, summary=served), count) for seed, count in enumerate(beyond)]
    words = "\n".join(lines(runs, 160)).split()
    assert [known for known in words if known in ("yes", "no", "undecided")] == [word]
