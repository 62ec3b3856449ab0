"""The points that wait to be run: heavy points first or in a given order, light ones in groups, lost ones again."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from itertools import count
from math import ceil
from threading import Condition
from typing import Self

from sweep.experiment.point import Point

TASK_S = 0.5  # of work in a task of several points: a hundred times what handing over a task takes
# How often a point may be lost, by what was lost with it. The point itself may have killed its worker.
MOST_LOST = {"worker": 3, "memory": 5, "node": 20}
_TASKS_A_CORE = 4  # tasks a core that the remaining points are spread over, so that all cores end together
_US_A_REQUEST, _US_A_MACHINE, _US_AN_OVERLOAD = 22.0, 0.0125, 5.0  # docs/performance.md, "Growth"


class Backlog:
    """Points for a launcher. It may grow while the launcher runs, until `close` is called.

    Points are either added, and then handed out heaviest first, or offered, and then handed out in the given order.
    Example: a planner decides after each outcome which points are wanted now.

        backlog = Backlog()
        backlog.offer(planner.wanted(room))
        for outcome in launcher.outcomes(backlog, interrupts):
            planner.took(outcome)
            backlog.offer(planner.wanted(room))
            if planner.is_done:
                backlog.close()

    All methods may be called from any thread. While the backlog is open and empty, the launcher waits for points: a
    caller that adds points between outcomes must close the backlog before it asks for an outcome that cannot come.
    """

    def __init__(self, points: Iterable[Point] = (), now_s: Callable[[], float] = time.monotonic) -> None:
        self._changed = Condition()  # guards everything below
        self._now_s = now_s
        self._keys: set[str] = set()  # of points that were added or handed out
        self._is_offered = False
        self._added: deque[Point] = deque()  # in order; `next_task` moves those of `add` to `_heaviest`
        self._heaviest: list[tuple[tuple[float, str, float, int, int], Point]] = []  # a heap
        self._alone: list[tuple[float, int, int, Point]] = []  # a heap of lost points: when each may run again
        self._serial = count()
        self._lost: Counter[tuple[str, str]] = Counter()
        self._unfinished: Counter[str] = Counter()  # points by trace
        self._unneeded: set[str] = set()  # traces
        self._expected_s = self._measured_s = 1.0
        self._closed = False
        self.add(points)

    @classmethod
    def of(cls, points: Iterable[Point]) -> Self:
        """A closed backlog with these points."""
        backlog = cls(points)
        backlog.close()
        return backlog

    def __len__(self) -> int:
        """How many points wait."""
        with self._changed:
            return len(self._added) + len(self._heaviest) + len(self._alone)

    @property
    def ended(self) -> bool:
        """Whether the backlog is closed and no point waits. A running point may still be lost, and wait again."""
        with self._changed:
            return self._closed and not len(self)

    def add(self, points: Iterable[Point]) -> None:
        """Add points, except those whose key was added before. Raises RuntimeError for new points when it is closed,
        and for a backlog that points were offered to."""
        with self._changed:
            new = {point.key: point for point in points if point.key not in self._keys}
            if new and self._is_offered:
                raise RuntimeError("points were added to a backlog that points were offered to")
            if new and self._closed:
                raise RuntimeError("points were added to a closed backlog")
            self._keys |= new.keys()
            self._added.extend(new.values())
            self._unfinished.update(point.trace_identity for point in new.values())
            self._changed.notify_all()

    def offer(self, points: Iterable[Point]) -> None:
        """Let exactly these points wait, in this order, except those that were handed out before.

        A point that waits and is not among them is withdrawn; it may be offered again. A lost point waits on, whether
        or not it is among them. Raises RuntimeError for a backlog that points were added to, and for new points when it
        is closed.
        """
        with self._changed:
            if self._keys and not self._is_offered:
                raise RuntimeError("points were offered to a backlog that points were added to")
            offered = {point.key: point for point in points if point.key not in self._keys}
            waiting = {point.key: point for point in self._added}
            new = offered.keys() - waiting.keys()
            if new and self._closed:
                raise RuntimeError("points were offered to a closed backlog")
            self._is_offered = True
            self._unfinished.update(offered[key].trace_identity for key in new)
            for key in waiting.keys() - offered.keys():
                self._needs_no_more(waiting[key].trace_identity)
            self._added = deque(offered.values())
            self._changed.notify_all()

    def close(self) -> None:
        """Say that no more points will be added. May be called again."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def wait(self, timeout_s: float) -> None:
        """Wait for `add`, `offer` or `close`, at most `timeout_s`; not at all when points wait, or after the end."""
        with self._changed:
            if not self._added and not self.ended:
                self._changed.wait(timeout_s)

    def next_point(self) -> Point | None:
        """The next point in the order of `add` or `offer`, for launchers that run one at a time; None: none waits."""
        with self._changed:
            if not self._added:
                return None
            self._keys.add(self._added[0].key)
            return self._added.popleft()

    def next_task(self, cores: int) -> tuple[Point, ...]:
        """The points of the next task; empty if none may run now. Points that were added come heaviest first and those
        of one trace together, points that were offered in their order.

        A task has several points only if enough others wait for all cores."""
        with self._changed:
            if not self._is_offered:
                self._rank_added()
            if self._alone and self._alone[0][0] <= self._now_s():
                return (heappop(self._alone)[3],)
            waiting = self._added if self._is_offered else self._heaviest
            most = ceil(len(waiting) / (_TASKS_A_CORE * cores))
            task: list[Point] = []
            left_s = TASK_S
            while waiting and len(task) < most:
                point = self._added[0] if self._is_offered else self._heaviest[0][1]
                left_s -= expected_s(point) * self._measured_s / self._expected_s
                if task and left_s < 0.0:
                    break
                task.append(self._added.popleft() if self._is_offered else heappop(self._heaviest)[1])
            self._keys.update(point.key for point in task)
            return tuple(task)

    def _rank_added(self) -> None:
        """Move the points that were added to those that wait, heaviest first."""
        while self._added:
            point = self._added.popleft()
            rank = (-point.requests, point.trace_identity, -expected_s(point), point.index, next(self._serial))
            heappush(self._heaviest, (rank, point))

    def took(self, point: Point, wall_s: float) -> None:
        """Note that a point has run, and learn from how long it took."""
        with self._changed:
            self._expected_s += expected_s(point)
            self._measured_s += wall_s
            self._needs_no_more(point.trace_identity)

    def lost(self, task: Sequence[Point], by: str) -> Point | None:
        """Put the points of a task back that ended without outcomes; `by` is a key of `MOST_LOST`.

        Any point of the task may have been the cause, so each is run alone from now on. A point that was alone and has
        been lost too often is not put back but returned. After a lack of memory a point waits for others to end, longer
        each time.
        """
        with self._changed:
            wait_s = 0.0
            if len(task) == 1:
                loss = task[0].key, by
                self._lost[loss] += 1
                if self._lost[loss] > MOST_LOST[by]:
                    self._needs_no_more(task[0].trace_identity)
                    return task[0]
                wait_s = 2.0 ** (self._lost[loss] - 1) if by == "memory" else 0.0
            for point in task:
                heappush(self._alone, (self._now_s() + wait_s, point.index, next(self._serial), point))
            return None

    def unfinished(self, trace_identity: str) -> int:
        """How many of the points that wait or run have this trace."""
        with self._changed:
            return self._unfinished[trace_identity]

    def unneeded_traces(self) -> set[str]:
        """The identities of traces that no point needs any more, each said once."""
        with self._changed:
            unneeded, self._unneeded = self._unneeded, set()
            return {identity for identity in unneeded if not self._unfinished[identity]}

    def _needs_no_more(self, trace_identity: str) -> None:
        """Note that one more point has no need of a trace: it is finished, given up, or withdrawn."""
        self._unfinished[trace_identity] -= 1
        if self._unfinished[trace_identity] == 0:
            self._unneeded.add(trace_identity)


def expected_s(point: Point) -> float:
    """An estimate of a point's CPU time in seconds, good enough to order points by."""
    machines = sum(point.machines.values())
    each_us = _US_A_REQUEST + _US_A_MACHINE * machines + _US_AN_OVERLOAD * (point.rate or 0.0) / max(machines, 1)
    return 0.005 + point.requests * each_us * 1e-6
