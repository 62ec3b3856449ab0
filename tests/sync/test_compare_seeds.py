"""What the seeds of two configurations show of their difference, and no more."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sync import SweepInfo
from sync.__main__ import main
from sync.analysis.compare import compare_runs, profile
from sync.analysis.compare_seeds import (
    ONE_DRAW,
    SAME,
    SeedComparison,
    compare_seeds,
    one_draw,
    seeds_headline,
    seeds_table,
)
from sync.analysis.compare_words import as_json, paragraph
from sync.analysis.repeated import repeated
from sync.results.slo import PAPER
from tests.sync.runs import Make
from tests.sync.stores import keep
from tests.sync.test_repeated import HIGH, LOW, MIDDLE, seeds


def compared(run: Make, one: Sequence[int], other: Sequence[int], other_rate: float = 8.0) -> SeedComparison:
    return compare_seeds(
        repeated(seeds(run, "a", 8.0, one), PAPER), repeated(seeds(run, "b", other_rate, other), PAPER)
    )


def test_what_is_within_the_slo_with_all_seeds_beats_what_is_beyond_it(run: Make) -> None:
    found = compared(run, HIGH, LOW)
    assert (found.better.runs[0].system, found.is_decided, found.by_slo) == ("b", True, True)
    assert seeds_headline(found) == (
        "b 3P+2T conv 8 rps beats a 3P+2T conv 8 rps: it is within SLO with 8 seeds: 0.40 of TTFT p90 [0.34, 0.46]; the"
        " other is beyond the SLO with 8 seeds: 1.71 of TTFT p90 [1.54, 1.88]."
    )
    assert one_draw(found) == ""


def test_of_two_within_the_slo_the_one_whose_requests_take_less_time_is_better_where_the_seeds_show_it(
    run: Make,
) -> None:
    found = compared(run, [count + 1 for count in LOW], [count + (seed == 3) for seed, count in enumerate(LOW)])
    assert (found.better.runs[0].system, found.is_decided, found.by_slo) == ("b", True, False)
    text = seeds_headline(found)
    assert text.startswith("b 3P+2T conv 8 rps beats a 3P+2T conv 8 rps: its requests take less time, 4.12 [")
    assert ", a difference of -0.875 [-1.17, -0.579] s, a ratio of 0.825 [" in text


def test_a_difference_that_the_interval_does_not_show_is_not_claimed(run: Make) -> None:
    found = compared(run, LOW, LOW[::-1])
    assert not found.is_decided
    text = seeds_headline(found)
    assert text.startswith(
        "No difference that these seeds show: 4.00 [3.37, 4.63] s against 4.00 [3.37, 4.63] s at p90"
    )
    assert "beats" not in text
    assert {row[-1] for row in seeds_table(found).rows} == {"no"}


def test_an_undecided_configuration_is_not_beaten_by_the_slo(run: Make) -> None:
    found = compared(run, LOW, MIDDLE)
    assert not found.is_decided
    text = seeds_headline(found)
    assert text.startswith(
        "By the SLO these seeds do not tell which is better: a 3P+2T conv 8 rps is within SLO with 8"
    )
    assert "b 3P+2T conv 8 rps is undecided with 8 seeds" in text
    assert "Times differ: 4.00 [" in text and "beats" not in text


def test_one_seed_on_each_side_says_that_its_differences_are_of_one_draw(run: Make) -> None:
    found = compared(run, LOW[:1], HIGH[:1])
    assert (found.is_decided, found.have_intervals, one_draw(found)) == (False, False, ONE_DRAW)


def test_one_seed_on_one_side_and_few_on_both_are_named(run: Make) -> None:
    assert one_draw(compared(run, LOW, HIGH[:1])) == (
        "b 3P+2T conv 8 rps was run with one seed: these differences are of one draw of its load and have no interval."
    )
    assert one_draw(compared(run, LOW[:4], HIGH)) == "Fewer than 8 seeds promise too much."


def test_the_paragraph_claims_what_the_seeds_show_and_says_which_runs_the_rest_is_of(run: Make) -> None:
    found = compared(run, LOW, LOW[::-1])
    ends = [profile(side.runs[0], None, {}) for side in (found.better, found.worse)]
    runs = compare_runs(ends[0], ends[1], in_order=True)
    text = paragraph(runs, found)
    assert text.startswith(seeds_headline(found))
    assert "What follows is of one run of each, seed 0: a conv 8 rps seed 0 (A) against b conv 8 rps seed 0." in text
    assert "beats" not in text
    values = json.loads(json.dumps(as_json(runs, found), allow_nan=False))
    assert values["seeds"]["figures"]["e2e/p90_s"]["difference"]["count"] == 8
    assert (values["seeds"]["better"]["seeds"], values["seeds"]["is_decided"]) == (8, False)


def test_the_command_compares_all_seeds_and_the_words_of_one_seed_say_so(
    run: Make, sweep: SweepInfo, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    runs = [*seeds(run, "a", 8.0, HIGH), *seeds(run, "b", 8.0, LOW)]
    keep(tmp_path, sweep, *[replace(made, requests_parquet=b"") for made in [*runs, *seeds(run, "c", 8.0, LOW[:1])]])

    def told(*names: str) -> str:
        capsys.readouterr()
        assert main(["--results", str(tmp_path), "compare", *names]) == 0
        return " ".join(capsys.readouterr().out.split())

    both = told("a 3P+2T conv 8 rps", "b 3P+2T conv 8 rps")
    assert both.startswith("b 3P+2T conv 8 rps beats a 3P+2T conv 8 rps: it is within SLO with 8 seeds")
    assert "A: b conv 8 rps seed 0" in both
    assert "TTFT p99 (s) 0.400 [0.337, 0.463] 1.71 [" in both
    assert "was run with one seed" in told("a conv 8 rps seed 0", "c conv 8 rps seed 0")
    assert SAME in told("a conv 8 rps seed 0", "a conv 8 rps seed 1")
