"""MLflow as this project uses it, typed: one store, its experiments and runs. The only file that imports mlflow."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import sys
import tempfile
import uuid
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from sim_core.errors import OutputError
from sync.results.inside import FILE_MODE, linked_inside, make_folder, open_lock, refuse_links, write_inside
from sync.tracking.address import is_server, short_path, sqlite_path, sqlite_uri, tracking_uri
from sync.tracking.received import check_database, file_to_read, place_to_write
from sync.tracking.runs import StoredRun
from sync.tracking.store_errors import is_missing, plain_errors
from sync.tracking.tables import Point, RunTables, are_taken

if TYPE_CHECKING:
    import mlflow.entities
    from mlflow import MlflowClient

# Settings of mlflow unless the user sets them: no telemetry, nothing on the screen, and a server that does not answer
# is given up in seconds instead of minutes, since the writer tries again by itself.
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
_PAGE = 1000
_OF_A_DATASET = {"mlflow.data.context": "simulated"}  # tags of a run's data set
Texts = Mapping[str, str]


@dataclass(frozen=True)
class Experiment:
    """An experiment of the store."""

    experiment_id: str
    name: str
    tags: Mapping[str, str]


class MlflowStore:
    """The store in use (`tracking_uri`); one in a database keeps artifacts below `results`. Nothing is opened before
    `connect`. Errors are raised as `plain_errors` has them."""

    def __init__(self, results: Path) -> None:
        """Raises SpecError for an unusable MLFLOW_TRACKING_URI."""
        self._uri, self._artifacts = tracking_uri(results), (results / "mlartifacts").absolute()
        self._results = results.absolute()
        # A database in the results may have come with them; one that the user names is the user's own.
        self._is_in_results = self._uri == sqlite_uri(results / "mlflow.db")
        self._client: MlflowClient  # once it is connected to
        self._tables: RunTables | None = None  # where runs can be written more quickly than by the client

    def connect(self, *, make: bool) -> bool:
        """Open the store; whether there is one. With `make` it is opened to be written to, too: an SQLite file that is
        not there is made then."""
        path = sqlite_path(self._uri)
        if path is not None and self._is_in_results:
            check_database(path)
        if path is not None and not path.exists():
            if not make:
                return False
            text = f"making the MLflow database {short_path(path)}: takes some seconds, once"
            print(text, file=sys.stderr, flush=True)
            initialise_sqlite(path, self._artifacts)
        quiet_environment()
        from mlflow import MlflowClient

        self._client = MlflowClient(self._uri, registry_uri=self._uri)
        self.close()
        if make and path is not None and self._is_in_results:  # a database of the user's is MLflow's alone
            self._tables = RunTables.of(path)
        return True

    def close(self) -> None:
        """Close what `connect` has opened to write runs; `connect` opens it again."""
        tables, self._tables = self._tables, None
        if tables is not None:
            tables.close()

    def plain_errors(self) -> AbstractContextManager[None]:
        """Raise a short ConnectionError where a server does not answer or a database cannot be used."""
        return plain_errors(self._uri)

    def experiment(self, name: str) -> Experiment | None:
        """The experiment called `name`, None where there is none (or where it was deleted)."""
        found = self._client.get_experiment_by_name(name)
        return None if found is None or found.lifecycle_stage == "deleted" else _experiment(found)

    def experiments(self) -> list[Experiment]:
        """All but MLflow's own empty one, by name."""
        found = self._client.search_experiments(filter_string="name != 'Default'")
        return sorted(map(_experiment, found), key=lambda experiment: experiment.name)

    def make_experiment(self, name: str) -> Experiment:
        """The experiment called `name`: as it is, brought back if it was deleted, else new."""
        found = self._client.get_experiment_by_name(name)
        if found is None:
            # A server decides where it keeps artifacts; for a database the path must not be relative to this process.
            location = None if is_server(self._uri) else (self._artifacts / name).as_uri()
            if location is not None:
                refuse_links(self._artifacts / name, self._results)
            return Experiment(str(self._client.create_experiment(name, artifact_location=location)), name, {})
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return _experiment(found)

    def set_experiment_tag(self, experiment_id: str, name: str, value: str) -> None:
        """Set one tag."""
        self._client.set_experiment_tag(experiment_id, name, value)

    def search(self, experiment_id: str, condition: str = "") -> Iterator[StoredRun]:
        """The runs that meet a condition in MLflow's search syntax, all for an empty one: seconds for a thousand."""
        token: str | None = None
        while True:
            answer = self._client.search_runs([experiment_id], condition, max_results=_PAGE, page_token=token)
            yield from map(_stored, answer)
            token = answer.token
            if not token:
                return

    def create_run(self, experiment_id: str, name: str, tags: Texts, start_ms: int) -> StoredRun:
        """Start a run."""
        folder = self._tables.folder(experiment_id) if self._tables and name and are_taken(tags) else None
        if self._tables is None or folder is None:
            started = self._client.create_run(experiment_id, start_time=start_ms, tags=dict(tags), run_name=name)
            return _stored(started)
        from mlflow.utils.uri import append_to_uri_path

        run_id = uuid.uuid4().hex
        files = append_to_uri_path(folder, run_id, "artifacts")
        self._tables.create(run_id, experiment_id, name, tags, start_ms, files)
        return StoredRun(run_id, name, "RUNNING", start_ms, dict(tags), {}, files)

    def finish_run(
        self, run_id: str, points: Sequence[Point], params: Texts, dataset: Texts, *, status: str, end_ms: int
    ) -> None:
        """Write the metrics, the parameters and the data set of a run, by the fields of `mlflow.entities.Dataset`, and
        end it then."""
        if self._tables is not None and are_taken(params, points):
            self._tables.finish(run_id, points, params, dataset, _OF_A_DATASET, status=status, end_ms=end_ms)
            return
        from mlflow.entities import Dataset, DatasetInput, InputTag

        tags = [InputTag(name, value) for name, value in _OF_A_DATASET.items()]
        self._client.log_inputs(run_id, [DatasetInput(Dataset(**dataset), tags)])
        self.log(run_id, points, params, {}, end_ms)
        self.end_run(run_id, status, end_ms)

    def log(self, run_id: str, points: Iterable[Point], params: Texts, tags: Texts, time_ms: int) -> None:
        """Write metrics (name, value, step), parameters and tags in one call."""
        from mlflow.entities import Metric, Param, RunTag

        self._client.log_batch(
            run_id,
            metrics=[Metric(name, value, time_ms, step) for name, value, step in points],
            params=[Param(name, value) for name, value in params.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
            synchronous=True,
        )

    def log_files(
        self, run: StoredRun, contents: Mapping[str, bytes], twins: Mapping[str, Path] = MappingProxyType({})
    ) -> None:
        """Write artifacts by name, in place of those of the same names. `twins`: files of the results that hold the
        same bytes, by the same names; such an artifact becomes another name of its twin, where that is possible. Raises
        OutputError where a database, which may have come with the results, would have them written elsewhere than below
        these."""
        place = self._place(run)
        if place is not None:
            make_folder(place)
            for name, content in contents.items():
                if self._is_in_results and (place / name).is_symlink():
                    raise OutputError("is a symbolic link, which is not followed; remove it", source=str(place / name))
                if name in twins and linked_inside(place / name, twins[name], content):
                    continue
                write_inside(place / name, content, durable=False)
            return
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        with tempfile.TemporaryDirectory(prefix="sync-") as folder:
            for name, content in contents.items():
                _new_file(Path(folder, name), content)  # MLflow keeps the modes
            # MLflow's client would first read the whole run.
            get_artifact_repository(run.artifact_uri, self._uri).log_artifacts(folder)

    def _place(self, run: StoredRun) -> Path | None:
        """The folder for a run's files, None where it is not on this machine; one below the results is looked at."""
        if self._is_in_results:
            place = place_to_write(run.artifact_uri, self._artifacts)
            refuse_links(self._artifacts, self._results)
            make_folder(self._artifacts)  # for its owner alone, and so all that is made in it
            return place
        return self._local(run) if self._keeps_here(run.artifact_uri) else None

    def _local(self, run: StoredRun) -> Path:
        from mlflow.utils.file_utils import local_file_uri_to_path

        return Path(local_file_uri_to_path(run.artifact_uri))

    def file(self, run: StoredRun, name: str, kept: Path) -> Path:
        """An artifact as a file: where the store keeps it, if that is this machine, else at `kept`, where it is fetched
        to unless it is there already. Raises FileNotFoundError where the run has no such artifact."""
        if self._is_in_results:
            return file_to_read(run.artifact_uri, name, self._artifacts)
        if self._keeps_here(run.artifact_uri):
            path = self._local(run) / name
            if not path.exists():
                raise FileNotFoundError(f"{run.artifact_uri} has no {name}")
            return path
        if not kept.exists():
            from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

            refuse_links(kept.parent, self._results)
            make_folder(kept.parent)
            partial = kept.with_name(f"{kept.name}.{os.getpid()}.tmp")  # what breaks off is not taken for the file
            try:
                # of its public methods the shortest asks the server first whether this is a folder
                get_artifact_repository(run.artifact_uri, self._uri)._download_file(name, str(partial))
                partial.replace(kept)
            except Exception as error:
                if is_missing(error):
                    raise FileNotFoundError(f"{run.artifact_uri} has no {name}") from error
                raise
            finally:
                partial.unlink(missing_ok=True)
        return kept

    def _keeps_here(self, artifact_uri: str) -> bool:
        return artifact_uri.startswith(("file:", "/"))

    def set_tag(self, run_id: str, name: str, value: str) -> None:
        """Set one tag of a run."""
        self._client.set_tag(run_id, name, value)

    def end_run(self, run_id: str, status: str, end_ms: int) -> None:
        """End a run."""
        self._client.set_terminated(run_id, status, end_time=end_ms)

    def delete_run(self, run_id: str) -> None:
        """Delete a run as MLflow does: it is kept until `mlflow gc` removes it."""
        self._client.delete_run(run_id)


def _experiment(found: mlflow.entities.Experiment) -> Experiment:
    return Experiment(str(found.experiment_id), str(found.name), dict(found.tags))


def _stored(run: mlflow.entities.Run) -> StoredRun:
    info, tags, metrics = run.info, dict(run.data.tags), dict(run.data.metrics)
    named = str(info.run_id), str(info.run_name), str(info.status), int(info.start_time)
    return StoredRun(*named, tags, metrics, str(info.artifact_uri), dict(run.data.params))


def quiet_environment() -> None:
    """Set `QUIET` where the environment says nothing; needed before mlflow is imported for the first time."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    for name in ("alembic", "mlflow", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _new_file(path: Path, content: bytes = b"") -> None:
    """A new file, readable by its owner alone from the first byte."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb") as file:
        file.write(content)


