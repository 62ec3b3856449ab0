"""Results into MLflow: an experiment a name, a flat run a point, and a run that is the sweep's report.

A run is FINISHED (or FAILED, for a failed point) only when everything of it is there; whatever else is found
under a point's key is a remnant and is replaced.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from textwrap import shorten

from sync.analysis.found import of_search, sentences
from sync.analysis.standing import name_by_rate, rank
from sync.analysis.terms import Terms, caveats, terms_lines
from sync.report.page import sweep_files
from sync.report.style import styles
from sync.results.curves import Derived
from sync.results.found import Plan
from sync.results.found_file import FILE as FOUND_FILE
from sync.results.found_file import found_bytes
from sync.results.goodput import by_slo
from sync.results.journal import Journal
from sync.results.outcome import Outcome, SweepInfo
from sync.results.parquet import read_derived
from sync.results.plugins import plugin_files
from sync.results.privacy import Scrubber
from sync.results.sweep import Sweep
from sync.tracking import artifacts, fields
from sync.tracking.address import tracking_uri, ui_lines
from sync.tracking.found_note import found_parts
from sync.tracking.markdown import plain
from sync.tracking.page import (
    FULL_REPORT_FILE,
    SUPERSEDED_TAG,
    headline,
    note,
    page,
    report_note,
    report_page,
    with_report_links,
)
from sync.tracking.read import find_experiment
from sync.tracking.runs import FINAL, Runs, StoredRun, terms_of_runs, with_outcomes
from sync.tracking.store import MlflowStore

_LONGEST_LEAD = 1500  # signs of the report's description that are an answer; a tag has room for few thousand


class MlflowSink:
    """Writes outcomes to the store in use, see `MlflowStore`."""

    def __init__(self, results: Path) -> None:
        self._store, self._results = MlflowStore(results), results
        self._sweep: SweepInfo | None = None  # while open
        self._experiment_id = ""
        self._runs: Runs | None = None
        self._uncertain: set[str] = set()  # keys of which a write may have broken off
        self._description_is_old = False  # something was delivered since it was written
        self._scrub = Scrubber(os.environ)

    def open(self, sweep: SweepInfo) -> None:
        """Reach the store (creating the SQLite file where there is none) and find or create the experiment."""
        self._scrub = Scrubber(os.environ)
        # once and first of all: what is escaped later could not be recognised any more
        description, text, command = map(self._scrub, (sweep.description, sweep.experiment_text, sweep.command))
        sweep = replace(sweep, description=description, experiment_text=text, command=command)
        with self._store.plain_errors():
            self._store.connect(make=True)
            experiment_id = self._find_experiment(sweep)
        self._sweep = sweep
        if experiment_id != self._experiment_id:
            self._experiment_id, self._runs = experiment_id, None

    def write(self, outcome: Outcome) -> None:
        """One run with everything, unless the store has it; see `ResultSink.write`."""
        if self._sweep is None:
            raise RuntimeError("write before open")
        with self._store.plain_errors():
            self._deliver(self._sweep, by_slo(outcome, self._sweep.slo))

    def page(self) -> str | None:
        """The experiment's page, once it was opened."""
        return page(self._experiment_id) if self._experiment_id else None

    def close(self) -> None:
        """Bring the descriptions in the store up to date with what was delivered, and close it."""
        sweep, self._sweep = self._sweep, None
        with self._store.plain_errors(), closing(self._store):
            if sweep is not None and self._runs is not None and self._description_is_old:
                self._describe(sweep, self._runs)
                self._description_is_old = False

    def _describe(self, sweep: SweepInfo, runs: Runs) -> None:
        """Bring the experiment's description up to date, and the run that is the sweep's report."""
        journal = Journal(self._results / sweep.name)  # reads its sweep.json once
        current = with_outcomes(self._counting(sweep, journal), Sweep(sweep.name, journal, slo=sweep.slo))
        terms, unserved = terms_of_runs(current, sweep, _planned(sweep, journal)), _unserved(current)
        kept = journal.info()
        started = sweep if kept is None else replace(sweep, starts=kept.starts, plugins=kept.plugins)
        found = journal.found()
        terms = terms if found is None else of_search(terms)
        report_id, full = self._report(started, current, terms, unserved, found) if sweep.points else ("", "")
        standings, links = [run.standing for run in current], {"report_id": report_id, "full": full}
        left = runs.superseded
        parts = [] if found is None else found_parts(found, caveats(terms))
        text = note(sweep, self._experiment_id, standings, left, terms, unserved=unserved, found=parts, **links)
        self._store.set_experiment_tag(self._experiment_id, fields.NOTE_TAG, text)

    def _counting(self, sweep: SweepInfo, journal: Journal) -> list[StoredRun]:
        """The runs that the description is about: current ones that are judged by the experiment's present limits, of
        points that the experiment has (all, where the journal does not tell)."""
        asked_for = journal.asked_for()
        judged = [run for run in self._runs.current() if run.slo == fields.slo_text(sweep.slo)] if self._runs else []
        known = [run for run in judged if run.key in asked_for]
        return known or judged

    def _report(
        self, sweep: SweepInfo, current: Sequence[StoredRun], terms: Terms, unserved: str, found: Plan | None
    ) -> tuple[str, str]:
        """Bring the run that is the sweep's report up to date, or make it; `found` is what the sweep's planner found.
        Its id, and of how many runs its full report is (which stays as it is; empty: there is none)."""
        designs = rank((run.standing for run in current), sweep.systems)
        lead = headline(designs, terms)
        if found is not None:
            lead = shorten(" ".join([*caveats(terms), *sentences(found)]), _LONGEST_LEAD, placeholder=" ...")
        answer = f"{lead} {unserved}".strip()
        now = round(time.time() * 1000)
        report = find_report(self._store, self._experiment_id) or self._store.create_run(
            self._experiment_id, "report", {fields.REPORT_TAG: "true"}, now
        )
        full = report.tags.get(fields.FULL_REPORT_TAG, "")
        tags = {fields.SWEEP_TAG: sweep.sweep_id, fields.NOTE_TAG: report_note(plain(answer), full)}
        self._store.log(report.run_id, [], {}, tags, now)
        rows = [run.row for run in current]
        files = sweep_files(sweep, rows, answer, terms_lines(terms), found)
        files |= plugin_files(sweep, self._scrub)
        files |= {} if found is None else {FOUND_FILE: found_bytes(found, sweep, self._scrub)}
        self._store.log_files(report, files)
        digest = hashlib.sha256(files[FOUND_FILE]).hexdigest()[:16] if FOUND_FILE in files else ""
        if digest != report.tags.get(fields.FOUND_TAG, ""):  # after the file: who finds the tag finds this file
            self._store.set_tag(report.run_id, fields.FOUND_TAG, digest)
        self._store.end_run(report.run_id, "FINISHED", now)
        return report.run_id, full

    def _deliver(self, sweep: SweepInfo, outcome: Outcome) -> None:
        runs = self._runs = self._runs or Runs(self._search)
        stored = runs.of_key(outcome.key, again=outcome.key in self._uncertain)
        self._uncertain.add(outcome.key)  # until all is written: the next attempt asks the store itself
        elder = runs.elder(fields.same_point(outcome, sweep), outcome.key) if outcome.status != "failed" else []
        current = next((run for run in stored if run.serves(outcome)), None)
        if current is None:
            current = self._create(sweep, outcome, runs, elder)
            runs.add(current)
        elif FINAL[current.status] == outcome.status and not self._is_up_to_date(current, outcome, sweep):
            runs.remove(current)
            current = self._bring_up_to_date(sweep, outcome, current, runs)
            runs.add(current)
        for stale in [run for run in stored if not run.serves(outcome)]:
            self._store.delete_run(stale.run_id)
            runs.remove(stale)
        if outcome.status != "failed":
            self._supersede(current, elder)
        self._uncertain.discard(outcome.key)
        self._description_is_old = True

    @staticmethod
    def _is_up_to_date(run: StoredRun, outcome: Outcome, sweep: SweepInfo) -> bool:
        """Whether a run is judged by the experiment's limits and says of its point what the experiment says now."""
        facts = {name: run.tags[name] for name in fields.FACT_TAGS if name in run.tags}
        return run.slo == fields.slo_text(sweep.slo) and facts == fields.fact_tags(outcome)

    def _bring_up_to_date(self, sweep: SweepInfo, outcome: Outcome, run: StoredRun, runs: Runs) -> StoredRun:
        """Describe a run by the experiment's present limits and the point's present facts; what was measured stays."""
        metrics, tags, _ = self._content(sweep, outcome, runs)
        if any(name.startswith(fields.JUDGED_METRICS) for name in run.metrics.keys() - metrics.keys()):
            replacement = self._create(sweep, outcome, runs, [])  # a metric cannot be removed from a run
            self._store.delete_run(run.run_id)
            return replacement
        changed = {name: value for name, value in metrics.items() if run.metrics.get(name) != value}
        files = artifacts.files(outcome, self._scrub)
        # before the tags, of which one names the file by its digest: who finds the tag finds this file
        self._store.log_files(run, {name: files[name] for name in artifacts.FILES_OF_FIGURES if name in files})
        points = [(name, value, 0) for name, value in changed.items()]
        texts = {name: value for name, value in tags.items() if name in fields.CHANGING_TAGS}
        now = round(time.time() * 1000)  # MLflow shows the latest value of a metric
        self._store.log(run.run_id, points, {}, texts, now)
        return replace(run, tags=tags | {SUPERSEDED_TAG: str(run.superseded).lower()}, metrics=metrics)

    def _content(
        self, sweep: SweepInfo, outcome: Outcome, runs: Runs
    ) -> tuple[dict[str, float], dict[str, str], Derived]:
        """The metrics and tags of a run, and what its table of requests carries beside its rows."""
        derived = read_derived(outcome.requests_parquet)
        style = styles([*sweep.systems, outcome.system])[outcome.system]  # as in the report
        color = runs.color(f"{outcome.design} {outcome.workload}", style.color)
        tags = fields.tags(outcome, sweep, self._scrub, derived.unserved, color)
        return fields.metrics(outcome, sweep.slo), tags, derived

    def _supersede(self, current: StoredRun, elder: Sequence[StoredRun]) -> None:
        """Mark the `elder` runs as superseded and the `current` one as not; they stay, and filters tell them apart."""
        changed = [(run, "true") for run in elder] + ([(current, "false")] if current.superseded else [])
        for run, superseded in changed:
            self._store.set_tag(run.run_id, SUPERSEDED_TAG, superseded)
            run.tags[SUPERSEDED_TAG] = superseded

    def _find_experiment(self, sweep: SweepInfo) -> str:
        experiment = self._store.make_experiment(sweep.name)
        wanted = fields.experiment_tags() | {fields.SLO_TAG: fields.slo_text(sweep.slo)}
        wanted |= {fields.PLAN_TAG: text} if (text := fields.plan_text(sweep)) else {}
        if fields.NOTE_TAG not in experiment.tags:
            wanted[fields.NOTE_TAG] = note(sweep, experiment.experiment_id, [], 0)  # until `close` knows more
        for name, value in wanted.items():
            if experiment.tags.get(name) != value:
                self._store.set_experiment_tag(experiment.experiment_id, name, value)
        return experiment.experiment_id

    def _search(self, condition: str) -> Iterator[StoredRun]:
        return (run for run in self._store.search(self._experiment_id, condition) if run.key)

    def _create(self, sweep: SweepInfo, outcome: Outcome, runs: Runs, elder: Sequence[StoredRun]) -> StoredRun:
        start = fields.start_ms(outcome)
        end = start + round(outcome.wall_s * 1000)
        metrics, tags, derived = self._content(sweep, outcome, runs)
        if elder:
            tags["supersedes"] = " ".join(run.run_id for run in elder)
        name = self._scrub(name_by_rate(outcome))
        run = self._store.create_run(self._experiment_id, name, tags, start)
        points = [(name, value, 0) for name, value in metrics.items()] + fields.curve_points(derived)
        self._store.log_files(run, artifacts.files(outcome, self._scrub), self._twins(sweep, outcome))
        params, dataset = fields.params(outcome, self._scrub), fields.dataset(outcome, derived, self._scrub)
        status = next(name for name, ours in FINAL.items() if ours == outcome.status)
        self._store.finish_run(run.run_id, points, params, dataset, status=status, end_ms=end)
        return replace(run, status=status, tags=tags, metrics=metrics, params=params)

    def _twins(self, sweep: SweepInfo, outcome: Outcome) -> dict[str, Path]:
        """Where the sweep's journal keeps what is an artifact too: the table of requests, by far the largest one."""
        with suppress(OSError):
            if kept := Journal(self._results / sweep.name).requests_file(outcome.key):
                return {artifacts.REQUESTS_FILE: kept}
        return {}


