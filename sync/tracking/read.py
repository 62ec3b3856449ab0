"""Reading a sweep back from MLflow: the runs as outcomes, and their tables of requests."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from sim_core.errors import OutputError, SpecError
from sync.results.entry import NOT_SOUND, has_table, parse_entry, reason_of, sound_outcome, unusable_text
from sync.results.found import Plan as FoundPlan
from sync.results.found_file import FILE as FOUND_FILE
from sync.results.found_file import read_found_file
from sync.results.inside import read_inside, refuse_links
from sync.results.journal import JournalWarning
from sync.results.outcome import Outcome
from sync.results.plan import Plan, plan_of
from sync.results.privacy import mask_uri
from sync.results.slo import Slo
from sync.results.slo_file import parse_slo
from sync.tracking import artifacts, fields
from sync.tracking.runs import FINAL, StoredRun
from sync.tracking.store import Experiment, MlflowStore

CACHE = ".mlflow-cache"  # below the results: files fetched from a server
_RUN_ID, _DIGEST = re.compile("[A-Za-z0-9_-]{1,64}"), re.compile("[0-9a-f]{1,64}")
_AT_ONCE = 16  # files on their way from a server


def find_experiment(results: Path, name: str) -> tuple[MlflowStore, Experiment | None]:
    """The store in use, and in it the experiment of the sweep called `name`; None where the store (which then is not
    connected) or the sweep is not there. Raises ConnectionError where a server does not answer, SpecError for an
    unusable MLFLOW_TRACKING_URI."""
    store = MlflowStore(results)
    with store.plain_errors():
        return store, store.experiment(name) if store.connect(make=False) else None


def experiments_in_mlflow(results: Path) -> list[Experiment]:
    """The experiments in the store in use, by name; none where there is no store. Raises as `find_experiment`."""
    store = MlflowStore(results)
    with store.plain_errors():
        return store.experiments() if store.connect(make=False) else []


def find_mlflow_source(results: Path, name: str) -> MlflowSource | None:
    """The sweep called `name` in the store that is in use; None where it is not there. Raises as `find_experiment`."""
    store, experiment = find_experiment(results, name)
    if experiment is None:
        return None
    with store.plain_errors():
        slo = _slo(experiment.tags.get(fields.SLO_TAG, ""))
        plan = _plan(experiment.tags.get(fields.PLAN_TAG, ""))
        runs = list(store.search(experiment.experiment_id))
        report = next((run for run in runs if run.tags.get(fields.REPORT_TAG) == "true"), None)
        source = MlflowSource(store, runs, results / CACHE, slo, plan, report)
    if unusable := source.unusable():
        warnings.warn(unusable_text(f"{name} in MLflow", unusable), JournalWarning, stacklevel=2)
    if not source.outcomes() and source.without_file:
        place = mask_uri(source.without_file[0].artifact_uri)
        raise ConnectionError(f"{name}: its runs are in MLflow, but their files, such as below {place}, are not there")
    return source if source.outcomes() else None


class MlflowSource:
    """The runs of one experiment that are over, by the key of their point; of several the one that did not fail, and of
    these the latest."""

    def __init__(
        self,
        store: MlflowStore,
        runs: Iterable[StoredRun],
        cache: Path,
        slo: Slo | None = None,
        plan: Plan | None = None,
        report: StoredRun | None = None,
    ) -> None:
        """Reads the outcomes of `runs`; `report` is the run that is the sweep's report. What has to be fetched from
        elsewhere is kept below `cache`."""
        self._store, self._cache, self._slo, self._plan, self._report = store, cache, slo, plan, report
        self._runs: dict[str, StoredRun] = {}  # by key, as all of these
        self._outcomes: dict[str, Outcome] = {}
        self._have_table: set[str] = set()
        self._unusable: dict[str, str] = {}
        self.without_file: list[StoredRun] = []
        ended = [run for run in runs if run.status in FINAL and run.key and fields.OUTCOME_TAG in run.tags]
        ended.sort(key=lambda run: (run.status == "FAILED", -run.start_ms))
        with store.plain_errors(), ThreadPoolExecutor(_AT_ONCE) as pool:
            for run, entry in zip(ended, pool.map(self._entry, ended), strict=True):
                if entry is None or run.key in self._runs:
                    continue
                try:
                    self._outcomes[run.key] = sound_outcome(entry, run.key)
                    self._runs[run.key] = run
                    self._have_table.update([run.key] if has_table(entry) else [])
                except NOT_SOUND as error:  # of another version of this code, or written by hand
                    self._unusable[f"run {run.run_id}"] = reason_of(error)

    def _entry(self, run: StoredRun) -> dict[str, Any] | None:
        """The run's entry (`sync.results.entry`); None where it cannot be read."""
        digest = run.tags[fields.OUTCOME_TAG]
        if digest.startswith("{"):
            return _former_entry(run)
        if not _DIGEST.fullmatch(digest):
            self._unusable[f"run {run.run_id}"] = f"its tag {fields.OUTCOME_TAG} is no digest"
            return None
        try:
            kept = cache_folder(self._cache.parent, run) / f"outcome-{digest}.json"
            file = self._store.file(run, artifacts.OUTCOME_FILE, kept)
        except FileNotFoundError:
            self.without_file.append(run)
            return None
        try:
            return parse_entry(read_inside(file, "entry_bytes"))
        except NOT_SOUND as error:
            self._unusable[f"run {run.run_id}"] = f"{artifacts.OUTCOME_FILE}: {reason_of(error)}"
            return None

    def outcomes(self) -> dict[str, Outcome]:
        """See `Source`; a run that is not over is left out."""
        return self._outcomes

    def requests_file(self, key: str) -> Path | None:
        """See `Source`; a table that comes from a server is kept below the results."""
        if key not in self._have_table:
            return None
        run = self._runs[key]
        with self._store.plain_errors():
            kept = cache_folder(self._cache.parent, run) / artifacts.REQUESTS_FILE
            return self._store.file(run, artifacts.REQUESTS_FILE, kept)

    def unusable(self) -> Mapping[str, str]:
        """See `Source`: by the id of the run."""
        return self._unusable

    def last_started(self) -> frozenset[str]:
        """The runs that nothing newer has taken the place of."""
        return frozenset(key for key, run in self._runs.items() if not run.superseded)

    def asked_for(self) -> frozenset[str]:
        """See `Source`. MLflow has not kept it."""
        return frozenset()

    def info(self) -> None:
        """See `Source`. MLflow has not kept it."""

    def plan(self) -> Plan | None:
        """See `Source`: that of the last start that delivered anything."""
        return self._plan

    def slo(self) -> Slo | None:
        """See `Source`: as the experiment was last delivered."""
        return self._slo

    def found(self) -> FoundPlan | None:
        """See `Source`: as it was last delivered; a JournalWarning where the report's file of it cannot be used."""
        digest = "" if self._report is None else self._report.tags.get(fields.FOUND_TAG, "")
        if self._report is None or not _DIGEST.fullmatch(digest):
            return None
        try:
            with self._store.plain_errors():
                kept = cache_folder(self._cache.parent, self._report) / f"found-{digest}.json"
                file = self._store.file(self._report, FOUND_FILE, kept)
            return read_found_file(file)
        except NOT_SOUND as error:
            text = f"{FOUND_FILE} of the report in MLflow cannot be used: {reason_of(error)}"
            warnings.warn(text, JournalWarning, stacklevel=2)
            return None


