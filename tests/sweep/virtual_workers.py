"""Planned sweeps in virtual time: the same loop and the same backlog as on Ray, with workers that only count seconds.

A worker takes `seconds(point)` for a point, and its outcome is what `outcome_of(point)` says. As on Ray, the launcher
holds one running and one waiting task a worker, and a task that was handed out is run, whether it is still wanted or
not.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import count
from typing import Any, Self

from rich.console import Console

from sweep.experiment.point import Outcome, Point
from sweep.launch.backlog import Backlog, expected_s
from sweep.launch.interrupt import Interrupts
from sweep.planned import POINTS_A_CORE, run_planned
from sweep.planner.base import Planning
from sweep.progress import ProgressView
from sweep.service import Sweeping
from sync.results.found import Plan
from sync.results.growing import Facts

UNLIMITED = 10**6  # workers


@dataclass(frozen=True)
class Worked:
    """What became of a sweep: how long it took, how long all workers were busy together, the keys of the finished runs
    in the order of their outcomes, and how many runs were under way when the planner was done."""

    wall_s: float
    busy_s: float
    runs: tuple[str, ...]
    cut_off: int

    def wasted(self, needed: Worked) -> int:
        """How many runs were finished or begun that a sweep without runs ahead did not need."""
        return len(set(self.runs) - set(needed.runs)) + self.cut_off


class VirtualLauncher:
    """A `Launcher` of `cores` workers. Handling an outcome and handing out takes the driver `driver_s` a point."""

    def __init__(
        self, cores: int, outcome_of: Callable[[Point], Outcome], seconds: Callable[[Point], float], driver_s: float
    ) -> None:
        self.cores = cores
        self.now_s = self.finished_s = 0.0
        self.runs: list[str] = []
        self._outcome_of, self._seconds, self._driver_s = outcome_of, seconds, driver_s
        self._running: list[tuple[float, int, float, tuple[Point, ...]]] = []  # a heap: end, order, begin, task
        self._waiting: deque[tuple[float, tuple[Point, ...]]] = deque()  # with the time at which each was handed out
        self._serial = count()

    @property
    def running(self) -> int:
        """See `Launcher`."""
        return len(self._running)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Nothing to release."""

    @property
    def busy_s(self) -> float:
        """How long all workers were busy together until now."""
        return self.finished_s + sum(self.now_s - begin_s for _, _, begin_s, _ in self._running)

    def outcomes(self, backlog: Backlog, interrupts: Interrupts) -> Generator[Outcome, None, None]:
        """See `Launcher`."""
        while self._hand_out(backlog):
            end_s, _, begin_s, task = heappop(self._running)
            self.now_s = max(self.now_s, end_s)
            self.finished_s += end_s - begin_s
            if self._waiting:  # the worker goes on at once, whatever the driver is doing
                handed_s, next_task = self._waiting.popleft()
                self._begin(next_task, max(end_s, handed_s))
            for point in task:
                backlog.took(point, self._seconds(point))
            for point in task:
                self.now_s += self._driver_s
                self.runs.append(point.key)
                yield self._outcome_of(point)

    def _hand_out(self, backlog: Backlog) -> bool:
        """Take tasks from the backlog; returns whether any is under way."""
        while len(self._running) + len(self._waiting) < 2 * self.cores and (task := backlog.next_task(self.cores)):
            if len(self._running) < self.cores:
                self._begin(task, self.now_s)
            else:
                self._waiting.append((self.now_s, task))
        assert self._running or backlog.ended, "the workers would wait for ever"
        return bool(self._running)

    def _begin(self, task: tuple[Point, ...], begin_s: float) -> None:
        end_s = begin_s + sum(map(self._seconds, task))
        heappush(self._running, (end_s, next(self._serial), begin_s, task))


class Nowhere:
    """Keeps and delivers nothing: stands for the journal, the sink's writer, and what readers want to know."""

    def start(self) -> None:
        """See `Writer`."""

    def submit(self, outcome: Outcome) -> None:
        """See `Writer`."""

    def submit_key(self, key: str) -> None:
        """See `Writer`."""

    def write(self, outcome: Outcome) -> Outcome:
        """See `Keeper`."""
        return outcome

    def note_status(self, status: Mapping[str, Any]) -> None:
        """See `Keeper`."""

    def keep_points(self, points: Mapping[str, Facts], *, is_done: bool) -> None:
        """See `Keeping`."""

    def keep_found(self, plan: Plan) -> None:
        """See `Keeping`."""


def work(
    planner: Planning,
    workers: int,
    outcome_of: Callable[[Point], Outcome],
    seconds: Callable[[Point], float] = expected_s,
    *,
    points_a_core: int = POINTS_A_CORE,
    driver_s: float = 0.0,
    known: Sequence[Outcome] = (),
) -> Worked:
    """Run a planned sweep in virtual time. `known` are outcomes of earlier starts; see `run_planned`."""
    launcher, nowhere = VirtualLauncher(workers, outcome_of, seconds, driver_s), Nowhere()
    earlier = {outcome.key: outcome for outcome in known}
    sweeping = Sweeping(launcher, nowhere, nowhere, Interrupts())
    ended = run_planned(
        sweeping,
        planner,
        lambda point: earlier.get(point.key),
        lambda tally: ProgressView(Console(quiet=True), tally),
        nowhere,
        points_a_core=points_a_core,
    )
    return Worked(launcher.now_s, launcher.busy_s, tuple(launcher.runs), ended.cut_off)


def longest_chain(
    planner: Planning, outcome_of: Callable[[Point], Outcome], seconds: Callable[[Point], float] = expected_s
) -> Worked:
    """The sweep with a worker for each point and nothing run ahead. A point then begins at the outcome that decided it
    was needed, so the wall time is that of the longest chain of points that wait for each other; its runs are exactly
    those that are needed."""
    return work(planner, UNLIMITED, outcome_of, seconds, points_a_core=0)
