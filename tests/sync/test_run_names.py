"""A run is named in every command by its name as any table shows it, by its number, or by the start of its key."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from sim_core.errors import SpecError
from sync import Outcome
from sync.analysis.standing import name_by_rate
from sync.results.run_names import matching, named

Maker = Callable[..., Outcome]
LISTS = "python -m sync show x"


@pytest.fixture
def runs(outcome: Maker) -> list[Outcome]:
    """The points 0 to 2 at 8, 16 and 24 requests/s, with keys that begin 0aaa, 1bbb and 2ccc."""
    made = []
    for number, (rate, letter) in enumerate(((8.0, "a"), (16.0, "b"), (24.0, "c"))):
        name = f"splitwise-ha 3P+2T conv {rate:g} rps"
        made.append(outcome(number, rate=rate, name=name, key=f"{number}{letter * 63}"))
    return made


@pytest.mark.parametrize(
    "text",
    [
        "splitwise-ha 3P+2T conv 16 rps", "16/s splitwise-ha 3P+2T conv", "1", "1b", "1bbbbbbbbb", "1B",
        "Splitwise-HA 3P+2T  conv\n16 rps", " 16/s  splitwise-ha 3P+2T conv",
    ],
)  # fmt: skip
def test_a_run_is_found_by_every_name_that_is_shown_of_it(text: str, runs: list[Outcome]) -> None:
    assert named(text, runs, "RUN", LISTS) is runs[1]


def test_the_name_in_mlflow_is_a_name(runs: list[Outcome]) -> None:
    assert [named(name_by_rate(run), runs, "RUN", LISTS) for run in runs] == runs


def test_a_name_with_signs_that_no_screen_shows_is_found_as_it_is_shown(outcome: Maker) -> None:
    odd = outcome(1, name="a\x1b[31m [/nope]")
    assert matching("a\\x1b[31m [/nope]", [outcome(2), odd]) == [odd]


def test_the_number_of_a_point_is_no_start_of_a_key(runs: list[Outcome]) -> None:
    key = "2" + "0" * 63
    others = [replace(runs[0], key=key), *runs[1:]]
    assert matching("2", others) == [others[2]]
    assert matching("20", others) == [others[0]]
    assert matching("02", others) == [], "no number is written so"
    assert matching("9" * 5000, others) == matching("²", others) == matching("", others) == []


def test_seeds_are_told_apart_by_their_names_and_the_part_in_common_is_the_lowest(outcome: Maker) -> None:
    name = "splitwise-ha 3P+2T conv 8 rps"
    seeds = [
        outcome(n, rate=8.0, seed=seed, axes={"seed": seed}, name=f"{name} seed={seed}")
        for n, seed in enumerate((5, 3, 4))
    ]
    assert matching(f"{name} seed=4", seeds) == matching("8/s splitwise-ha 3P+2T conv seed 4", seeds) == [seeds[2]]
    assert matching(name, seeds) == matching("8/s splitwise-ha 3P+2T conv", seeds) == [seeds[1]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("splitwise-ha 3P+2T conv 17 rps", "did you mean 'splitwise-ha 3P+2T conv 16 rps' or "),
        ("16/s splitwise-ha 3P+3T conv", "did you mean 'splitwise-ha 3P+2T conv 16 rps' or "),
        ("splitwise-ha", "did you mean 'splitwise-ha 3P+2T conv 8 rps' or 'splitwise-ha 3P+2T conv 16 rps' or "),
        ("zzz", "there are 0aaaaaaaaa splitwise-ha 3P+2T conv 8 rps, 1bbbbbbbbb "),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest_ones(text: str, reason: str, runs: list[Outcome]) -> None:
    with pytest.raises(SpecError) as refused:
        named(text, runs, "RUN", LISTS)
    assert f"RUN='{text}': no run has this name or key; {reason}" in str(refused.value)
    assert str(refused.value).endswith("(`python -m sync show x` lists them)")


def test_what_names_several_runs_is_answered_with_them(outcome: Maker) -> None:
    two = [outcome(1, key="ab" + "1" * 62), outcome(2, key="ab" + "2" * 62)]
    with pytest.raises(
        SpecError, match=r"several runs have it \(2\): ab11111111 .* 1 rps, ab22222222 .* 2 rps; write more of it"
    ):
        named("ab", two, "RUN", LISTS)


def test_a_rate_that_was_not_run_is_answered_with_the_nearest_rates(outcome: Maker) -> None:
    known = [outcome(n, name=f"splitwise-ha 3P+2T conv {rate} rps") for n, rate in enumerate((29, 8, 16, 24, 31))]
    with pytest.raises(SpecError) as refused:
        named("splitwise-ha 3P+2T conv 23 rps", known, "RUN", LISTS)
    names = [f"'splitwise-ha 3P+2T conv {rate} rps'" for rate in (24, 29, 16)]
    assert f"; did you mean {' or '.join(names)}? (" in str(refused.value)
    for odd in ("#1", "1#", "##", "9" * 400, "1e309"):
        with pytest.raises(SpecError, match="no run has this name"):
            named(odd, [outcome(1, name="1#"), outcome(2, name="##")] if odd == "#1" else known, "RUN", LISTS)
