"""A sweep from end to end: points -> launcher -> journal -> sink."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from sweep.experiment import Experiment
from sweep.interrupt import Interrupts
from sweep.journal import Journal
from sweep.launcher import Launcher
from sweep.point import Outcome, Point
from sweep.progress import ProgressView
from sweep.variables import merged


class Writer(Protocol):
    """What the service needs of `sync.writer.SinkWriter`."""

    def start(self) -> None: ...

    def submit(self, outcome: Outcome) -> None: ...


@dataclass(frozen=True)
class SweepReport:
    """What a sweep came to. `outcomes` are in the points' order, without their tables; `reused` counts those
    that an earlier start had finished, `missing` the points that have no outcome."""

    outcomes: tuple[Outcome, ...]
    reused: int
    missing: int
    interrupted: bool

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The outcomes of the points that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.status == "failed")


def finished_before(points: Sequence[Point], journal: Journal, *, retry_failed: bool) -> Iterator[Outcome]:
    """The outcomes that the journal has for `points`, named and numbered as the points are now."""
    for point in points:
        outcome = journal.read(point.key)
        if outcome is not None and not (retry_failed and outcome.status == "failed"):
            yield renamed(outcome, point)


def renamed(outcome: Outcome, point: Point) -> Outcome:
    """The outcome of an earlier start under what its point is called today: the key leaves out names."""
    return replace(
        outcome,
        name=point.name,
        system=point.system,
        index=point.index,
        overrides=point.overrides,
        axes=dict(point.axes),
        cost=point.cost,
        power=point.power,
    )


def run_sweep(
    points: Sequence[Point],
    known: Sequence[Outcome],
    launcher: Launcher,
    journal: Journal,
    writer: Writer,
    progress: ProgressView,
    interrupts: Interrupts,
) -> SweepReport:
    """Run the points that have no outcome among `known`, keep every outcome in the journal, then hand it to the
    writer. Raises what the journal and the launcher's start raise; a point that fails is an outcome."""
    done = {outcome.key: _without_table(outcome) for outcome in known}
    todo = [point for point in points if point.key not in done]
    commit = git_commit(Path(__file__).parent)
    with _both_started(writer, launcher if todo else None):
        for outcome in known:
            writer.submit(outcome)
        if todo:
            _run(todo, done, launcher, journal, writer, progress, interrupts, commit)
    outcomes = tuple(done[point.key] for point in points if point.key in done)
    return SweepReport(
        outcomes=outcomes,
        reused=len(known),
        missing=len(points) - len(outcomes),
        interrupted=interrupts.requested,
    )


def _run(
    todo: Sequence[Point],
    done: dict[str, Outcome],
    launcher: Launcher,
    journal: Journal,
    writer: Writer,
    progress: ProgressView,
    interrupts: Interrupts,
    commit: str | None,
) -> None:
    count = failed = 0
    with progress:
        for found in launcher.outcomes(todo, interrupts):
            outcome = replace(found, git_commit=commit)
            journal.write(outcome)
            writer.submit(outcome)
            done[outcome.key] = _without_table(outcome)
            count += 1
            failed += outcome.status == "failed"
            progress.update(count, failed)


@contextmanager
def _both_started(writer: Writer, launcher: Launcher | None) -> Iterator[None]:
    """The sink opens its database while the launcher starts its cluster: each takes seconds."""
    with ThreadPoolExecutor(1, thread_name_prefix="sink-start") as pool:
        opening = pool.submit(writer.start)
        if launcher is None:
            opening.result()
            yield
            return
        with launcher:
            opening.result()
            yield


def sweep_id(experiment: Experiment) -> str:
    """One for every start of an experiment with the same grid, however many of its points are run."""
    told = json.dumps([(system.name, *merged(experiment, system)) for system in experiment.systems], default=str)
    return f"{experiment.name}-{hashlib.sha256(told.encode()).hexdigest()[:10]}"


def git_commit(folder: Path) -> str | None:
    """The commit that is checked out at `folder`, None where that is unknown."""
    try:
        found = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None if found.returncode == 0 else None


def _without_table(outcome: Outcome) -> Outcome:
    return replace(outcome, requests_parquet=b"")