def _planned(sweep: SweepInfo, journal: Journal) -> int | None:
    """How many points the experiment has; None: that is not known, or the runs are single ones."""
    plan = journal.plan()
    return (plan.points if plan is not None else sweep.points) or None


def _unserved(runs: Sequence[StoredRun]) -> str:
    """A sentence that counts the requests that were not served; empty where all were."""
    counts = {
        what: int(sum(run.metrics.get(f"run/{what}", 0.0) for run in runs)) for what in ("unfinished", "rejected")
    }
    touched = sum(any(run.metrics.get(f"run/{what}", 0.0) for what in counts) for run in runs)
    counted = " and ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"Not served: {counted} requests, in {touched} of {len(runs)} runs." if counted else ""


def find_report(store: MlflowStore, experiment_id: str) -> StoredRun | None:
    """The run that is the sweep's report."""
    return next(store.search(experiment_id, f"tags.`{fields.REPORT_TAG}` = 'true'"), None)


def deliver_report(results: Path, name: str, report: bytes, runs: int) -> str:
    """Put the report of `runs` runs beside the sweep's own page, which each end of the sweep brings up to date; the
    descriptions link to both. Returns what was done, in a line or two: a missing store or page is no error, since the
    report is a file first. Raises as `find_experiment`."""
    nowhere = "not in MLflow, which has no page of this sweep"
    store, experiment = find_experiment(results, name)
    if experiment is None:
        return nowhere
    experiment_id = experiment.experiment_id
    full = "1 run" if runs == 1 else f"{runs} runs"
    with store.plain_errors():
        run = find_report(store, experiment_id)
        if run is None:
            return nowhere
        now, text = round(time.time() * 1000), report_note(run.tags.get(fields.NOTE_TAG, ""), full)
        store.log_files(run, {FULL_REPORT_FILE: report})
        store.log(run.run_id, [], {}, {fields.FULL_REPORT_TAG: full, fields.NOTE_TAG: text}, now)
        if fields.NOTE_TAG in experiment.tags:
            described = with_report_links(experiment.tags[fields.NOTE_TAG], experiment_id, run.run_id, full)
            store.set_experiment_tag(experiment_id, fields.NOTE_TAG, described)
        store.end_run(run.run_id, "FINISHED", now)
    lines = "\n  ".join(ui_lines(tracking_uri(results), report_page(experiment_id, run.run_id, FULL_REPORT_FILE)))
    return f"also in MLflow:\n  {lines}"
