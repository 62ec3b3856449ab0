"""Writes runs into the tables of an MLflow database in SQLite: the rows that MLflow's own store writes, in a tenth of
its time, which for a run of 240 points of metrics is mostly the making of objects.

MLflow may change its tables from version to version. So they are written here only at the revision that this was
written for (`SCHEMA`), and only what MLflow takes as it is; all else goes through MLflow's interface. A test compares
all rows of a run that was written here with those of the same run written by MLflow. Does not import mlflow.
"""

from __future__ import annotations

import posixpath
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from math import isfinite
from pathlib import Path

SCHEMA = "dc11669786a5"  # the revision of the tables of MLflow 3.17
Rows = Sequence[tuple[object, ...]]
Point = tuple[str, float, int]  # of a metric: name, value, step
_RUN_NAME = "mlflow.runName"
_WAIT_S = 20.0  # for another process that writes; as MLflow waits
_LONGEST_NAME, _LONGEST_TEXT = 250, 6000  # MLflow cuts longer texts
_DATASET = ("name", "digest", "source_type", "source", "schema", "profile")


class RunTables:
    """The tables of one database. Used by one thread at a time. Raises sqlite3.Error."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def of(cls, path: Path) -> RunTables | None:
        """Open the database at `path`; None where its tables are not those that are known here."""
        connection = sqlite3.connect(path, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
        try:
            connection.execute("PRAGMA foreign_keys = ON")
            if connection.execute("SELECT version_num FROM alembic_version").fetchall() == [(SCHEMA,)]:
                return cls(connection)
        except sqlite3.OperationalError:  # it has no such table
            pass
        connection.close()
        return None

    def close(self) -> None:
        """Close the database; what was written stays."""
        self._connection.close()

    def folder(self, experiment_id: str) -> str | None:
        """The address below which an experiment keeps the files of its runs; None where it has none, or is deleted."""
        found = self._connection.execute(
            "SELECT artifact_location FROM experiments WHERE experiment_id = ? AND lifecycle_stage = 'active'",
            (int(experiment_id),),
        ).fetchone()
        return found[0] if found else None

    def create(
        self, run_id: str, experiment_id: str, name: str, tags: Mapping[str, str], start_ms: int, files: str
    ) -> None:
        """Start a run whose files are at the address `files`."""
        user = tags.get("mlflow.user", "unknown")
        with self._transaction() as execute:
            execute(
                "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status,"
                " start_time, source_version, lifecycle_stage, artifact_uri, experiment_id)"
                " VALUES (?, ?, 'UNKNOWN', '', '', ?, 'RUNNING', ?, '', 'active', ?, ?)",
                [(run_id, name, user, start_ms, files, int(experiment_id))],
            )
            rows = [(run_id, key, value) for key, value in {**tags, _RUN_NAME: name}.items()]
            execute("INSERT INTO tags (run_uuid, key, value) VALUES (?, ?, ?)", rows)

    def finish(
        self,
        run_id: str,
        points: Sequence[Point],
        params: Mapping[str, str],
        dataset: Mapping[str, str],
        input_tags: Mapping[str, str],
        *,
        status: str,
        end_ms: int,
    ) -> None:
        """Write everything else of a run and end it, all at once or not at all; every point is of the time `end_ms`.
        Raises LookupError for a run that is gone."""
        columns = "(key, value, timestamp, run_uuid, step, is_nan) VALUES (?, ?, ?, ?, ?, 0)"
        with self._transaction() as execute:
            ended = execute(
                "UPDATE runs SET status = ?, end_time = ? WHERE run_uuid = ? AND lifecycle_stage = 'active'",
                [(status, end_ms, run_id)],
            )
            if ended.rowcount != 1:
                raise LookupError(f"the run {run_id} was deleted while it was written")
            self._log_dataset(run_id, dataset, input_tags)
            rows = [(run_id, key, value) for key, value in params.items()]
            execute("INSERT INTO params (run_uuid, key, value) VALUES (?, ?, ?)", rows)
            for table, some in (("metrics", dict.fromkeys(points)), ("latest_metrics", _latest(points))):
                values = [(name, value, end_ms, run_id, step) for name, value, step in some]
                execute(f"INSERT INTO {table} {columns}", values)

    def _log_dataset(self, run_id: str, dataset: Mapping[str, str], tags: Mapping[str, str]) -> None:
        """Note that a run consumed a data set, which an experiment has once."""
        execute = self._connection.execute
        (experiment_id,) = execute("SELECT experiment_id FROM runs WHERE run_uuid = ?", (run_id,)).fetchone()
        execute(
            "INSERT OR IGNORE INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type,"
            " dataset_source, dataset_schema, dataset_profile) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (uuid.uuid4().hex, experiment_id, *(dataset[name] for name in _DATASET)),
        )
        (dataset_id,) = execute(
            "SELECT dataset_uuid FROM datasets WHERE experiment_id = ? AND name = ? AND digest = ?",
            (experiment_id, dataset["name"], dataset["digest"]),
        ).fetchone()
        input_id = uuid.uuid4().hex
        execute(
            "INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id)"
            " VALUES (?, 'DATASET', ?, 'RUN', ?)",
            (input_id, dataset_id, run_id),
        )
        rows = [(input_id, name, value) for name, value in tags.items()]
        self._connection.executemany("INSERT INTO input_tags (input_uuid, name, value) VALUES (?, ?, ?)", rows)

    @contextmanager
    def _transaction(self) -> Iterator[Callable[[str, Rows], sqlite3.Cursor]]:
        """All that is executed within the block is written when it ends, or nothing where it ends with an error."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield self._connection.executemany
        except BaseException:
            self._connection.rollback()
            raise
        self._connection.commit()


def are_taken(texts: Mapping[str, str], points: Iterable[Point] = ()) -> bool:
    """Whether MLflow keeps these parameters or tags, and these points of metrics, as they are."""
    return (
        all(_is_plain(name) and len(text) <= _LONGEST_TEXT for name, text in texts.items())
        and all(_is_plain(name) and isfinite(value) for name, value, _ in points)
        and _RUN_NAME not in texts
    )


@lru_cache(maxsize=4096)
def _is_plain(name: str) -> bool:
    """Whether MLflow takes a name, for sure: it also has to be a relative path in its shortest form."""
    is_path = posixpath.normpath(name) == name and not name.startswith(("/", "..")) and name != "."
    return is_path and 0 < len(name) <= _LONGEST_NAME and all(sign.isalnum() or sign in "_-. :/" for sign in name)


def _latest(points: Iterable[Point]) -> list[Point]:
    """The last point of each metric: of the largest step, and of several the largest."""
    latest: dict[str, Point] = {}
    for point in points:
        before = latest.get(point[0])
        if before is None or (point[2], point[1]) > (before[2], before[1]):
            latest[point[0]] = point
    return list(latest.values())
