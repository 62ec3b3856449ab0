"""Reading a sweep back from MLflow: the runs as outcomes, and their tables of requests."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sync.results.outcome import Outcome
from sync.results.slo import Slo
from sync.tracking import fields
from sync.tracking.address import tracking_uri
from sync.tracking.judged import SLO_TAG, slo_of_json
from sync.tracking.page import SUPERSEDED_TAG
from sync.tracking.runs import FINAL
from sync.tracking.store import Experiment, MlflowStore, StoredRun

CACHE = ".mlflow-cache"  # below the results: tables fetched from a server


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


def experiments_in_mlflow(results: Path) -> list[str]:
    """The names of the experiments in the store that is in use, sorted. Raises as `find_experiment`."""
    store = MlflowStore(tracking_uri(results), results / "mlartifacts", lambda _: None)
    if not store.exists():
        return []
    with store.plain_errors():
        store.connect()
        return [experiment.name for experiment in store.experiments()]


def find_mlflow_source(results: Path, name: str) -> MlflowSource | None:
    """The sweep called `name` in the store that is in use; None where it is not there. Raises as `find_experiment`."""
    store, experiment = find_experiment(results, name)
    if experiment is None:
        return None
    with store.plain_errors():
        slo = slo_of_json(experiment.tags.get(SLO_TAG, ""))
        source = MlflowSource(store, store.search(experiment.experiment_id), results / CACHE, slo)
    return source if source.outcomes() else None


class MlflowSource:
    """The runs of one experiment."""

    def __init__(self, store: MlflowStore, runs: Iterable[StoredRun], cache: Path, slo: Slo | None = None) -> None:
        self._store, self._cache, self._slo = store, cache, slo
        self._runs: dict[str, StoredRun] = {}
        self._outcomes: dict[str, Outcome] = {}
        self._tables: set[str] = set()  # keys of runs that have one
        for run in sorted(runs, key=lambda run: (run.status == "FAILED", -run.start_ms)):
            values = _told(run)
            if values is not None and values["key"] not in self._runs:
                self._add(run, values)

    def _add(self, run: StoredRun, values: dict[str, Any]) -> None:
        has_table = values.pop("has_table", False)
        given: dict[str, Any] = {
            "overrides": [],
            "axes": {},
            "machines": {},
            "config_yaml": "",
            "error": run.tags.get("error"),
        }
        values.pop("figures", None)
        measured = {"summary": summary_of(run), "status": FINAL[run.status]}
        try:
            outcome = Outcome.from_json_dict(given | values | measured)
        except ValueError:
            return  # of another version of this code
        self._runs[outcome.key], self._outcomes[outcome.key] = run, outcome
        self._tables.update([outcome.key] if has_table else [])

    def outcomes(self) -> dict[str, Outcome]:
        """See `Source`; a run that is not over is left out."""
        return self._outcomes

    def requests_file(self, key: str) -> Path | None:
        """See `Source`; a table that comes from a server is kept below the results."""
        if key not in self._tables:
            return None
        run = self._runs[key]
        kept = self._cache / run.run_id / fields.REQUESTS_FILE
        if kept.exists():
            return kept
        with self._store.plain_errors():
            return self._store.fetch_file(run.run_id, fields.REQUESTS_FILE, kept.parent)

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


def _told(run: StoredRun) -> dict[str, Any] | None:
    """What the run says of its outcome; None for a run that is none, or not over."""
    try:
        values = json.loads(run.tags.get(fields.OUTCOME_TAG, ""))
    except ValueError:
        return None
    return values if run.status in FINAL and isinstance(values, dict) and "key" in values else None


def summary_of(run: StoredRun) -> dict[str, float]:
    """The figures of the outcome that was written as `run`: those among its metrics, and the others."""
    told = _told(run)
    others = {} if told is None else told.get("figures", {})
    metrics = {
        name: value
        for name, value in run.metrics.items()
        if name not in fields.NOT_IN_SUMMARY and not name.startswith((*fields.CURVES, "slo/"))
    }
    rest = {str(name): float(value) for name, value in others.items() if not str(name).startswith("slo/")}
    return metrics | rest
