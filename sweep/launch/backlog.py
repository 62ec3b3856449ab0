"""Which points go next, and how many in one task: long ones first, short ones together, lost ones again."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from math import ceil

from sweep.experiment.point import Point

TASK_S = 0.5  # of work in a task of several points: a hundred times what handing it over takes
# How often a point may be lost by what ran it: it can be what kills a worker, and what fills a node's memory.
MOST_LOST = {"worker": 3, "memory": 5, "node": 20}
_TASKS_A_CORE = 4  # that points are left for at least, so that the last tasks end together
_US_A_REQUEST, _US_A_MACHINE, _US_AN_OVERLOAD = 22.0, 0.0125, 5.0  # docs/performance.md, "Growth"


class Backlog:
    """The points that wait for a task, and what is known of how long they take."""

    def __init__(self, points: Sequence[Point], now_s: Callable[[], float] = time.monotonic) -> None:
        # points of one trace stand together: who ran one has the trace for the next
        ordered = sorted(points, key=lambda p: (-p.requests, p.trace_identity, -expected_s(p), p.index))
        self._waiting = deque(ordered)
        self._alone: list[tuple[float, int, Point]] = []  # a heap of those that were lost: from when they may go
        self._now_s = now_s
        self._lost: Counter[tuple[str, str]] = Counter()
        self._expected_s = self._measured_s = 1.0

    def __len__(self) -> int:
        return len(self._waiting) + len(self._alone)

    def next_task(self, cores: int) -> tuple[Point, ...]:
        """The points of the next task; none when none may go at this moment."""
        if self._alone and self._alone[0][0] <= self._now_s():
            return (heappop(self._alone)[2],)
        most = ceil(len(self._waiting) / (_TASKS_A_CORE * cores))
        task: list[Point] = []
        left_s = TASK_S
        while self._waiting and len(task) < most:
            left_s -= expected_s(self._waiting[0]) * self._measured_s / self._expected_s
            if task and left_s < 0.0:
                break
            task.append(self._waiting.popleft())
        return tuple(task)

    def took(self, point: Point, wall_s: float) -> None:
        """Learn from a point that ran for so long."""
        self._expected_s += expected_s(point)
        self._measured_s += wall_s

    def lost(self, task: Sequence[Point], by: str) -> Point | None:
        """Have the points of a task run again that ended without a word: `by` is a key of `MOST_LOST`.

        Of several points any may have been the cause: each is run alone from now on. A point that was alone and has
        been lost too often is not run again but returned. Who lacked memory waits, longer each time, for others to end.
        """
        wait_s = 0.0
        if len(task) == 1:
            counted = task[0].key, by
            self._lost[counted] += 1
            if self._lost[counted] > MOST_LOST[by]:
                return task[0]
            wait_s = 2.0 ** (self._lost[counted] - 1) if by == "memory" else 0.0
        for point in task:
            heappush(self._alone, (self._now_s() + wait_s, point.index, point))
        return None


def expected_s(point: Point) -> float:
    """A guess at the CPU time of a point, in seconds: good enough to order points by."""
    machines = sum(point.machines.values())
    each_us = _US_A_REQUEST + _US_A_MACHINE * machines + _US_AN_OVERLOAD * (point.rate or 0.0) / max(machines, 1)
    return 0.005 + point.requests * each_us * 1e-6
