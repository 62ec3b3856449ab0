"""Repetitions as one: figures with intervals, judged together; in `show`, and as a table."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sync import Outcome, SweepInfo, load_sweep
from sync.__main__ import main
from sync.analysis.differences import difference_of
from sync.analysis.repeated import Repeated, interval_text, repeated
from sync.analysis.repetitions import mean_interval
from sync.results.counts import BLOCKS, REQUESTS, beyond_of, column_of
from sync.results.journal import Journal
from sync.results.slo import PAPER
from tests.sync.runs import Make

LOW, MIDDLE, HIGH = (3, 4, 5, 4, 3, 4, 5, 4), (6, 12, 9, 14, 5, 11, 8, 7), (15, 18, 20, 17, 16, 19, 14, 18)


def counted(outcome: Outcome, beyond: int) -> Outcome:
    """The outcome with counts: of 100 requests in each block so many are beyond TTFT p90, where 10 may be."""
    rows = {REQUESTS: [100] * BLOCKS}
    for limit in PAPER.limits():
        is_counted = (limit.metric, limit.percentile) == ("ttft", "p90")
        rows |= {column_of(limit): [100] * BLOCKS, beyond_of(limit): [beyond if is_counted else 0] * BLOCKS}
    return replace(outcome, counts=rows, summary=outcome.summary | {"ttft/p99_s": beyond / 10, "e2e/p90_s": beyond})


def seeds(run: Make, system: str, rate: float, beyond: Sequence[int], **changes: object) -> list[Outcome]:
    """Runs of one design, a seed for each number of requests beyond TTFT p90, which is ten times its TTFT p99 in s."""
    return [
        counted(run(system, rate, seed=seed, name=f"{system} conv {rate:g} rps seed {seed}", **changes), count)
        for seed, count in enumerate(beyond)
    ]


def of(runs: Sequence[Outcome]) -> Repeated:
    return repeated(runs, PAPER)


@pytest.mark.parametrize(("beyond", "state"), [(LOW, "within"), (MIDDLE, "undecided"), (HIGH, "beyond")])
def test_several_seeds_are_judged_by_their_counts_and_each_figure_has_the_interval_of_its_mean(
    run: Make, beyond: Sequence[int], state: str
) -> None:
    found = of(seeds(run, "a", 8.0, beyond))
    assert (found.state, found.seeds, found.within) == (state, 8, 8)
    assert found.interval("ttft/p99_s") == mean_interval(count / 10 for count in beyond)


def test_one_seed_has_its_verdict_and_no_interval(run: Make) -> None:
    found = of(seeds(run, "a", 8.0, MIDDLE[:1]))
    assert (found.state, found.text) == ("within", "within SLO")
    assert found.interval("ttft/p99_s") == mean_interval([0.6])
    assert interval_text(found.interval("ttft/p99_s")) == "0.600"
    assert (found.judgement and found.judgement.low) is None


def test_a_figure_that_one_seed_lacks_has_no_mean(run: Make) -> None:
    first, second = seeds(run, "a", 8.0, LOW[:2])
    del second.summary["ttft/p99_s"]
    assert of([first, second]).interval("ttft/p99_s") is None
    assert interval_text(None) == "-"


def test_a_failed_seed_leaves_the_others_without_a_verdict_unless_they_are_beyond(run: Make) -> None:
    lost = run("a", 8.0, status="failed", error="boom", seed=9)
    assert [of([*seeds(run, "a", 8.0, beyond), lost]).state for beyond in (LOW, MIDDLE, HIGH)] == [
        *("failed", "failed"),
        "beyond",
    ]


def test_equal_draws_are_no_evidence(run: Make) -> None:
    runs = [replace(made, trace_identity="written") for made in seeds(run, "a", 8.0, (4, 4, 4))]
    found = of(runs)
    assert (found.seeds, found.text) == (1, "within SLO")


def test_seeds_on_the_same_requests_are_compared_in_pairs(run: Make) -> None:
    one, other = of(seeds(run, "a", 8.0, (10, 20, 30, 40))), of(seeds(run, "b", 8.0, (9, 18, 29, 39)))
    found = difference_of(one, other, "e2e/p90_s")
    assert found is not None and found.difference == mean_interval([1.0, 2.0, 1.0, 1.0])
    assert found.is_shown and found.ratio == pytest.approx(100 / 95)
    assert found.ratio_interval is None, "the intervals of the means reach 0"


def test_seeds_on_other_requests_are_compared_as_independent_samples(run: Make) -> None:
    one = of(seeds(run, "a", 8.0, (10, 20, 30)))
    other = of([replace(made, trace_identity=f"x{made.seed}") for made in seeds(run, "b", 8.0, (9, 18, 29))])
    found = difference_of(one, other, "e2e/p90_s")
    assert found is not None and found.difference.low is not None and found.difference.high is not None
    assert found.difference.mean == pytest.approx(4 / 3) and not found.is_shown
    width = 2 * 3.182 * math.sqrt((100 + 100.33) / 3)  # of Student's t with 3.99 degrees of freedom, rounded down
    assert found.difference.high - found.difference.low == pytest.approx(width, rel=1e-2)


def test_one_seed_shows_no_difference(run: Make) -> None:
    found = difference_of(of(seeds(run, "a", 8.0, (10,))), of(seeds(run, "b", 8.0, (90,))), "e2e/p90_s")
    assert found is not None and (found.difference.low, found.ratio_interval, found.is_shown) == (None, None, False)


def test_a_ratio_has_the_interval_of_both_means(run: Make) -> None:
    one, other = of(seeds(run, "a", 8.0, (20, 21, 20, 21))), of(seeds(run, "b", 8.0, (10, 11, 10, 11)))
    found = difference_of(one, other, "e2e/p90_s")
    assert found is not None and found.ratio_interval is not None
    low, high = found.ratio_interval
    assert low < found.ratio < high and low > 1.6 and high < 2.4


@pytest.fixture
def kept(run: Make, sweep: SweepInfo, tmp_path: Path) -> Path:
    """A folder of results with eight seeds of `a` at 8/s and one of `b` at 16/s."""
    runs = [*seeds(run, "a", 8.0, MIDDLE), *seeds(run, "b", 16.0, LOW[:1])]
    with Journal(tmp_path / sweep.name) as journal:
        journal.write_sweep(sweep, [made.key for made in runs], {}, lambda text, other: text == other)
        for made in runs:
            journal.write(made)
    return tmp_path


@pytest.fixture
def show(kept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """The lines that `show` prints, with single spaces."""
    monkeypatch.setenv("COLUMNS", "400")

    def told(*arguments: str) -> list[str]:
        assert main(["--results", str(kept), "show", "quick start", *arguments]) == 0
        return [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]

    return told


UNDECIDED = "undecided with 8 seeds: 0.90 of TTFT p90 [0.64, 1.16]"


def test_show_has_a_row_for_all_seeds_with_means_and_intervals(show: Callable[..., list[str]]) -> None:
    lines = show()
    (row,) = (line for line in lines if line.startswith("a 3P+2T conv 8 rps"))
    assert f" 8 {UNDECIDED} " in row
    assert " 0.900 [0.639, 1.16] " in row
    assert any("the mean, and its interval at 95% by Student's t; --each lists the runs" in line for line in lines)


@pytest.mark.parametrize("name", ["a conv 8 rps seed 3", "a 3P+2T conv 8 rps"])
def test_show_of_a_run_has_its_own_figures_and_below_them_those_of_all_seeds(
    show: Callable[..., list[str]], name: str
) -> None:
    lines = show(name)
    (own,) = (line for line in lines if line.startswith("a conv"))
    (both,) = (line for line in lines if line.startswith("over 8 seeds"))
    assert " 1 within SLO " in own and (" 1.40 " if "seed" in name else " 0.600 ") in own
    assert UNDECIDED in both and " 0.900 [0.639, 1.16] " in both


def test_show_of_a_run_of_one_seed_says_that_it_has_no_interval(show: Callable[..., list[str]]) -> None:
    lines = show("b conv 16 rps seed 0")
    assert "One seed is one draw of the load: these figures have no interval." in lines
    assert not any("over" in line for line in lines)


def test_a_loaded_sweep_has_a_table_of_repetitions(kept: Path) -> None:
    table = load_sweep("quick start", kept).repetitions.set_index("system")
    assert list(table.loc["a", ["rate", "seeds", "state", "limit"]]) == [8.0, 8, "undecided", "TTFT p90"]
    assert list(table.loc["a", ["share", "low", "high"]]) == pytest.approx([0.9, 0.64, 1.16], abs=0.01)
    mean = mean_interval(count / 10 for count in MIDDLE)
    assert mean is not None
    own = list(table.loc["a", ["ttft/p99_s", "ttft/p99_s/low", "ttft/p99_s/high"]])
    assert own == pytest.approx([mean.mean, mean.low, mean.high])
    alone = table.loc["b"]
    assert (alone["seeds"], alone["state"], alone["share"]) == (1, "within", pytest.approx(0.3))
    assert alone[["low", "high", "ttft/p99_s/low"]].isna().all()
