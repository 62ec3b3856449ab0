"""Runs that are written into MLflow's tables are those that MLflow itself would have written there."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from mlflow import MlflowClient

from sync import make_sink
from sync.results.curves import Derived, Series
from sync.tracking.address import tracking_uri
from sync.tracking.store import MlflowStore
from sync.tracking.tables import RunTables, are_taken
from tests.sync.conftest import parquet
from tests.sync.stores import deliver, in_mlflow

TABLES = ("runs", "tags", "params", "metrics", "latest_metrics", "datasets", "inputs", "input_tags")


def with_curves(folder):
    """A table of requests with curves; one of them has a value twice at its last step."""
    table = pq.read_table(_file(folder, parquet(4)))
    series = {"over_time_s/a": Series((0, 10, 5), (1.0, 2.0, 3.0)), "by_percentile/b": Series((1, 50), (0.5, 0.5))}
    derived = Derived(series, {"digest": "d" * 64, "requests": 4, "span_s": 1.5})
    place = folder / "with.parquet"
    pq.write_table(table.replace_schema_metadata({"derived": derived.to_json()}), place)
    return place.read_bytes()


def _file(folder, content):
    place = folder / "plain.parquet"
    place.write_bytes(content)
    return place


def rows_of(results):
    """All rows that runs have in MLflow's tables, by table: ids that are made by chance are replaced by what they stand
    for, and texts that name the folder of the results by others."""
    with closing(sqlite3.connect(results / "mlflow.db")) as database:
        named = dict(database.execute("SELECT run_uuid, value FROM tags WHERE key = 'config.hash'"))
        named |= {run: "report" for (run,) in database.execute("SELECT run_uuid FROM runs") if run not in named}
        named |= dict(database.execute("SELECT dataset_uuid, name FROM datasets"))
        named |= dict(database.execute("SELECT input_uuid, destination_id FROM inputs"))
        named |= {made: named[run] for made, run in named.items() if run in named}
        found = {}
        for table in TABLES:
            rows = database.execute(f"SELECT * FROM {table}")
            names = [column[0] for column in rows.description]
            found[table] = sorted(
                repr([(name, _plain(value, named, results)) for name, value in zip(names, row, strict=True)])
                for row in rows
            )
    return found


def _plain(value, named, results):
    if not isinstance(value, str):
        return value
    for made, name in named.items():
        value = value.replace(made, name)
    return value.replace(str(results), "RESULTS")


@pytest.fixture
def outcomes(outcome, tmp_path):
    """A run with curves, a stopped one with a parameter that MLflow cuts, a failed one, and one again by newer code."""
    first = outcome(1, requests_parquet=with_curves(tmp_path))
    return (
        first,
        outcome(2, status="stopped", trace="rr_conv_1", config_yaml="", axes={"rate": 2, "long": "x" * 6500}),
        outcome(3, status="failed", error="no memory", summary={}, requests_parquet=b""),
        replace(first, key="f" * 64),
    )


def test_the_rows_of_runs_are_those_that_mlflow_itself_writes(results, sweep, outcomes, monkeypatch):
    deliver(results, replace(sweep, name="by tables", points=0), *outcomes)
    written = rows_of(results)
    monkeypatch.setattr(RunTables, "of", lambda path: None)
    with closing(sqlite3.connect(results / "mlflow.db")) as database, database:
        for table in TABLES:
            database.execute(f"DELETE FROM {table}")
    deliver(results, replace(sweep, name="by tables", points=0), *outcomes)
    expected = rows_of(results)
    assert len(expected["runs"]) == 4
    assert len(expected["metrics"]) > len(expected["latest_metrics"]) > 50
    assert {table: len(rows) for table, rows in written.items()} == {t: len(rows) for t, rows in expected.items()}
    assert written == expected


def test_the_database_that_the_locked_mlflow_makes_has_the_tables_that_are_written(results, sweep):
    make_sink("mlflow", results).open(sweep)
    tables = RunTables.of(results / "mlflow.db")
    assert tables is not None
    tables.close()


def test_tables_of_another_revision_are_left_to_mlflow(results, sweep, outcome, monkeypatch):
    monkeypatch.setattr("sync.tracking.tables.SCHEMA", "another one")
    asked = []
    real = MlflowClient.log_batch
    monkeypatch.setattr(MlflowClient, "log_batch", lambda *a, **k: asked.append(real(*a, **k)))
    deliver(results, replace(sweep, points=0), outcome(1))
    assert (len(asked), [run.status for run in in_mlflow(results)]) == (1, ["completed"])


@pytest.mark.parametrize(
    ("texts", "points"),
    [
        ({"a": "x" * 6001}, ()),
        ({"a" * 251: "x"}, ()),
        ({"a/../b": "x"}, ()),
        ({"/a": "x"}, ()),
        ({"a//b": "x"}, ()),
        ({"a=b": "x"}, ()),
        ({"mlflow.runName": "x"}, ()),
        ({}, [("a", float("nan"), 0)]),
    ],
)
def test_what_mlflow_would_change_or_refuse_is_left_to_it(texts, points):
    assert not are_taken(texts, points)
    assert are_taken({"a/b c-d.e_f": "x" * 6000}, [("a", 1.0, 0)])


def test_a_run_that_was_deleted_meanwhile_is_not_finished(results, sweep, outcome, monkeypatch):
    sink = make_sink("mlflow", results)
    sink.open(sweep)
    real = MlflowStore.log_files

    def deleting(store, run, contents, twins):
        real(store, run, contents, twins)
        MlflowClient(tracking_uri(results)).delete_run(run.run_id)
        monkeypatch.setattr(MlflowStore, "log_files", real)

    monkeypatch.setattr(MlflowStore, "log_files", deleting)
    with pytest.raises(LookupError, match="was deleted while it was written"):
        sink.write(outcome(1))
    sink.write(outcome(1))
    assert [run.status for run in in_mlflow(results)] == ["completed"]


def test_an_experiment_that_was_deleted_meanwhile_takes_runs_again_once_the_sink_is_opened_anew(
    results, sweep, outcome
):
    sink = make_sink("mlflow", results)
    sink.open(sweep)
    client = MlflowClient(tracking_uri(results))
    client.delete_experiment(client.get_experiment_by_name("quick start").experiment_id)
    with pytest.raises(Exception, match="must be in the 'active' state"):
        sink.write(outcome(1))
    sink.open(sweep)
    sink.write(outcome(1))
    assert len(in_mlflow(results)) == 1