def cache_folder(results: Path, run: StoredRun) -> Path:
    """Where files of a run that come from a server are kept below the results. Raises OutputError for an id that would
    lead elsewhere, and for a link on the way."""
    folder = results / CACHE / run.run_id
    if not _RUN_ID.fullmatch(run.run_id):
        raise OutputError("the run's id is none: it would name a folder elsewhere", source=str(folder))
    refuse_links(folder, results)
    return folder


def _json_object(text: str | bytes) -> dict[str, Any] | None:
    """The object that JSON holds; None for any other text."""
    with suppress(ValueError):
        if isinstance(values := json.loads(text), dict):
            return values
    return None


def _former_entry(run: StoredRun) -> dict[str, Any] | None:
    """The entry, without digests, of a run that former versions wrote: the outcome in a tag, its figures among the
    run's metrics. None where the tag does not hold an outcome."""
    values = _json_object(run.tags[fields.OUTCOME_TAG])
    if values is None:
        return None
    has_table, figures = values.pop("has_table", False), values.pop("figures", {})
    summary = {name: value for name, value in run.figures.items() if name not in fields.NOT_IN_SUMMARY}
    left_out: dict[str, Any] = {"overrides": [], "axes": {}, "machines": {}, "config_yaml": ""}
    elsewhere = {"error": run.tags.get("error"), "summary": summary | figures, "status": FINAL[run.status]}
    return {"parquet_bytes": int(has_table), "outcome": left_out | values | elsewhere}


def _plan(text: str) -> Plan | None:
    """The inverse of `fields.plan_text`; None for a text that holds no plan."""
    with suppress(ValueError, TypeError, KeyError, AttributeError):
        values = json.loads(text)
        systems = {str(name): [float(rate) for rate in rates] for name, rates in values["systems"].items()}
        return plan_of(int(values["points"]), systems, ())
    return None


def _slo(text: str) -> Slo | None:
    """The inverse of `fields.slo_text`; None for a text that holds no limits."""
    try:
        return parse_slo(json.loads(text))
    except (ValueError, SpecError):
        return None
