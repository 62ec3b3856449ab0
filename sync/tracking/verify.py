"""Whether MLflow has what the journal has: point by point, each once."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sync.results.journal import Journal
from sync.results.outcome import Outcome
from sync.results.slo import PAPER, Slo
from sync.results.sweep import Sweep
from sync.results.verdict import verdict
from sync.tracking import fields
from sync.tracking.judged import SLO_TAG, fact_tags, judged_metrics, slo_text
from sync.tracking.page import SUPERSEDED_TAG
from sync.tracking.read import CACHE, MlflowSource, find_experiment, summary_of
from sync.tracking.runs import FINAL
from sync.tracking.store import MlflowStore, StoredRun


@dataclass
class Comparison:
    """What is not alike, by keys; `remnants` are runs whose writing broke off, `unknown` those that the journal does
    not have."""

    points: int
    missing: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    differing: dict[str, str] = field(default_factory=dict)
    remnants: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether MLflow has every point of the journal, once and whole."""
        return not (self.missing or self.doubled or self.differing or self.remnants)

    def __str__(self) -> str:
        counts = {
            "missing": len(self.missing),
            "doubled": len(self.doubled),
            "different": len(self.differing),
            "half written": len(self.remnants),
        }
        there = self.points - len(self.missing)
        told = ", ".join(f"{count} {what}" for what, count in counts.items())
        unknown = f"; {len(self.unknown)} runs are not (or no longer) in the journal" if self.unknown else ""
        return f"{there} of {self.points} points are in MLflow: {told}{unknown}"


def stored_runs(results: Path, name: str) -> tuple[MlflowStore, list[StoredRun]]:
    """The store in use, and in it the runs of the sweep called `name` (its points, not its report)."""
    store, experiment = find_experiment(results, name)
    with store.plain_errors():
        runs = [] if experiment is None else list(store.search(experiment.experiment_id))
    return store, [run for run in runs if fields.KEY_TAG in run.tags]


def compare(sweep: Sweep, runs: Iterable[StoredRun]) -> Comparison:
    """What of a journal's sweep, judged by its SLO, is not alike in the store's runs."""
    wanted = {key: sweep.with_goodput(outcome) for key, outcome in sweep.outcomes.items()}
    by_key: dict[str, list[StoredRun]] = {}
    for run in runs:
        by_key.setdefault(run.tags[fields.KEY_TAG], []).append(run)
    found = Comparison(len(wanted))
    for key, outcome in wanted.items():
        whole = [run for run in by_key.get(key, []) if run.status in FINAL]
        if not whole:
            found.missing.append(key)
        elif len(whole) > 1:
            found.doubled.append(key)
        elif reason := _difference(outcome, whole[0], sweep.slo):
            found.differing[key] = reason
    found.remnants = [key for key, stored in by_key.items() if any(run.status not in FINAL for run in stored)]
    found.unknown = sorted(set(by_key) - set(sweep.finished))
    return found


def _difference(outcome: Outcome, run: StoredRun, slo: Slo) -> str:
    if FINAL[run.status] != outcome.status:
        return f"{FINAL[run.status]} in MLflow, {outcome.status} in the journal"
    if run.tags.get(SUPERSEDED_TAG) == "true":
        return "marked as superseded in MLflow, although nothing newer is in the journal"
    ours = {name: value for name, value in outcome.summary.items() if math.isfinite(value)}
    theirs = summary_of(run)
    odd = sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))
    if run.tags.get(SLO_TAG, slo_text(PAPER)) != slo_text(slo):
        return f"judged by other limits in MLflow; `replay` judges it by {slo.told()}"
    if odd:
        return f"other figures: {', '.join(odd[:3])}"
    other = [name for name, fact in fact_tags(outcome).items() if run.tags.get(name, fact) != fact]
    if other:
        return f"other facts: {', '.join(other)}; `replay` brings them up to date"
    judged = judged_metrics(outcome, slo)
    odd = sorted(name for name, value in judged.items() if run.metrics.get(name) != value)
    if odd or run.tags.get("verdict") != verdict(outcome, slo).text:
        return f"another verdict: {run.tags.get('verdict')} in MLflow, {verdict(outcome, slo).text} by the journal"
    return ""


def compare_tables(
    found: Comparison, journal: Journal, store: MlflowStore, runs: Iterable[StoredRun], results: Path
) -> None:
    """Add to `found` the points whose tables of requests are not, byte by byte, those of the journal."""
    stored = MlflowSource(store, runs, results / CACHE)
    alike = set(found.missing) | set(found.doubled) | set(found.differing)
    for key in stored.outcomes().keys() - alike:
        ours = journal.requests_file(key)
        if ours is None:
            continue
        theirs = stored.requests_file(key)
        if theirs is None or _digest(theirs) != _digest(ours):
            found.differing[key] = "another table of requests"


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
