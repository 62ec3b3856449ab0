"""A database in a received folder of results: MLflow fetches nothing from where it says, and runs no SQL of its own."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sim_core.errors import OutputError
from sync.__main__ import main
from sync.load import load_sweep
from sync.tracking.received import check_database, check_places, place_to_read
from tests.sync.stores import deliver

Maker = Callable[..., Any]
NAME = "quick start"


def changed(results: Path, *statements: str) -> None:
    with closing(sqlite3.connect(results / "mlflow.db")) as database, database:
        for statement in statements:
            database.execute(statement)


@pytest.fixture
def requests_elsewhere(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that MLflow would have asked."""
    asked: list[str] = []

    def note(address: str, *_: object) -> None:
        asked.append(address)
        raise AssertionError

    where = "mlflow.store.artifact.artifact_repository_registry.get_artifact_repository"
    monkeypatch.setattr(where, note)
    return asked


@pytest.mark.parametrize("address", ["https://127.0.0.1:9/x", "s3://bucket/x", "ftp://127.0.0.1/x", "file://host/x"])
def test_nothing_is_fetched_from_or_sent_to_where_a_received_database_says(
    results: Path, sweep: Any, outcome: Maker, address: str, requests_elsewhere: list[str], capsys: Any
) -> None:
    changed(
        results,
        f"UPDATE experiments SET artifact_location = '{address}'",
        f"UPDATE runs SET artifact_uri = '{address}'",
    )
    with pytest.raises(OutputError, match=f"{address}.*nothing is written there"):
        deliver(results, replace(sweep, name="Default"), outcome(1))
    assert main(["--results", str(results), "show", "Default", "--source", "mlflow"]) != 0
    assert requests_elsewhere == []


def test_files_are_read_below_the_results_alone_also_where_these_were_moved(
    results: Path, sweep: Any, outcome: Maker, tmp_path: Path
) -> None:
    deliver(results, sweep, outcome(1))
    moved = results.rename(tmp_path / "moved")
    assert [found.key for found in load_sweep(NAME, moved, "mlflow").outcomes.values()] == [outcome(1).key]
    (moved / "mlartifacts").rename(tmp_path / "elsewhere")
    changed(moved, "UPDATE runs SET artifact_uri = replace(artifact_uri, '/mlartifacts/', '/elsewhere/')")
    with pytest.raises(ConnectionError, match=r"their files, such as below .*elsewhere.*, are not there"):
        load_sweep(NAME, moved, "mlflow")


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("file:///old/mlartifacts/x/run/artifacts", "/r/mlartifacts/x/run/artifacts"),
        ("/old/mlartifacts/x%20y/run", "/r/mlartifacts/x y/run"),
        ("file:///old/mlartifacts/../../etc", None),
        ("file:///old/mlartifacts/%2e%2e/etc", None),
        ("file:///etc", None),
        ("file://host/r/mlartifacts/x", None),
        ("http://host/r/mlartifacts/x", None),
        ("mlartifacts/x", None),
        ("http://[", None),
    ],
)
def test_the_place_of_files_is_below_the_results(address: str, place: str | None) -> None:
    assert place_to_read(address, Path("/r/mlartifacts")) == (None if place is None else Path(place))


@pytest.mark.parametrize(
    ("statements", "what"),
    [
        (["ALTER TABLE tags RENAME TO t", "CREATE VIEW tags AS SELECT * FROM t"], "has a view of its own"),
        (["CREATE TRIGGER x AFTER INSERT ON runs BEGIN DELETE FROM runs; END"], "has a trigger of its own"),
        (["CREATE VIRTUAL TABLE x USING fts5(y)"], "has a table of its own"),
    ],
)
def test_a_received_database_with_sql_of_its_own_is_not_opened(
    results: Path, statements: list[str], what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    check_database(results / "mlflow.db")
    changed(results, *statements)
    with pytest.raises(OutputError, match=what):
        check_database(results / "mlflow.db")
    assert main(["--results", str(results), "show", NAME, "--source", "mlflow"]) != 0
    assert what in capsys.readouterr().err


@pytest.mark.parametrize("name", ["mlflow.db-wal", "mlflow.db-shm", "mlflow.db-journal"])
def test_a_link_or_a_pipe_beside_the_database_is_refused(results: Path, tmp_path: Path, name: str) -> None:
    place = results / name
    place.unlink(missing_ok=True)
    place.symlink_to(tmp_path / "target")
    with pytest.raises(OutputError, match=f"{name}: is a symbolic link"):
        check_database(results / "mlflow.db")
    place.unlink()
    os.mkfifo(place)
    with pytest.raises(OutputError, match=f"{name}: it is a named pipe"):
        check_database(results / "mlflow.db")


def test_the_interface_serves_no_files_from_elsewhere(results: Path, sweep: Any, outcome: Maker) -> None:
    deliver(results, sweep, outcome(1))
    check_places(results / "mlflow.db", results / "mlartifacts")
    changed(results, "UPDATE runs SET artifact_uri = 'file:///etc'")
    with pytest.raises(OutputError, match=r"has files of runs at file:///etc, .*: it is not served"):
        check_places(results / "mlflow.db", results / "mlartifacts")


def test_a_place_that_is_no_text_is_refused_in_a_line(results: Path, sweep: Any, outcome: Maker) -> None:
    deliver(results, sweep, outcome(1))
    changed(results, "UPDATE runs SET artifact_uri = x'2f657463'")
    with pytest.raises(OutputError, match=r"has files of runs at .*etc.*: it is not served"):
        check_places(results / "mlflow.db", results / "mlartifacts")