def web_application(uri: str, artifacts: Path) -> Any:
    """MLflow's interface and API for the store at `uri`, as an ASGI application for one process; files that it is sent
    go below `artifacts`. Language models' jobs, which would start seven more processes, are off."""
    quiet_environment()
    os.environ.setdefault("MLFLOW_SERVER_ENABLE_JOB_EXECUTION", "false")
    from mlflow.server import constants

    os.environ[constants.BACKEND_STORE_URI_ENV_VAR] = os.environ[constants.REGISTRY_STORE_URI_ENV_VAR] = uri
    os.environ[constants.ARTIFACT_ROOT_ENV_VAR] = "mlflow-artifacts:/"
    os.environ[constants.ARTIFACTS_DESTINATION_ENV_VAR] = artifacts.as_uri()
    os.environ[constants.SERVE_ARTIFACTS_ENV_VAR] = "true"
    with warnings.catch_warnings(action="ignore"):  # about what it imports itself
        from mlflow.server.fastapi_app import app
    from mlflow.server.handlers import initialize_backend_stores

    if (path := sqlite_path(uri)) is not None:
        initialise_sqlite(path, artifacts)
    initialize_backend_stores(uri, uri, "mlflow-artifacts:/")
    return app


def initialise_sqlite(path: Path, artifacts: Path) -> None:
    """Create the store's file, whole or not at all, for its owner alone, with write-ahead logging; do nothing where it
    exists."""
    make_folder(path.parent)
    if path.exists():
        return
    quiet_environment()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with open_lock(path.with_name(path.name + ".lock")) as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():  # another process has made it
            return
        # Made in a folder of its own and moved: an interrupted migration must not be taken for a store.
        with tempfile.TemporaryDirectory(prefix=path.name, dir=path.parent) as folder:
            new = Path(folder, path.name)
            _new_file(new)  # SQLite takes its mode for the log beside it, too
            store: Any = SqlAlchemyStore(sqlite_uri(new), artifacts.as_uri())
            store.engine.dispose()
            with closing(sqlite3.connect(new)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
            new.replace(path)
