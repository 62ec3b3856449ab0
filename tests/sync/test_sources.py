"""A sweep is the same wherever it is read from."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pyarrow.dataset as ds
import pytest
from mlflow.store.artifact.local_artifact_repo import LocalArtifactRepository

from sim_core.errors import SpecError
from sync import load_sweep
from sync.__main__ import main
from sync.load import SOURCES
from sync.results.slo import Slo
from sync.tracking.store_errors import is_missing
from tests.sync.stores import deliver, keep
from tests.sync.test_load import journal

FIGURES = {"ttft/p99_s": 0.1 + 0.2, "ttft/max_s": 1 / 3, "run/events": 7.0, "run/unfinished": 3.0}


@pytest.fixture
def outcomes(outcome):
    return [
        outcome(2, axes={"rate": 2, "prompt": 3}, rate=2.5, summary=FIGURES),
        outcome(1, axes={"rate": 1, "prompt": "many"}, machines={"dgx-h100": 4}, system="baseline"),
        outcome(3, status="failed", error="no memory", summary={}, requests_parquet=b"", config_yaml="", rate=None),
    ]


@pytest.fixture
def everywhere(results, sweep, outcomes):
    journal(results, *outcomes, keys=[made.key for made in outcomes])
    deliver(results, sweep, *outcomes)
    return results


WHERE = [source for source in SOURCES if source != "local"]


@pytest.mark.parametrize("source", WHERE)
def test_runs_are_the_same_table_from_every_source(everywhere, source):
    wanted = load_sweep("quick start", everywhere, "journal").runs
    pd.testing.assert_frame_equal(load_sweep("quick start", everywhere, source).runs, wanted, check_exact=True)


@pytest.mark.parametrize("source", WHERE)
def test_requests_are_the_same_from_every_source(everywhere, outcome, source):
    sweep = load_sweep("quick start", everywhere, source)
    assert sweep.requests(outcome(1).key)["ttft_s"].tolist() == [0.5] * 4
    with pytest.raises(SpecError, match="no table of requests: no memory"):
        sweep.requests(outcome(3).key)


@pytest.mark.parametrize("source", WHERE)
def test_requests_of_many_runs_are_one_dataset_with_the_run_beside_each_row(everywhere, source):
    data = load_sweep("quick start", everywhere, source).requests_where()
    assert isinstance(data, ds.Dataset)
    assert data.count_rows() == 8
    told = data.to_table(columns=["name", "system", "rate", "request_id"]).to_pandas().drop_duplicates("name")
    assert sorted(told["system"]) == ["baseline", "splitwise-ha"]
    assert sorted(told["rate"]) == [1.0, 2.5]


def test_a_condition_is_a_column_an_axis_or_a_list_of_values(everywhere):
    sweep = load_sweep("quick start", everywhere)
    assert sweep.requests_where(system="splitwise-ha").count_rows() == 4
    assert sweep.requests_where(prompt="many").count_rows() == 4
    assert sweep.requests_where(rate=[1, 2.5]).count_rows() == 8
    filtered = sweep.requests_where(rate=[1, 2.5]).to_table(filter=ds.field("system") == "baseline")
    assert filtered.num_rows == 4


def test_a_run_without_a_rate_has_none_in_the_dataset(results, outcome):
    journal(results, outcome(1, rate=None))
    assert load_sweep("quick start", results).requests_where().to_table()["rate"].null_count == 4


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [
        ({"sytem": "a"}, "did you mean 'system'"),
        ({"system": "none"}, "no run meets these conditions"),
        ({"status": "failed"}, "none of these runs left a table"),
    ],
)
def test_conditions_that_leave_nothing_are_refused_with_the_reason(everywhere, conditions, reason):
    with pytest.raises(SpecError, match=reason):
        load_sweep("quick start", everywhere).requests_where(**conditions)


def test_an_unknown_source_is_refused_with_the_nearest_name(results):
    with pytest.raises(SpecError, match="did you mean 'mlflow'"):
        load_sweep("quick start", results, "mlfow")


def test_what_is_only_in_mlflow_is_found_there(results, sweep, outcome):
    deliver(results, sweep, outcome(1))
    assert list(load_sweep("quick start", results).outcomes) == [outcome(1).key]


def test_a_run_that_is_not_over_is_not_read(results, sweep, outcome, monkeypatch):
    deliver(results, sweep, outcome(1))
    monkeypatch.setattr("sync.tracking.tables.RunTables.finish", lambda *_, **__: None)
    deliver(results, sweep, outcome(2))
    assert list(load_sweep("quick start", results).outcomes) == [outcome(1).key]


def test_a_point_of_very_many_settings_is_read_with_all_of_them(results, sweep, outcome):
    made = outcome(1, overrides=tuple(f"some.long.setting.number_{n}={n}" for n in range(300)))
    deliver(results, sweep, made)
    (read,) = load_sweep("quick start", results, "mlflow").outcomes.values()
    assert read == replace(made, requests_parquet=b"", config_yaml="")


def test_results_without_a_store_are_looked_for_without_making_one(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(SpecError, match="no results of that sweep"):
        load_sweep("nothing", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def fetched(monkeypatch):
    """Has the store fetch every file, as from a server; lists the names of those that were."""
    names = []
    real = LocalArtifactRepository._download_file

    def download(self, name, path):
        names.append(name)
        real(self, name, path)

    monkeypatch.setattr(LocalArtifactRepository, "_download_file", download)
    elsewhere = property(lambda _: False, lambda *_: None)  # as for a store that is not in the results
    monkeypatch.setattr("sync.tracking.store.MlflowStore._is_in_results", elsewhere, raising=False)
    monkeypatch.setattr("sync.tracking.store.MlflowStore._keeps_here", lambda *_: False)
    return names


def test_outcomes_are_fetched_from_a_server_once_and_again_when_they_were_brought_up_to_date(
    results, sweep, outcome, fetched
):
    deliver(results, sweep, outcome(1), outcome(2))
    for _ in range(2):
        assert len(load_sweep("quick start", results, "mlflow").outcomes) == 2
    assert fetched == ["outcome.json"] * 2
    deliver(results, replace(sweep, slo=Slo(seconds={"ttft": {"p99": 1.0}})), outcome(1))
    limits = {key: o.goodput_limits for key, o in load_sweep("quick start", results, "mlflow").outcomes.items()}
    assert limits == {outcome(1).key: {"ttft_s": 1.0}, outcome(2).key: outcome(2).goodput_limits}
    assert fetched == ["outcome.json"] * 3


def test_a_run_whose_outcome_a_server_has_lost_is_left_out_and_different(results, sweep, outcome, fetched, capsys):
    keep(results, sweep, outcome(1), outcome(2))
    deliver(results, sweep, outcome(1), outcome(2))
    next((results / "mlartifacts").rglob("outcome.json")).unlink()
    assert len(load_sweep("quick start", results, "mlflow").outcomes) == 1
    assert main(["--results", str(results), "verify", "quick start"]) == 1
    assert "its outcome.json in MLflow cannot be read" in capsys.readouterr().out
    assert main(["--results", str(results), "replay", "quick start", "--prune"]) == 0
    assert len(load_sweep("quick start", results, "mlflow").outcomes) == 2


def test_a_failed_download_means_a_missing_file_only_where_the_server_says_so():
    def answered(response):
        error = OSError("no")
        error.response = response
        return error

    assert all(map(is_missing, (FileNotFoundError(), answered({"Error": {"Code": "NoSuchKey"}}))))
    assert not any(map(is_missing, (ConnectionError(), answered(None), answered({"Error": {"Code": "403"}}))))


def test_mlflow_tells_how_many_points_a_sweep_plans(results, sweep, outcome):
    deliver(results, replace(sweep, points=9, systems={"splitwise-ha": [1, 2, 4]}), outcome(1))
    plan = load_sweep(sweep.name, results, "mlflow").plan
    assert plan is not None
    assert (plan.points, plan.systems) == (9, {"splitwise-ha": [1, 2, 4]})
