"""found.json: what is written is read back, and nothing else is believed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from math import inf, nan
from pathlib import Path
from typing import Any

import pytest

from sync import SweepInfo
from sync.load import load_sweep
from sync.results.checks import BadField
from sync.results.found import Plan
from sync.results.found_file import FILE
from sync.results.journal import Journal, JournalWarning
from sync.results.slo import Slo
from tests.sync.plans import checked, least, most, plan, plans

BIG = 10**400


def same(text: str, other: str) -> bool:
    return text == other


@pytest.fixture
def journal(tmp_path: Path, sweep: SweepInfo) -> Iterator[Journal]:
    with Journal(tmp_path / sweep.name) as entered:
        entered.write_sweep(sweep, ["a"], {}, same)
        yield entered


@pytest.mark.parametrize("name", plans())
def test_a_plan_is_the_same_after_json(name: str) -> None:
    text = json.dumps(plans()[name].to_json_dict(), allow_nan=False)
    assert Plan.from_json_dict(json.loads(text)) == plans()[name]


def test_a_figure_that_is_not_finite_is_not_known_after_json() -> None:
    made = plan(least(share=nan, certificate=(checked(1, 1, "fails", share=inf, t=inf),)))
    (found,) = Plan.from_json_dict(json.loads(json.dumps(made.to_json_dict(), allow_nan=False))).found
    assert (found.share, found.certificate[0].share, found.certificate[0].t) == (None, None, None)


def test_a_price_that_is_not_finite_is_not_written() -> None:
    with pytest.raises(BadField, match=r"found\[0\].cost=null: must be a number"):
        plan(least(cost=inf)).to_json_dict()


def test_fields_of_later_versions_are_ignored() -> None:
    values = plan(most()).to_json_dict()
    values["later"] = values["found"][0]["later"] = values["found"][0]["rate"]["later"] = {"x": 1}
    values["found"][0]["certificate"][0]["later"] = values["found"][0]["longer"]["later"] = [1]
    assert Plan.from_json_dict(values) == plan(most())


# path of the value within the first answer (or the plan), the value, and what the message says
WRONG: list[tuple[str, Any, str]] = [
    ("system", "", "found[0].system: must have 1 to 10,000 characters"),
    ("system", None, "found[0].system=null: must be a text"),
    ("workload", 7, "found[0].workload=7: must be a text"),
    ("asks", "fewest", "found[0].asks='fewest': unknown"),
    ("measure", ["cost"], "found[0].measure=['cost']: unknown"),
    ("confidence", 1.5, "found[0].confidence=1.5: must be a number from 0 to 1"),
    ("width", nan, "found[0].width=nan: must be a number"),
    ("load", -1.0, "found[0].load=-1.0: must be a number from 0"),
    ("horizon_s", 1e13, "found[0].horizon_s=10000000000000.0: must be a number from 0 to 1e+12"),
    ("design", None, "found[0].design=null: must be a text"),
    ("machines", {"dgx-h100": 1.5}, "found[0].machines.dgx-h100=1.5: must be a whole number"),
    ("machines", [1], "found[0].machines=[1]: must be `name: value` pairs"),
    ("roles", {"chief": {}}, "found[0].roles.chief='chief': unknown"),
    ("cost", inf, "found[0].cost=inf: must be a number"),
    ("power", True, "found[0].power=True: must be a number"),
    ("watts", BIG, "found[0].watts=1000"),
    ("value", "cheap", "found[0].value='cheap': must be a number"),
    ("rate", 5.0, "found[0].rate=5.0: must be `name: value` pairs"),
    ("rate", {"low": 1.0, "high": 2.0}, "found[0].rate.estimate: is missing"),
    ("rate", {"low": 3.0, "estimate": 3.0, "high": 2.0}, "found[0].rate.high=2.0: is below low=3"),
    ("rate", {"low": None, "estimate": 3.0, "high": 2.0}, "found[0].rate.low=null: must be a number"),
    ("undecided", {}, "found[0].undecided={}: must be a list"),
    ("decided", 1, "found[0].decided=1: must be true or false"),
    ("none", None, "found[0].none=null: must be true or false"),
    ("why_open", "zero\0byte", "found[0].why_open: holds a character that no text has"),
    ("seeds", -1, "found[0].seeds=-1: must be a whole number"),
    ("holds_longer", "yes", "found[0].holds_longer='yes': must be true or false"),
    ("longer", {"seeds": 2}, "found[0].longer.horizon_s: is missing"),
    ("longer.holds", "no", "found[0].longer.holds='no': must be true or false"),
    ("longer.share", -2.0, "found[0].longer.share=-2.0: must be a number"),
    ("binding", 3, "found[0].binding=3: must be a text"),
    ("short_of", "money", "found[0].short_of='money': unknown"),
    ("share", -0.1, "found[0].share=-0.1: must be a number"),
    ("next", [1], "found[0].next[0]=1: must be `name: value` pairs"),
    ("more", {"rate": 1.0}, "found[0].more.cost: is missing"),
    ("more.is_in_proportion", 0, "found[0].more.is_in_proportion=0: must be true or false"),
    ("probes", 1.5, "found[0].probes=1.5: must be a whole number"),
    ("runs", "1", "found[0].runs='1': must be a whole number"),
    ("requests", 2**53 + 1, "found[0].requests=9007199254740993: must be a whole number"),
    ("low", inf, "found[0].low=inf: must be a number"),
    ("high", "x", "found[0].high='x': must be a number"),
    ("certificate.0.verdict", "passes", "found[0].certificate[0].verdict='passes': unknown"),
    ("certificate.1.t", nan, "found[0].certificate[1].t=nan: must be a number"),
    ("certificate.1.seeds", None, "found[0].certificate[1].seeds=null: must be a whole number"),
    ("certificate.0.below", 5, "found[0].certificate[0].below=5: must be a text"),
    ("certificate.0.limit", None, "found[0].certificate[0].limit=null: must be a text"),
    ("audit", [], "found[0].audit=[]: must be `name: value` pairs"),
    ("audit.violations", [1], "found[0].audit.violations[0]=1: must be a text"),
    ("audit.probed", -5, "found[0].audit.probed=-5: must be a whole number"),
]


@pytest.mark.parametrize(("path", "value", "message"), WRONG)
def test_a_wrong_value_is_refused_and_named(path: str, value: Any, message: str) -> None:
    values = plan(least()).to_json_dict()
    part: Any = values["found"][0]
    *places, name = path.split(".")
    for place in places:
        part = part[int(place)] if place.isdecimal() else part[place]
    part[name] = value
    with pytest.raises(BadField) as refused:
        Plan.from_json_dict(values)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "must be `name: value` pairs"),
        ({}, "found: is missing"),
        ({"found": [{}]}, "found[0].system: is missing"),
        ({"found": [], "runs": -1}, "runs=-1: must be a whole number"),
        ({"found": [], "requests": None}, "requests=null: must be a whole number"),
        ({"found": [], "wasted": 0.5}, "wasted=0.5: must be a whole number"),
        ({"found": [], "is_done": "yes"}, "is_done='yes': must be true or false"),
    ],
)
def test_what_is_no_plan_is_refused(values: Any, message: str) -> None:
    with pytest.raises(BadField) as refused:
        Plan.from_json_dict(values)
    assert message in str(refused.value)


def test_a_journal_keeps_what_was_found_for_its_owner_alone(journal: Journal) -> None:
    assert journal.found() is None
    journal.write_found(plan(most(), is_done=False))
    journal.write_found(plan(most()))
    assert journal.found() == plan(most())
    assert (journal.folder / FILE).stat().st_mode & 0o777 == 0o600


def test_nothing_is_written_outside_of_the_journal_s_lock(tmp_path: Path) -> None:
    outside = Journal(tmp_path / "other")
    with pytest.raises(RuntimeError, match="lock"):
        outside.write_found(plan(most()))
    with outside:
        pass
    with pytest.raises(RuntimeError, match="lock"):
        outside.write_found(plan(most()))
    assert not (tmp_path / "other" / FILE).exists()


def test_no_secret_of_the_environment_is_written(
    tmp_path: Path, sweep: SweepInfo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_PASSWORD", "hunter2hunter2")
    with Journal(tmp_path / sweep.name) as entered:
        entered.write_sweep(sweep, ["a"], {}, same)
        entered.write_found(plan(most(why_open="cannot reach db:hunter2hunter2")))
        (found,) = (entered.found() or plan()).found
    assert found.why_open == "cannot reach db:***"
    assert "hunter2" not in (entered.folder / FILE).read_text()


def test_an_answer_to_another_text_of_the_experiment_does_not_count(journal: Journal, sweep: SweepInfo) -> None:
    journal.write_found(plan(most()))
    journal.write_sweep(replace(sweep, experiment_text="name: quick start\nslo: {}\n"), ["a"], {}, same)
    assert journal.found() is None
    journal.write_sweep(sweep, ["a"], {}, same)
    assert journal.found() == plan(most())


def test_starting_over_sets_it_aside(journal: Journal) -> None:
    journal.write_found(plan(most()))
    (journal.folder / "points" / "a.json").write_text("{}")
    journal.set_aside()
    assert journal.found() is None
    assert len(list((journal.folder / "earlier").glob(f"*/{FILE}"))) == 1


@pytest.mark.parametrize("text", ["{", "[]", '{"experiment": 1}', '{"experiment": "EXPERIMENT", "found": [{}]}'])
def test_a_file_that_cannot_be_used_is_said_and_not_believed(journal: Journal, text: str) -> None:
    journal.write_found(plan(most()))
    digest = json.loads((journal.folder / FILE).read_text())["experiment"]
    (journal.folder / FILE).write_text(text.replace("EXPERIMENT", digest))
    if text == '{"experiment": 1}':
        assert journal.found() is None  # of another experiment: nothing is wrong
        return
    with pytest.warns(JournalWarning, match="what the search found"):
        assert journal.found() is None


def test_a_link_in_its_place_is_not_followed(journal: Journal, tmp_path: Path) -> None:
    journal.write_found(plan(most()))
    (journal.folder / FILE).rename(tmp_path / "elsewhere.json")
    (journal.folder / FILE).symlink_to(tmp_path / "elsewhere.json")
    with pytest.warns(JournalWarning, match="symbolic link"):
        assert journal.found() is None


def test_other_limits_than_the_experiment_s_have_no_answer(tmp_path: Path, sweep: SweepInfo, outcome: Any) -> None:
    with Journal(tmp_path / sweep.name) as entered:
        entered.write_sweep(sweep, [outcome().key], {}, same)
        entered.write(outcome())
        entered.write_found(plan(most()))
    assert load_sweep(sweep.name, tmp_path).found == plan(most())
    other = load_sweep(sweep.name, tmp_path, slo=Slo(seconds={"ttft": {"p99": 1.0}}))
    assert other.judges_otherwise
    assert other.found is None
