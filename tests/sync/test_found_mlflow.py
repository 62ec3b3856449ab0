"""What a planner found, in MLflow."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

from mlflow import MlflowClient

from sync import Outcome, SweepInfo
from sync.load import load_sweep
from sync.results.journal import Journal
from sync.tracking.address import tracking_uri
from sync.tracking.found_note import found_parts
from sync.tracking.page import note
from tests.sync.plans import most, plan, plans
from tests.sync.stores import artifact, deliver, in_mlflow, keep


def test_the_report_s_run_keeps_what_was_found_and_the_page_says_it(
    results: Path, sweep: SweepInfo, outcome: Callable[..., Outcome]
) -> None:
    made = outcome(1, asked="splitwise-ha 3P+2T conv at 8 requests/s: decide")
    other = outcome(2)
    keep(results, sweep, made, other)
    with Journal(results / sweep.name) as journal:
        journal.write_found(plans()["most decided"])
    deliver(results, sweep, made, other)
    client = MlflowClient(tracking_uri(results))
    experiment = client.get_experiment_by_name(sweep.name)
    (report,) = client.search_runs([experiment.experiment_id], "tags.`sweep.report` = 'true'")
    assert {item.path for item in client.list_artifacts(report.info.run_id)} >= {"found.json", "frontier-conv.png"}
    described = experiment.tags["mlflow.note.content"]
    assert described.startswith("Splitwise-HA 25P+32T carries 150 to 153 requests/s of conv")
    assert "Most requests within the SLO" not in described
    page = artifact(client, report.info.run_id, "report.html").decode()
    assert "Splitwise-HA 25P+32T carries 150 to 153 requests/s of conv" in page
    assert {run.key: run.tags.get("asked") for run in in_mlflow(results)} == {made.key: made.asked, other.key: None}
    assert load_sweep(sweep.name, results, "mlflow").found == plans()["most decided"]

    changed = dataclasses.replace(sweep, experiment_text="name: quick start\nsystems: {}\n")
    keep(results, changed, made)
    deliver(results, changed, made)  # the experiment has no question any more
    assert load_sweep(sweep.name, results, "mlflow").found is None
    assert "25P+32T" not in client.get_experiment_by_name(sweep.name).tags["mlflow.note.content"]


def test_texts_of_an_answer_are_escaped_in_the_description(sweep: SweepInfo) -> None:
    evil = plan(most("<img src=x>", why_open="[link](http://x)", decided=False))
    text = note(sweep, "7", [], 0, found=found_parts(evil))
    assert "<img" not in text
    assert all("<img" not in part and "](http" not in part for part in found_parts(evil))
    assert json.dumps(found_parts(evil)).count("| :--- |") >= 1


def test_a_search_under_way_says_so_in_the_line_that_is_visible_while_folded() -> None:
    first = found_parts(plans()["interrupted"])[0]
    assert first.startswith("Partial&#58;") or first.startswith("Partial:")
    assert "at least 100 and less than 180" in first
