"""Results into MLflow: an experiment a name, a flat run a point. The only file that imports mlflow.

A run is FINISHED (or FAILED, for a failed point) only when everything of it is there; whatever else is found
under a point's key is a remnant and is replaced.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sync import mlflow_fields as fields
from sync.base import Outcome, SweepInfo
from sync.privacy import Scrubber, mask_uri
from sync.tracking import is_server, sqlite_path, sqlite_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

# Ours where the user says nothing: no telemetry, no chatter on the screen, and a server that does not answer
# is noticed in seconds (mlflow's own patience is minutes), since the writer tries again by itself.
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
}
_FINAL = {"FINISHED": "completed", "FAILED": "failed"}
_PAGE = 1000


@dataclass(frozen=True)
class _Found:
    """A run that the store already has under some key."""

    run_id: str
    status: str

    def serves(self, outcome: Outcome) -> bool:
        """Whether it makes writing `outcome` unnecessary: the same, or a success where the outcome failed."""
        return self.status == "FINISHED" or (self.status == "FAILED" and outcome.status == "failed")


class MlflowSink:
    """Writes outcomes to the store at `tracking_uri`; a store in a database keeps artifacts below `artifacts`."""

    def __init__(self, tracking_uri: str, artifacts: Path) -> None:
        self._uri, self._artifacts = tracking_uri, artifacts.absolute()
        self._client: MlflowClient | None = None
        self._sweep: SweepInfo | None = None
        self._experiment_id = ""
        self._index: dict[str, list[_Found]] | None = None
        self._uncertain: set[str] = set()
        self._scrub = Scrubber(os.environ)

    def open(self, sweep: SweepInfo) -> None:
        """Reach the store (creating the SQLite file where there is none) and find or create the experiment."""
        with self._plain_errors():
            self._connect(sweep)

    def write(self, outcome: Outcome) -> None:
        """One run with everything, unless the store has it; see `ResultSink.write`."""
        if self._client is None or self._sweep is None:
            raise RuntimeError("write before open")
        with self._plain_errors():
            self._deliver(self._client, self._sweep, outcome)

    def close(self) -> None:
        """Forget the client."""
        self._client = None

    @contextmanager
    def _plain_errors(self) -> Iterator[None]:
        """A store that cannot be reached is said in a few words: mlflow's own take several lines."""
        try:
            yield
        except Exception as error:
            cause: BaseException | None = error
            while cause is not None and not (isinstance(cause, OSError) and is_server(self._uri)):
                cause = cause.__context__
            if cause is None:
                raise
            raise ConnectionError(f"{mask_uri(self._uri)} does not answer ({type(cause).__name__})") from error

    def _connect(self, sweep: SweepInfo) -> None:
        quiet_environment()
        from mlflow import MlflowClient

        path = sqlite_path(self._uri)
        if path is not None:
            initialise_sqlite(path, self._artifacts)
        self._client = MlflowClient(self._uri, registry_uri=self._uri)
        self._sweep = sweep
        self._scrub = Scrubber(os.environ)
        experiment_id = self._find_experiment(self._client, sweep)
        if experiment_id != self._experiment_id:
            self._experiment_id, self._index = experiment_id, None

    def _deliver(self, client: MlflowClient, sweep: SweepInfo, outcome: Outcome) -> None:
        found = self._runs_of(outcome.key)
        self._uncertain.add(outcome.key)  # until all is there: the next attempt asks the store itself
        if not any(run.serves(outcome) for run in found):
            found.append(self._create(client, sweep, outcome))
        for stale in [run for run in found if not run.serves(outcome)]:
            client.delete_run(stale.run_id)
            found.remove(stale)
        self._uncertain.discard(outcome.key)

    def _find_experiment(self, client: MlflowClient, sweep: SweepInfo) -> str:
        tags = fields.experiment_tags(sweep, self._scrub)
        experiment = client.get_experiment_by_name(sweep.name)
        if experiment is None:
            # A server knows where it keeps artifacts; a database would note a path relative to who asks.
            location = None if is_server(self._uri) else (self._artifacts / sweep.name).as_uri()
            return str(client.create_experiment(sweep.name, artifact_location=location, tags=tags))
        if experiment.lifecycle_stage == "deleted":
            client.restore_experiment(experiment.experiment_id)
        for name, value in tags.items():
            if experiment.tags.get(name) != value:
                client.set_experiment_tag(experiment.experiment_id, name, value)
        return str(experiment.experiment_id)

    def _runs_of(self, key: str) -> list[_Found]:
        """What the store has under `key`: from an index that is read once, or from a search where that may be old."""
        if self._index is None:
            self._index = self._search("")
        if key in self._uncertain:
            self._index[key] = self._search(f"tags.`{fields.KEY_TAG}` = '{key}'")[key]
        return self._index[key]

    def _search(self, condition: str) -> defaultdict[str, list[_Found]]:
        found: defaultdict[str, list[_Found]] = defaultdict(list)
        assert self._client is not None
        token: str | None = None
        while True:
            page = self._client.search_runs([self._experiment_id], condition, max_results=_PAGE, page_token=token)
            for run in page:
                if key := run.data.tags.get(fields.KEY_TAG):
                    found[key].append(_Found(run.info.run_id, run.info.status))
            token = page.token
            if not token:
                return found

    def _create(self, client: MlflowClient, sweep: SweepInfo, outcome: Outcome) -> _Found:
        from mlflow.entities import Metric, Param

        start = fields.start_ms(outcome)
        end = start + round(outcome.wall_s * 1000)
        tags = fields.tags(outcome, sweep, self._scrub)
        run = client.create_run(self._experiment_id, start_time=start, tags=tags, run_name=outcome.name)
        run_id = str(run.info.run_id)
        client.log_batch(
            run_id,
            metrics=[Metric(name, value, end, 0) for name, value in fields.metrics(outcome).items()],
            params=[Param(name, value) for name, value in fields.params(outcome, self._scrub).items()],
            synchronous=True,
        )
        self._log_files(client, run_id, outcome)
        status = next(name for name, ours in _FINAL.items() if ours == outcome.status)
        client.set_terminated(run_id, status, end_time=end)
        return _Found(run_id, status)

    def _log_files(self, client: MlflowClient, run_id: str, outcome: Outcome) -> None:
        contents = fields.files(outcome, self._scrub)
        if not contents:
            return
        with tempfile.TemporaryDirectory(prefix="sync-") as folder:
            for name, content in contents.items():
                Path(folder, name).write_bytes(content)
            client.log_artifacts(run_id, folder)


def quiet_environment() -> None:
    """Set `QUIET` where the environment says nothing; needed before mlflow is imported for the first time."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    for name in ("alembic", "mlflow", "urllib3"):
        logging.getLogger(name).setLevel(logging.ERROR)


def initialise_sqlite(path: Path, artifacts: Path) -> None:
    """Create the store's file, whole or not at all, with write-ahead logging; do nothing where it exists."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        return
    quiet_environment()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with _locked(path.with_name(path.name + ".lock")):
        if path.exists():  # another process was first
            return
        # Made aside and moved: a migration that was interrupted halfway must not be taken for a store.
        with tempfile.TemporaryDirectory(prefix=path.name, dir=path.parent) as folder:
            new = Path(folder, path.name)
            store: Any = SqlAlchemyStore(sqlite_uri(new), artifacts.as_uri())
            store.engine.dispose()
            with closing(sqlite3.connect(new)) as connection:
                connection.execute("PRAGMA journal_mode=WAL")
            new.replace(path)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
