"""Results into MLflow: an experiment a name, a flat run a point, and a run that is the sweep's report.

A run is FINISHED (or FAILED, for a failed point) only when everything of it is there; whatever else is found
under a point's key is a remnant and is replaced.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from sync.analysis.standing import name_by_rate, rank
from sync.report.data import RunRow
from sync.report.page import sweep_files
from sync.results.curves import Derived
from sync.results.goodput import by_slo
from sync.results.outcome import Outcome, SweepInfo
from sync.results.parquet import read_derived
from sync.results.privacy import Scrubber
from sync.tracking import fields
from sync.tracking.judged import JUDGED_METRICS, NOTE_TAG, SLO_TAG, fact_tags, judged_tags, slo_text
from sync.tracking.page import SUPERSEDED_TAG, note, page, report_note, summary
from sync.tracking.runs import Found, Runs, found
from sync.tracking.store import FINAL, MlflowStore


class MlflowSink:
    """Writes outcomes to the store at `tracking_uri`; a store in a database keeps artifacts below `artifacts`."""

    def __init__(self, tracking_uri: str, artifacts: Path, say: Callable[[str], None]) -> None:
        """`say` is called with a line for a person before anything that takes long."""
        self._store = MlflowStore(tracking_uri, artifacts, say)
        self._sweep: SweepInfo | None = None  # while open
        self._experiment_id = ""
        self._runs: Runs | None = None
        self._uncertain: set[str] = set()  # keys of which a write may have broken off
        self._description_is_old = False  # something was delivered since it was written
        self._scrub = Scrubber(os.environ)

    def open(self, sweep: SweepInfo) -> None:
        """Reach the store (creating the SQLite file where there is none) and find or create the experiment."""
        with self._store.plain_errors():
            self._store.connect()
            self._scrub = Scrubber(os.environ)
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
        """Bring the experiment's description up to date, and the run that is the sweep's report."""
        sweep, self._sweep = self._sweep, None
        if sweep is None or self._runs is None or not self._description_is_old:
            return
        with self._store.plain_errors():
            current = self._current(sweep, self._runs)
            unserved = _unserved(current)
            report_id, full = self._report(sweep, current, unserved) if sweep.points else ("", "")
            told = note(
                sweep,
                self._experiment_id,
                [run.standing for run in current],
                self._runs.superseded,
                report_id=report_id,
                full=full,
                unserved=unserved,
            )
            self._store.set_experiment_tag(self._experiment_id, NOTE_TAG, self._scrub(told))
        self._description_is_old = False

    def _report(self, sweep: SweepInfo, current: Sequence[Found], unserved: str) -> tuple[str, str]:
        """Bring the run that is the sweep's report up to date, or make it. Its id, and of how many runs its full report
        is (which stays as it is; empty: there is none)."""
        good = [design for design in rank(run.standing for run in current) if design.holds]
        answer = f"Most requests within the SLO: {summary(good)}" if good else "No design is within the SLO."
        answer = f"{answer} {unserved}".strip()
        report = next(self._store.search(self._experiment_id, f"tags.`{fields.REPORT_TAG}` = 'true'"), None)
        full = "" if report is None else report.tags.get(fields.FULL_REPORT_TAG, "")
        tags = {
            fields.REPORT_TAG: "true",
            fields.SWEEP_TAG: sweep.sweep_id,
            NOTE_TAG: self._scrub(report_note(answer, full)),
        }
        now = round(time.time() * 1000)
        if report is None:
            report_id = self._store.create_run(self._experiment_id, "report", tags, now)
        else:
            report_id = report.run_id
            for name, value in tags.items():
                self._store.set_tag(report_id, name, value)
        rows = [RunRow(run.name, run.standing, run.metrics) for run in current]
        self._store.log_files(report_id, sweep_files(sweep, rows, answer))
        self._store.end_run(report_id, "FINISHED", now)
        return report_id, full

    @staticmethod
    def _current(sweep: SweepInfo, runs: Runs) -> list[Found]:
        """The runs that the sweep's page describes: those judged by the experiment's present limits."""
        wanted = slo_text(sweep.slo)
        return [run for run in runs.current() if run.slo == wanted]

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
    def _is_up_to_date(run: Found, outcome: Outcome, sweep: SweepInfo) -> bool:
        """Whether a run is judged by the experiment's limits and says of its point what the experiment says now."""
        return run.slo == slo_text(sweep.slo) and run.facts == fact_tags(outcome)

    def _bring_up_to_date(self, sweep: SweepInfo, outcome: Outcome, run: Found, runs: Runs) -> Found:
        """Describe a run by the experiment's present limits and the point's present facts; what was measured stays."""
        metrics, tags, _ = self._content(sweep, outcome, runs)
        if any(name.startswith(JUDGED_METRICS) for name in run.metrics.keys() - metrics.keys()):
            replacement = self._create(sweep, outcome, runs, [])  # a metric cannot be removed from a run
            self._store.delete_run(run.run_id)
            return replacement
        changed = {name: value for name, value in metrics.items() if run.metrics.get(name) != value}
        changing = {*judged_tags(outcome, sweep.slo, {}, self._scrub), *fact_tags(outcome)}
        changing |= {fields.SAME_TAG, fields.OUTCOME_TAG, "point.name"}
        points = [(name, value, 0) for name, value in changed.items()]
        files = fields.files(outcome, self._scrub)
        # before the tags, of which one names the file by its digest: who finds the tag finds this file
        self._store.log_files(run.run_id, {name: files[name] for name in fields.FILES_OF_FIGURES if name in files})
        now = round(time.time() * 1000)  # MLflow shows the latest value of a metric
        self._store.log(run.run_id, points, {}, now, {name: value for name, value in tags.items() if name in changing})
        return found(run.run_id, run.status, {**tags, SUPERSEDED_TAG: str(run.superseded).lower()}, metrics)

    def _content(
        self, sweep: SweepInfo, outcome: Outcome, runs: Runs
    ) -> tuple[dict[str, float], dict[str, str], Derived]:
        """The metrics and tags of a run, and what its table of requests carries beside its rows."""
        derived = read_derived(outcome.requests_parquet)
        color = runs.color(f"{outcome.design} {outcome.workload}")
        tags = fields.tags(outcome, sweep, self._scrub, derived.unserved, color)
        return fields.metrics(outcome, sweep.slo), tags, derived

    def _supersede(self, current: Found, elder: Sequence[Found]) -> None:
        """Mark the `elder` runs as superseded and the `current` one as not; they stay, and filters tell them apart."""
        changed = [(run, True) for run in elder] + ([(current, False)] if current.superseded else [])
        for run, superseded in changed:
            self._store.set_tag(run.run_id, SUPERSEDED_TAG, str(superseded).lower())
            run.superseded = superseded

    def _find_experiment(self, sweep: SweepInfo) -> str:
        experiment = self._store.make_experiment(sweep.name)
        first = {NOTE_TAG: self._scrub(note(sweep, experiment.experiment_id, [], 0))}  # until `close` knows more
        own = fields.experiment_tags() | {SLO_TAG: slo_text(sweep.slo)}
        wanted: Mapping[str, str] = own | ({} if NOTE_TAG in experiment.tags else first)
        for name, value in wanted.items():
            if experiment.tags.get(name) != value:
                self._store.set_experiment_tag(experiment.experiment_id, name, value)
        return experiment.experiment_id

    def _search(self, condition: str) -> Iterator[Found]:
        for run in self._store.search(self._experiment_id, condition):
            if fields.KEY_TAG in run.tags:
                yield found(run.run_id, run.status, run.tags, run.metrics)

    def _create(self, sweep: SweepInfo, outcome: Outcome, runs: Runs, elder: Sequence[Found]) -> Found:
        start = fields.start_ms(outcome)
        end = start + round(outcome.wall_s * 1000)
        metrics, tags, derived = self._content(sweep, outcome, runs)
        if elder:
            tags["supersedes"] = " ".join(run.run_id for run in elder)
        name = self._scrub(name_by_rate(outcome))
        run_id = self._store.create_run(self._experiment_id, name, tags, start)
        points = [(name, value, 0) for name, value in metrics.items()] + fields.curve_points(derived)
        # The files go first: MLflow reads all that it has of a run to find out where they belong.
        self._store.log_files(run_id, fields.files(outcome, self._scrub))
        self._store.log_input(run_id, fields.dataset(outcome, derived, self._scrub))
        self._store.log(run_id, points, fields.params(outcome, self._scrub), end)
        status = next(name for name, ours in FINAL.items() if ours == outcome.status)
        self._store.end_run(run_id, status, end)
        return found(run_id, status, tags, metrics)


def _unserved(runs: Sequence[Found]) -> str:
    """A sentence that counts the requests that were not served; empty where all were."""
    counts = {
        what: int(sum(run.metrics.get(f"run/{what}", 0.0) for run in runs)) for what in ("unfinished", "rejected")
    }
    touched = sum(any(run.metrics.get(f"run/{what}", 0.0) for what in counts) for run in runs)
    counted = " and ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"Not served: {counted} requests, in {touched} of {len(runs)} runs." if counted else ""
