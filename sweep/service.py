"""A sweep from end to end: the points go to the launcher, each outcome to the journal and then to the sink."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from sweep.experiment.file import Experiment
from sweep.experiment.point import Outcome, Point, facts_of
from sweep.experiment.variables import merged
from sweep.launch.backlog import Backlog
from sweep.launch.base import Launcher
from sweep.launch.interrupt import Interrupts
from sweep.progress import ProgressView
from sweep.tally import Tally
from sync.results.journal import Journal

_NOTE_EVERY_S = 2.0  # how often the status is noted for `python -m sweep status`


class Writer(Protocol):
    """What the service needs of `sync.tracking.writer.SinkWriter`."""

    def start(self) -> None: ...

    def submit(self, outcome: Outcome) -> None: ...

    def submit_key(self, key: str) -> None: ...


@dataclass(frozen=True)
class EndedSweep:
    """What became of a sweep. `outcomes` are in the order of the points and without their tables. `reused` counts those
    of earlier starts, `missing` the points without an outcome; `given_up` is true if too many points failed."""

    outcomes: tuple[Outcome, ...]
    reused: int
    missing: int
    interrupted: bool
    given_up: bool = False

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The outcomes of the points that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.status == "failed")


def finished_before(points: Iterable[Point], journal: Journal, *, retry_failed: bool) -> Iterator[Outcome]:
    """The outcomes in the journal for `points`, without tables, with the present names and numbers of the points."""
    for point in points:
        outcome = journal.read(point.key, table=False)
        if outcome is not None and not (retry_failed and outcome.status == "failed"):
            yield renamed(outcome, point)


def renamed(outcome: Outcome, point: Point) -> Outcome:
    """The outcome with the present names of its point: the key does not cover names, so they may have changed."""
    others = {name: getattr(point, name) for name in ("overrides", "axes", "cost", "power", "watts")}
    return replace(outcome.with_facts(facts_of(point)), **others)


@dataclass
class Sweeping:
    """Runs points and keeps their outcomes. After `max_failures` failed points the sweep ends; None: it does not."""

    launcher: Launcher
    journal: Journal
    writer: Writer
    interrupts: Interrupts
    max_failures: int | None = None

    def run(
        self, points: Sequence[Point], known: Sequence[Outcome], view: Callable[[Tally], ProgressView]
    ) -> EndedSweep:
        """Run the points that have no outcome among `known`. Each outcome is kept in the journal, then goes to the
        writer. Raises what the journal and the start of the launcher raise; a point that fails has a failed outcome."""
        done = {outcome.key: outcome for outcome in known}
        todo = [point for point in points if point.key not in done]
        given_up = False
        with _both_started(self.writer, self.launcher if todo else None):
            for outcome in known:
                self.writer.submit_key(outcome.key)
            if todo:
                given_up = self._run(todo, done, view)
        outcomes = tuple(done[point.key] for point in points if point.key in done)
        return EndedSweep(outcomes, len(known), len(points) - len(outcomes), self.interrupts.requested, given_up)

    def _run(self, todo: Sequence[Point], done: dict[str, Outcome], view: Callable[[Tally], ProgressView]) -> bool:
        """Run the points and add their outcomes to `done`; returns whether too many points failed."""
        commit = git_commit(Path(__file__).parent)
        tally = Tally(todo, lambda: self.launcher.running)
        noted_s = 0.0
        self.journal.note_status(tally.status())
        outcomes = self.launcher.outcomes(Backlog.of(todo), self.interrupts)
        with view(tally) as progress, closing(outcomes):
            for finished in outcomes:
                outcome = self.journal.write(replace(finished, git_commit=commit))
                self.writer.submit(outcome)
                done[outcome.key] = replace(outcome, requests_parquet=b"", config_yaml="")
                tally.add(outcome)
                progress.update()
                if tally.elapsed_s - noted_s > _NOTE_EVERY_S:
                    noted_s = tally.elapsed_s
                    self.journal.note_status(tally.status())
                if self.max_failures is not None and tally.failed >= self.max_failures:
                    return tally.left > 0
        return False


@contextmanager
def _both_started(writer: Writer, launcher: Launcher | None) -> Iterator[None]:
    """Start the writer and the launcher at the same time: each takes seconds."""
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
    """An id that all starts of an experiment with the same grid share, whichever of its points they run."""
    grid = json.dumps([(system.name, *merged(experiment, system)) for system in experiment.systems], default=str)
    return f"{experiment.name}-{hashlib.sha256(grid.encode()).hexdigest()[:10]}"


def git_commit(folder: Path) -> str | None:
    """The commit that is checked out at `folder`; None if that is unknown."""
    try:
        answer = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None
