"""Where MLflow differs from a sweep's journal, and what is superfluous: `verify` tells it, `replay` mends it."""

from __future__ import annotations

import filecmp
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from sync.results.inside import refuse_links
from sync.results.journal import PLACES
from sync.results.outcome import Outcome
from sync.results.slo import Slo
from sync.results.sweep import Source, Sweep
from sync.results.verdict import verdict
from sync.tracking import artifacts, fields
from sync.tracking.read import CACHE, MlflowSource, cache_folder, find_experiment
from sync.tracking.runs import FINAL, StoredRun
from sync.tracking.store import MlflowStore


@dataclass
class Differences:
    """The keys of the points that are not alike. `missing`, `doubled`: not in MLflow, or more than once. `differing`:
    by key, why; `measured_otherwise`: the runs of these whose measurements differ, which only a new run mends.
    `remnants`: runs whose writing broke off. `unknown`: points that the journal does not have."""

    points: int
    missing: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    differing: dict[str, str] = field(default_factory=dict)
    measured_otherwise: list[StoredRun] = field(default_factory=list)
    remnants: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def same(self) -> bool:
        """Whether MLflow has every point of the journal, once and whole."""
        return not (self.missing or self.doubled or self.differing or self.remnants)

    def __str__(self) -> str:
        counted = f"{len(self.missing)} missing, {len(self.doubled)} doubled, {len(self.differing)} different"
        counted += f", {len(self.remnants)} half written"
        unknown = f"; {len(self.unknown)} runs are not (or no longer) in the journal" if self.unknown else ""
        return f"{self.points - len(self.missing)} of {self.points} points are in MLflow: {counted}{unknown}"

    def reasons(self) -> dict[str, str]:
        """By key, what is wrong with each point that is not alike."""
        return {
            **dict.fromkeys(self.missing, "missing"),
            **dict.fromkeys(self.doubled, "there more than once"),
            **dict.fromkeys(self.remnants, "half written"),
            **self.differing,
        }


def stored_runs(results: Path, name: str) -> tuple[MlflowStore, list[StoredRun]]:
    """The store in use, and in it the runs of the sweep called `name` (its points, not its report)."""
    store, experiment = find_experiment(results, name)
    with store.plain_errors():
        runs = [] if experiment is None else list(store.search(experiment.experiment_id))
    return store, [run for run in runs if run.key]


def find_differences(
    sweep: Sweep, store: MlflowStore, runs: Iterable[StoredRun], results: Path, *, tables: bool = False
) -> Differences:
    """What of a journal's sweep, judged by its SLO, is not alike in the store's runs; with `tables` also the points
    whose tables of requests are not, byte by byte, those of the journal."""
    wanted = {key: sweep.with_goodput(outcome) for key, outcome in sweep.outcomes.items()}
    by_key: dict[str, list[StoredRun]] = {}
    for run in runs:
        by_key.setdefault(run.key, []).append(run)
    stored = MlflowSource(store, (run for key in wanted for run in by_key.get(key, ())), results / CACHE)
    found = Differences(len(wanted))
    for key, outcome in wanted.items():
        whole = [run for run in by_key.get(key, []) if run.status in FINAL]
        if not whole:
            found.missing.append(key)
        elif len(whole) > 1:
            found.doubled.append(key)
        elif reason := _told_otherwise(outcome, whole[0], sweep.slo):
            found.differing[key] = reason
        elif reason := _measured_otherwise(outcome, whole[0], stored) or (
            _other_table(key, sweep.source, stored) if tables else ""
        ):
            found.differing[key] = reason
            found.measured_otherwise.append(whole[0])
        elif reason := _judged_otherwise(outcome, whole[0], sweep.slo):
            found.differing[key] = reason
    found.remnants = [key for key, stored in by_key.items() if any(run.status not in FINAL for run in stored)]
    found.unknown = sorted(set(by_key) - set(sweep.finished))
    return found


