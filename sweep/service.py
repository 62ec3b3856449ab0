"""A sweep from end to end: points -> launcher -> journal -> sink."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from sweep.experiment.file import Experiment
from sweep.experiment.point import Outcome, Point, facts_of
from sweep.experiment.variables import merged
from sweep.launch.base import Launcher
from sweep.launch.interrupt import Interrupts
from sweep.progress import ProgressView
from sweep.tally import Tally
from sync.results.journal import Journal

_NOTE_EVERY_S = 2.0  # of how the sweep is doing, for `python -m sweep status`


class Writer(Protocol):
    """What the service needs of `sync.tracking.writer.SinkWriter`."""

    def start(self) -> None: ...

    def submit(self, outcome: Outcome) -> None: ...

    def submit_key(self, key: str) -> None: ...


@dataclass(frozen=True)
class SweepReport:
    """What a sweep came to. `outcomes` are in the points' order, without their tables; `reused` counts those
    that an earlier start had finished, `missing` the points that have no outcome; `given_up`: too many have failed."""

    outcomes: tuple[Outcome, ...]
    reused: int
    missing: int
    interrupted: bool
    given_up: bool = False

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """The outcomes of the points that failed."""
        return tuple(outcome for outcome in self.outcomes if outcome.status == "failed")


def finished_before(
    points: Sequence[Point],
    journal: Journal,
    *,
    retry_failed: bool,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[Outcome]:
    """What the journal has for `points`, without the tables, named and numbered as the points are now; `told` hears
    after how many of how many points that is."""
    for count, point in enumerate(points):
        told(count, len(points))
        outcome = journal.read(point.key, table=False)
        if outcome is not None and not (retry_failed and outcome.status == "failed"):
            yield renamed(outcome, point)


def renamed(outcome: Outcome, point: Point) -> Outcome:
    """The outcome of an earlier start under what its point is called today: the key leaves out names."""
    return replace(
        outcome.with_facts(facts_of(point)),
        overrides=point.overrides,
        axes=dict(point.axes),
        cost=point.cost,
        power=point.power,
        watts=point.watts,
    )


class Sweeping:
    """A sweep under way: what it needs, and what it has come to."""

    def __init__(
        self,
        launcher: Launcher,
        journal: Journal,
        writer: Writer,
        interrupts: Interrupts,
        *,
        max_failures: int | None = None,
    ) -> None:
        """`max_failures`: so many failed points end the sweep; None: none do."""
        self._launcher, self._journal, self._writer, self._interrupts = launcher, journal, writer, interrupts
        self._max_failures = max_failures

    def run(
        self, points: Sequence[Point], known: Sequence[Outcome], view: Callable[[Tally], ProgressView]
    ) -> SweepReport:
        """Run the points that have no outcome among `known`, keep every outcome in the journal, then hand it to the
        writer. Raises what the journal and the launcher's start raise; a point that fails is an outcome."""
        done = {outcome.key: outcome for outcome in known}
        todo = [point for point in points if point.key not in done]
        with _both_started(self._writer, self._launcher if todo else None):
            for outcome in known:
                self._writer.submit_key(outcome.key)
            given_up = self._run(todo, done, view) if todo else False
        outcomes = tuple(done[point.key] for point in points if point.key in done)
        return SweepReport(
            outcomes=outcomes,
            reused=len(known),
            missing=len(points) - len(outcomes),
            interrupted=self._interrupts.requested,
            given_up=given_up,
        )

    def _run(self, todo: Sequence[Point], done: dict[str, Outcome], view: Callable[[Tally], ProgressView]) -> bool:
        """Whether it ended since too many points failed."""
        commit = git_commit(Path(__file__).parent)
        tally = Tally(todo, lambda: self._launcher.running)
        noted_s = 0.0
        self._journal.note_status(tally.status())
        with view(tally) as progress, closing(self._launcher.outcomes(todo, self._interrupts)) as outcomes:
            for found in outcomes:
                outcome = replace(found, git_commit=commit)
                self._journal.write(outcome)
                self._writer.submit(outcome)
                done[outcome.key] = replace(outcome, requests_parquet=b"", config_yaml="")
                tally.add(outcome)
                progress.update()
                if tally.elapsed_s - noted_s > _NOTE_EVERY_S:
                    noted_s = tally.elapsed_s
                    self._journal.note_status(tally.status())
                if self._max_failures is not None and tally.failed >= self._max_failures:
                    return tally.left > 0
        return False


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
