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
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sync import mlflow_fields as fields
from sync.base import Outcome, SweepInfo
from sync.mlflow_page import SUPERSEDED_TAG, note, page
from sync.mlflow_runs import Found, Runs, found
from sync.privacy import Scrubber, mask_uri
from sync.tracking import is_server, sqlite_path, sqlite_uri
from sync.verdict import design, name_by_rate

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
_NOTE_TAG = "mlflow.note.content"
_PAGE = 1000
_FINAL = {"FINISHED": "completed", "FAILED": "failed"}


class MlflowSink:
    """Writes outcomes to the store at `tracking_uri`; a store in a database keeps artifacts below `artifacts`."""

    def __init__(self, tracking_uri: str, artifacts: Path, say: Callable[[str], None]) -> None:
        """`say` is called with a line for a person before anything that takes long."""
        self._uri, self._artifacts, self._say = tracking_uri, artifacts.absolute(), say
        self._client: MlflowClient | None = None
        self._sweep: SweepInfo | None = None
        self._experiment_id = ""
        self._runs: Runs | None = None
        self._uncertain: set[str] = set()
        self._untold = False  # something was delivered of which the description does not know
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

    def page(self) -> str | None:
        """The experiment's page, once it was opened."""
        return page(self._experiment_id) if self._experiment_id else None

    def close(self) -> None:
        """Say in the experiment's description what its runs come to, and forget the client."""
        client, self._client = self._client, None
        if client is None or self._sweep is None or self._runs is None or not self._untold:
            return
        with self._plain_errors():
            told = note(self._sweep, self._experiment_id, self._runs.standings(), self._runs.superseded)
            client.set_experiment_tag(self._experiment_id, _NOTE_TAG, self._scrub(told))
        self._untold = False

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
            if not path.exists():
                self._say(f"making the MLflow database {_short(path)}: takes some seconds, once")
            initialise_sqlite(path, self._artifacts)
        self._client = MlflowClient(self._uri, registry_uri=self._uri)
        self._sweep = sweep
        self._scrub = Scrubber(os.environ)
        experiment_id = self._find_experiment(self._client, sweep)
        if experiment_id != self._experiment_id:
            self._experiment_id, self._runs = experiment_id, None

    def _deliver(self, client: MlflowClient, sweep: SweepInfo, outcome: Outcome) -> None:
        runs = self._runs = self._runs or Runs(self._search)
        here = runs.of_key(outcome.key, again=outcome.key in self._uncertain)
        self._uncertain.add(outcome.key)  # until all is there: the next attempt asks the store itself
        elder = runs.elder(fields.same_point(outcome, sweep), outcome.key) if outcome.status == "completed" else []
        current = next((run for run in here if run.serves(outcome)), None)
        if current is None:
            current = self._create(client, sweep, outcome, runs, elder)
            runs.add(current)
        for stale in [run for run in here if not run.serves(outcome)]:
            client.delete_run(stale.run_id)
            runs.remove(stale)
        if outcome.status == "completed":
            self._supersede(client, current, elder)
        self._uncertain.discard(outcome.key)
        self._untold = True

    @staticmethod
    def _supersede(client: MlflowClient, current: Found, elder: Sequence[Found]) -> None:
        """Mark who is current and who was: elder runs stay, and can be told from those that took their place."""
        changed = [(run, True) for run in elder] + ([(current, False)] if current.superseded else [])
        for run, superseded in changed:
            client.set_tag(run.run_id, SUPERSEDED_TAG, str(superseded).lower())
            run.superseded = superseded

    def _find_experiment(self, client: MlflowClient, sweep: SweepInfo) -> str:
        experiment = client.get_experiment_by_name(sweep.name)
        if experiment is None:
            # A server knows where it keeps artifacts; a database would note a path relative to who asks.
            location = None if is_server(self._uri) else (self._artifacts / sweep.name).as_uri()
            experiment_id = str(client.create_experiment(sweep.name, artifact_location=location))
            there: Mapping[str, str] = {}
        else:
            experiment_id, there = str(experiment.experiment_id), experiment.tags
            if experiment.lifecycle_stage == "deleted":
                client.restore_experiment(experiment_id)
        first = {_NOTE_TAG: self._scrub(note(sweep, experiment_id, [], 0))}  # `close` knows more to say
        for name, value in (fields.experiment_tags() | ({} if _NOTE_TAG in there else first)).items():
            if there.get(name) != value:
                client.set_experiment_tag(experiment_id, name, value)
        return experiment_id

    def _search(self, condition: str) -> Iterator[Found]:
        assert self._client is not None
        token: str | None = None
        while True:
            answer = self._client.search_runs([self._experiment_id], condition, max_results=_PAGE, page_token=token)
            for run in answer:
                if fields.KEY_TAG in run.data.tags:
                    yield found(run.info.run_id, run.info.status, run.data.tags, run.data.metrics)
            token = answer.token
            if not token:
                return

    def _create(
        self, client: MlflowClient, sweep: SweepInfo, outcome: Outcome, runs: Runs, elder: Sequence[Found]
    ) -> Found:
        from mlflow.entities import Metric, Param

        start = fields.start_ms(outcome)
        end = start + round(outcome.wall_s * 1000)
        tags = fields.tags(outcome, sweep, self._scrub, runs.color(design(outcome)))
        if elder:
            tags["supersedes"] = " ".join(run.run_id for run in elder)
        name = self._scrub(name_by_rate(outcome))
        run = client.create_run(self._experiment_id, start_time=start, tags=tags, run_name=name)
        run_id = str(run.info.run_id)
        metrics = fields.metrics(outcome)
        client.log_batch(
            run_id,
            metrics=[Metric(name, value, end, 0) for name, value in metrics.items()],
            params=[Param(name, value) for name, value in fields.params(outcome, self._scrub).items()],
            synchronous=True,
        )
        self._log_files(client, run_id, outcome)
        status = next(name for name, ours in _FINAL.items() if ours == outcome.status)
        client.set_terminated(run_id, status, end_time=end)
        return found(run_id, status, tags, metrics)

    def _log_files(self, client: MlflowClient, run_id: str, outcome: Outcome) -> None:
        contents = fields.files(outcome, self._scrub)
        if not contents:
            return
        with tempfile.TemporaryDirectory(prefix="sync-") as folder:
            for name, content in contents.items():
                Path(folder, name).write_bytes(content)
            client.log_artifacts(run_id, folder)


def experiment_pages(tracking_uri: str) -> dict[str, str]:
    """The pages of a store's experiments by their names, sorted; none where the SQLite file is not there yet."""
    path = sqlite_path(tracking_uri)
    if path is not None and not path.exists():
        return {}
    quiet_environment()
    from mlflow import MlflowClient

    found = MlflowClient(tracking_uri, registry_uri=tracking_uri).search_experiments(filter_string="name != 'Default'")
    return {experiment.name: page(experiment.experiment_id) for experiment in sorted(found, key=lambda e: str(e.name))}


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


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