def _told_otherwise(outcome: Outcome, run: StoredRun, slo: Slo) -> str:
    """Whether the run is superseded, of other limits or of other facts, as `replay` mends it; empty: it is not."""
    if run.superseded:
        return "marked as superseded in MLflow, although nothing newer is in the journal"
    if run.slo != fields.slo_text(slo):
        return f"judged by other limits in MLflow; `replay` judges it by {slo.told()}"
    other = [name for name, fact in fields.fact_tags(outcome).items() if run.tags.get(name, fact) != fact]
    return f"other facts: {', '.join(other)}; `replay` brings them up to date" if other else ""


def _measured_otherwise(outcome: Outcome, run: StoredRun, stored: MlflowSource) -> str:
    """What is not as it was measured: in the run's file, or among its metrics; empty where all is."""
    if FINAL[run.status] != outcome.status:
        return f"{FINAL[run.status]} in MLflow, {outcome.status} in the journal"
    kept = stored.outcomes().get(outcome.key)
    if kept is None:
        return f"its {artifacts.OUTCOME_FILE} in MLflow cannot be read"
    wanted, theirs = _finite(outcome.summary), _finite(kept.summary)
    odd = {name for name in wanted.keys() | theirs.keys() if wanted.get(name) != theirs.get(name)}
    odd |= {name for name in wanted.keys() & run.metrics.keys() if wanted[name] != run.metrics[name]}
    return f"other figures: {', '.join(sorted(odd)[:3])}" if odd else ""


def _judged_otherwise(outcome: Outcome, run: StoredRun, slo: Slo) -> str:
    wanted = verdict(outcome, slo).text
    odd = any(run.metrics.get(name) != value for name, value in fields.judged_metrics(outcome, slo).items())
    if odd or run.tags.get("verdict") != wanted:
        return f"another verdict: {run.tags.get('verdict')} in MLflow, {wanted} by the journal"
    return ""


def _other_table(key: str, journal: Source, stored: MlflowSource) -> str:
    ours, theirs = journal.requests_file(key), None
    with suppress(FileNotFoundError):
        theirs = stored.requests_file(key)
    same = ours is None or (theirs is not None and filecmp.cmp(ours, theirs, shallow=False))
    return "" if same else "another table of requests"


def _finite(summary: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in summary.items() if math.isfinite(value)}


def superfluous_runs(runs: Iterable[StoredRun]) -> list[StoredRun]:
    """Runs that are superseded, that broke off, or that are there once more under the same key."""
    kept: set[str] = set()
    surplus = []
    for run in sorted(runs, key=lambda run: (run.status == "FAILED", -len(run.metrics), run.start_ms)):
        if run.status not in FINAL or run.superseded or run.key in kept:
            surplus.append(run)
        else:
            kept.add(run.key)
    return surplus


def superfluous_files(folder: Path, sweep: Sweep) -> list[Path]:
    """Below a sweep's folder: outcomes and tables that are superseded, tables without an outcome, unfinished files. All
    outcomes come before the tables: what is interrupted halfway leaves no outcome without its table."""
    keep = set(sweep.outcomes)
    folders = dict.fromkeys(folder / name for names in PLACES.values() for name in names)
    for place in folders:
        refuse_links(place, folder.parent)  # what is behind a link is not removed
    found = [
        path
        for place in folders
        for path in place.glob("*")
        if path.suffix == ".tmp" or (path.suffix in (".json", ".parquet") and path.stem not in keep)
    ]
    return sorted(found, key=lambda path: (path.suffix != ".json", path))


def fetched_files(results: Path, runs: Iterable[StoredRun]) -> list[Path]:
    """The files that were once fetched from a server, for any of the runs: they can be fetched again."""
    return sorted(path for run in runs for path in cache_folder(results, run).glob("*"))


def remove_files(files: Iterable[Path]) -> None:
    """Remove files, and what this leaves empty of the folders of fetched ones."""
    for path in files:
        path.unlink(missing_ok=True)
        if path.parent.parent.name == CACHE and not any(path.parent.iterdir()):
            path.parent.rmdir()
