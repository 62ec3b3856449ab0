"""A sweep from end to end: the points go to the launcher, each outcome to the journal and then to the sink.

`Sweeping` runs points that are all known when it starts; `sweep.planned` those that a planner decides on meanwhile.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from sweep.experiment.file import Experiment
from sweep.experiment.point import Outcome, Point, facts_of
from sweep.experiment.variables import merged
from sweep.launch.backlog import Backlog
from sweep.launch.base import Launcher
from sweep.launch.interrupt import Interrupts
from sweep.progress import ProgressView
from sweep.tally import Tally
from sync.results.energy import with_power
from sync.results.journal import Journal, JournalError

_NOTE_EVERY_S = 2.0  # how often the status is noted for `python -m sweep status`


class Writer(Protocol):
    """What the service needs of `sync.tracking.writer.SinkWriter`."""

    def start(self) -> None: ...

    def submit(self, outcome: Outcome) -> None: ...

    def submit_key(self, key: str) -> None: ...


class Keeper(Protocol):
    """What the service needs of `sync.results.journal.Journal`."""

    def write(self, outcome: Outcome) -> Outcome: ...

    def note_status(self, status: Mapping[str, Any]) -> None: ...


@dataclass(frozen=True)
class EndedSweep:
    """What became of a sweep. `outcomes` are in the order of the points and without their tables. `reused` counts those
    of earlier starts, `missing` the points without an outcome; `given_up` is true if too many points failed. `cut_off`
    counts runs that were under way and not needed any more when the sweep ended."""

    outcomes: tuple[Outcome, ...]
    reused: int
    missing: int
    interrupted: bool
    given_up: bool = False
    cut_off: int = 0

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


def read_again(journal: Journal, point: Point) -> Outcome:
    """The outcome of a finished point with its table, for the sink. Raises JournalError."""
    outcome = journal.read(point.key)
    if outcome is None:
        raise JournalError(f"{journal.folder}: the entry of {point.key} is gone")
    return renamed(outcome, point)


def renamed(outcome: Outcome, point: Point) -> Outcome:
    """The outcome with the present names of its point: the key does not cover names, so they may have changed."""
    others = {name: getattr(point, name) for name in ("overrides", "axes", "cost", "power", "watts")}
    gpus = with_power(outcome.gpus, point.gpu_power)
    return replace(outcome.with_facts(facts_of(point)), **others, gpus=gpus)


@dataclass
class Sweeping:
    """Runs points and keeps their outcomes. After `max_failures` failed points the sweep ends; None: it does not."""

    launcher: Launcher
    journal: Keeper
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
        tally = Tally(todo, lambda: self.launcher.running)
        with self.started(with_launcher=bool(todo)):
            for outcome in known:
                self.writer.submit_key(outcome.key)
            if todo:
                with closing(self.outcomes(Backlog.of(todo), tally, view)) as outcomes:
                    done.update((outcome.key, outcome) for outcome in outcomes)
        kept = tuple(done[point.key] for point in points if point.key in done)
        given_up = self.has_too_many(tally) and tally.left > 0
        return EndedSweep(kept, len(known), len(points) - len(kept), self.interrupts.requested, given_up)

    def outcomes(
        self, backlog: Backlog, tally: Tally, view: Callable[[Tally], ProgressView]
    ) -> Generator[Outcome, None, None]:
        """Run the points of a backlog, which may grow meanwhile; yield each outcome, without its table, once it is kept
        and counted. Ends after too many failures, and when the tally has ended."""
        commit = git_commit(Path(__file__).parent)
        noted_s = 0.0
        self.journal.note_status(tally.status())
        with view(tally) as progress, closing(self.launcher.outcomes(backlog, self.interrupts)) as finished:
            for outcome in finished:
                kept = self.journal.write(replace(outcome, git_commit=commit))
                self.writer.submit(kept)
                tally.add(kept)
                yield replace(kept, requests_parquet=b"", config_yaml="")
                progress.update()
                if tally.elapsed_s - noted_s > _NOTE_EVERY_S:
                    noted_s = tally.elapsed_s
                    self.journal.note_status(tally.status())
                if tally.has_ended or self.has_too_many(tally):
                    return

    def has_too_many(self, tally: Tally) -> bool:
        """Whether too many points have failed."""
        return self.max_failures is not None and tally.failed >= self.max_failures

    @contextmanager
    def started(self, *, with_launcher: bool) -> Iterator[None]:
        """Start the writer and the launcher at the same time, since each takes seconds; stop the launcher at the end.
        Without points to run the launcher is not started."""
        with ThreadPoolExecutor(1, thread_name_prefix="sink-start") as pool:
            opening = pool.submit(self.writer.start)
            if not with_launcher:
                opening.result()
                yield
                return
            with self.launcher:
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
