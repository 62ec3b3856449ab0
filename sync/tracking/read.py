"""Reading a sweep back from MLflow: the runs as outcomes, and their tables of requests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from sync.results.entry import NOT_SOUND, has_table, sound_outcome
from sync.results.outcome import Outcome
from sync.results.privacy import mask_uri
from sync.results.slo import Slo
from sync.tracking import fields
from sync.tracking.address import tracking_uri
from sync.tracking.former import former_entry
from sync.tracking.judged import SLO_TAG, slo_of_json
from sync.tracking.page import SUPERSEDED_TAG
from sync.tracking.store import FINAL, Experiment, MlflowStore, StoredRun

CACHE = ".mlflow-cache"  # below the results: files fetched from a server
_AT_ONCE = 16  # files on their way from a server


def find_experiment(results: Path, name: str) -> tuple[MlflowStore, Experiment | None]:
    """The store in use, and in it the experiment of the sweep called `name`; None where the store (which then is not
    connected) or the sweep is not there.

    Raises ConnectionError where a server does not answer, SpecError for an unusable MLFLOW_TRACKING_URI.
    """
    store = MlflowStore(tracking_uri(results), results / "mlartifacts", lambda _: None)
    if not store.exists():
        return store, None
    with store.plain_errors():
        store.connect()
        return store, store.experiment(name)


def experiments_in_mlflow(results: Path) -> list[Experiment]:
    """The experiments in the store in use, sorted by name; none where an SQLite file is not there yet. Raises as
    `find_experiment`."""
    store = MlflowStore(tracking_uri(results), results / "mlartifacts", lambda _: None)
    if not store.exists():
        return []
    with store.plain_errors():
        store.connect()
        return store.experiments()


def find_mlflow_source(results: Path, name: str) -> MlflowSource | None:
    """The sweep called `name` in the store that is in use; None where it is not there. Raises as `find_experiment`."""
    store, experiment = find_experiment(results, name)
    if experiment is None:
        return None
    with store.plain_errors():
        slo = slo_of_json(experiment.tags.get(SLO_TAG, ""))
        source = MlflowSource(store, store.search(experiment.experiment_id), results / CACHE, slo)
    if not source.outcomes() and source.without_file:
        place = mask_uri(source.without_file[0].artifact_uri)
        raise ConnectionError(f"{name}: its runs are in MLflow, but their files, such as below {place}, are not there")
    return source if source.outcomes() else None


class MlflowSource:
    """The runs of one experiment that are over, by the key of their point; of several the one that did not fail, and of
    these the latest."""

    def __init__(self, store: MlflowStore, runs: Iterable[StoredRun], cache: Path, slo: Slo | None = None) -> None:
        """Reads the outcomes of `runs`. What has to be fetched from elsewhere is kept below `cache`."""
        self._store, self._cache, self._slo = store, cache, slo
        self._runs: dict[str, StoredRun] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._have_table: set[str] = set()  # keys
        self.without_file: list[StoredRun] = []
        ended = [run for run in runs if run.status in FINAL and {fields.KEY_TAG, fields.OUTCOME_TAG} <= run.tags.keys()]
        ended.sort(key=lambda run: (run.status == "FAILED", -run.start_ms))
        with store.plain_errors(), ThreadPoolExecutor(_AT_ONCE) as pool:
            for run, entry in zip(ended, pool.map(self._entry, ended), strict=True):
                if entry is not None and run.tags[fields.KEY_TAG] not in self._runs:
                    self._add(run, entry)

    def _entry(self, run: StoredRun) -> dict[str, Any] | None:
        """The run's entry (`sync.results.entry`); None where it cannot be read."""
        digest = run.tags[fields.OUTCOME_TAG]
        if digest.startswith("{"):
            return former_entry(run)
        try:
            file = self._store.file(run, fields.OUTCOME_FILE, self._cache / run.run_id / f"outcome-{digest}.json")
            entry = json.loads(file.read_bytes())
        except FileNotFoundError:
            self.without_file.append(run)
            return None
        except ValueError:
            return None
        return entry if isinstance(entry, dict) else None

    def _add(self, run: StoredRun, entry: dict[str, Any]) -> None:
        key = run.tags[fields.KEY_TAG]
        with suppress(*NOT_SOUND):  # of another version of this code
            self._outcomes[key] = sound_outcome(entry, key)
            self._runs[key] = run
            self._have_table.update([key] if has_table(entry) else [])

    def outcomes(self) -> dict[str, Outcome]:
        """See `Source`; a run that is not over is left out."""
        return self._outcomes

    def requests_file(self, key: str) -> Path | None:
        """See `Source`; a table that comes from a server is kept below the results."""
        if key not in self._have_table:
            return None
        run = self._runs[key]
        with self._store.plain_errors():
            return self._store.file(run, fields.REQUESTS_FILE, self._cache / run.run_id / fields.REQUESTS_FILE)

    def last_started(self) -> frozenset[str]:
        """The runs that nothing newer has taken the place of."""
        current = (run for run in self._runs.values() if run.tags.get(SUPERSEDED_TAG) != "true")
        return frozenset(run.tags[fields.KEY_TAG] for run in current)

    def asked_for(self) -> frozenset[str]:
        """See `Source`. MLflow has not kept it."""
        return frozenset()

    def info(self) -> None:
        """See `Source`. MLflow has not kept it."""

    def slo(self) -> Slo | None:
        """See `Source`: as the experiment was last delivered."""
        return self._slo
