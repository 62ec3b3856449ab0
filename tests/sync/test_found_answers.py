"""`python -m sync answers` of a sweep that has a question."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sync import Outcome, SweepInfo
from sync.__main__ import main
from sync.results.found import Plan
from sync.results.journal import Journal
from tests.sync.plans import plans

OF_EACH = {
    *("system", "workload", "machines", "cost", "power", "watts", "rate", "value", "undecided", "decided", "none"),
    *("confidence", "horizon_s", "holds_longer", "binding", "probes", "runs", "requests", "asks", "measure", "load"),
    *(
        "design",
        "roles",
        "seeds",
        "share",
        "certificate",
        "audit",
        "next",
        "more",
        "short_of",
        "longer",
        "width",
        "low",
    ),
    *("high", "why_open", "sentence"),
}


@pytest.fixture
def answers(
    tmp_path: Path, sweep: SweepInfo, outcome: Callable[..., Outcome], capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """What the command prints of a sweep with this plan."""

    def run(plan: Plan | None, *arguments: str) -> str:
        with Journal(tmp_path / sweep.name) as journal:
            journal.write_sweep(sweep, [outcome().key], {}, lambda text, other: text == other)
            journal.write(outcome())
            if plan is not None:
                journal.write_found(plan)
        assert main(["answers", sweep.name, "--results", str(tmp_path), *arguments]) == 0
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize("name", plans())
def test_json_has_an_object_for_each_system_with_all_fields(name: str, answers: Callable[..., str]) -> None:
    values = json.loads(answers(plans()[name], "--format", "json"))
    assert [set(found) for found in values["found"]] == [OF_EACH] * len(plans()[name].found)
    assert values["found_sentences"]
    assert values["search"] == {
        "runs": 406,
        "requests": 20_000_000,
        "wasted": 12,
        "is_done": plans()[name].is_done,
    }


def test_json_has_the_rate_with_its_ends_and_the_ratio_of_two_systems(answers: Callable[..., str]) -> None:
    values = json.loads(answers(plans()["most decided"], "--format", "json"))
    first = values["found"][0]
    assert first["rate"] == {"low": 150.0, "estimate": 151.4, "high": 153.0}
    assert first["machines"] == {"dgx-h100": 25, "dgx-a100": 32}
    assert (first["value"], first["undecided"], first["holds_longer"], first["decided"]) == (None, [], False, True)
    (ratio,) = values["comparisons"][0]["ratios"]
    assert (ratio["system"], ratio["to"]) == ("splitwise-ha", "baseline-h100")
    assert ratio["low"] < ratio["estimate"] < ratio["high"]


def test_json_has_the_value_and_the_clusters_that_are_not_decided(answers: Callable[..., str]) -> None:
    first = json.loads(answers(plans()["least undecided"], "--format", "json"))["found"][0]
    assert first["value"] == pytest.approx(738.56)
    assert [cluster["design"] for cluster in first["undecided"]] == ["splitwise-ha 11P+16T", "splitwise-ha 13P+13T"]
    assert (first["rate"], first["decided"], first["none"], first["holds_longer"]) == (None, False, False, True)


def test_a_sweep_without_a_question_has_an_empty_list(answers: Callable[..., str]) -> None:
    values = json.loads(answers(None, "--format", "json"))
    assert (values["found"], values["search"], values["found_left_out"]) == ([], None, "")


def test_the_answer_is_what_was_found_and_no_ranking_of_the_probes(answers: Callable[..., str]) -> None:
    text = " ".join(answers(plans()["most decided"]).split())
    assert text.index("Splitwise-HA 25P+32T carries 150 to 153") < text.index("conv: what each design carries")
    assert "The whole search: 406 runs" in text
    assert "SLO: TTFT p50 2x" in text
    assert "every design, the highest rate within the SLO first" not in text


def test_a_document_has_the_whole_certificate(answers: Callable[..., str]) -> None:
    text = answers(plans()["least decided"], "--format", "markdown")
    assert "> To carry 70 requests/s of conv within the SLO, Splitwise-HA 12P+16T costs least" in text
    assert text.count("| inferred |") == 30


def test_other_limits_and_parts_of_the_runs_leave_it_out_and_say_so(
    answers: Callable[..., str], tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text("seconds: {ttft: {p99: 1.0}}\n")
    plan = plans()["most decided"]
    text = answers(plan, "--slo", str(tmp_path / "mine.yaml"))
    assert "What the search found is left out: the search was by the experiment's own limits." in text
    assert "25P+32T" not in text
    values: dict[str, Any] = json.loads(answers(plan, "--slo", str(tmp_path / "mine.yaml"), "--format", "json"))
    assert values["found"] == []
    assert "own limits" in values["found_left_out"]
    assert "left out: it rests on all of its runs" in " ".join(answers(plan, "--where", "seed=7").split())
