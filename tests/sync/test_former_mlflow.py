"""Runs that former versions wrote to MLflow, with the outcome in a tag, are read, verified and replayed as before."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from mlflow import MlflowClient

from sync import load_sweep
from sync.__main__ import main
from sync.tracking.address import tracking_uri
from tests.sync.stores import deliver, in_mlflow, keep

FIGURES = {"ttft/p99_s": 0.1 + 0.2, "ttft/max_s": 1 / 3, "run/events": 7.0, "run/unfinished": 3.0}
NOT_COMPARED = ("ttft/max_s", "run/events")  # which are no metrics


@pytest.fixture
def former(results, sweep, outcome):
    """A journal, and in MLflow what former versions made of it."""
    failed = {"status": "failed", "error": "no memory", "summary": {}, "requests_parquet": b"", "rate": None}
    outcomes = [outcome(1), outcome(2, summary=FIGURES, rate=2.5), outcome(3, **failed)]
    keep(results, sweep, *outcomes)
    deliver(results, sweep, *outcomes)
    client = MlflowClient(tracking_uri(results))
    ids = {run.data.tags.get("config.hash"): run.info.run_id for run in client.search_runs(["1"])}
    for made in outcomes:
        values = made.to_json_dict()
        for elsewhere in ("summary", "config_yaml", "error", "status"):
            del values[elsewhere]
        figures = {name: made.summary[name] for name in NOT_COMPARED if name in made.summary}
        values |= {"has_table": bool(made.requests_parquet), "figures": figures}
        client.set_tag(ids[made.key], "mlflow.outcome", json.dumps(values))
    for file in (results / "mlartifacts").rglob("outcome.json"):
        file.unlink()
    return results


def command(results, *arguments):
    return main(["--results", str(results), *arguments])


def test_they_are_read_as_the_journal_is(former, outcome):
    wanted = load_sweep("quick start", former, "journal")
    found = load_sweep("quick start", former, "mlflow")
    pd.testing.assert_frame_equal(found.runs, wanted.runs, check_exact=True)
    assert len(found.requests(outcome(1).key)) == 4
    assert found.source.requests_file(outcome(3).key) is None


def test_they_are_verified_and_a_replay_leaves_them_as_they_are(former, outcome, capsys):
    before = in_mlflow(former)
    assert command(former, "verify", "quick start", "--tables") == 0
    assert command(former, "replay", "quick start") == 0
    assert "0 points delivered, 0 brought up to date" in capsys.readouterr().out
    assert in_mlflow(former) == before


def test_a_replay_by_other_limits_brings_them_up_to_date_in_the_present_form(former, tmp_path, capsys):
    (tmp_path / "slo.yaml").write_text("seconds: {ttft: {p99: 1.0}}\n")
    limits = ["--slo", str(tmp_path / "slo.yaml")]
    assert command(former, "verify", "quick start", *limits) == 1
    assert command(former, "replay", "quick start", *limits) == 0
    assert "0 points delivered, 3 brought up to date" in capsys.readouterr().out
    assert command(former, "verify", "quick start", *limits) == 0
    for run in in_mlflow(former):
        assert json.loads(run.files["outcome.json"])["outcome_sha256"].startswith(run.tags["mlflow.outcome"])
    wanted = load_sweep("quick start", former, "journal", slo=tmp_path / "slo.yaml")
    found = load_sweep("quick start", former, "mlflow")
    pd.testing.assert_frame_equal(found.runs, wanted.runs, check_exact=True)


def test_runs_whose_files_are_not_on_this_machine_are_said_to_be_so(results, sweep, outcome, capsys):
    deliver(results, sweep, outcome(1))
    (results / "mlartifacts").rename(results / "elsewhere")
    assert command(results, "show", "quick start", "--source", "mlflow") == 1
    assert "its runs are in MLflow, but their files, such as below file:" in capsys.readouterr().err
