"""The line of tasks that wait at a replica."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from sim_core.request import Task


class Line:
    """The tasks that could run next and have not been in the batch yet, in order of arrival, with sums over them.

    Tasks mostly come as the newest and leave as the oldest, and the line is long where a replica is overloaded. So it
    is kept as two lists, of which the ends are these two: with one list each task that came to 10,000 others moved all
    of them, for 6% of all instructions of the run.
    """

    __slots__ = ("batch_tokens", "kv_tokens", "newer", "older")

    def __init__(self) -> None:
        self.older: list[Task] = []  # the newest first; empty only where `newer` is, too
        self.newer: list[Task] = []  # the newest last
        self.batch_tokens = 0  # only where there is no task
        self.kv_tokens = 0  # memory that they take when they start

    def __len__(self) -> int:
        return len(self.older) + len(self.newer)

    def in_order(self) -> Iterator[Task]:
        """The tasks, the oldest first."""
        older = reversed(self.older)
        return chain(older, self.newer) if self.newer else older

    def newest_first(self) -> Iterator[Task]:
        """The tasks, the newest first."""
        return chain(reversed(self.newer), self.older)

    def add(self, task: Task) -> None:
        """Add `task`, which has entered the replica."""
        self.batch_tokens += task.batch_tokens
        self.kv_tokens += task.kv_tokens
        older, newer = self.older, self.newer
        if not older:
            older.append(task)
        elif _is_older(newer[-1] if newer else older[0], task):
            newer.append(task)
        else:
            older = self._list_around(task)
            older.insert(_place(older, task), task)

    def remove(self, task: Task) -> None:
        """Remove `task`, whose `kv_tokens` must be as they were when it was added."""
        self.batch_tokens -= task.batch_tokens
        self.kv_tokens -= task.kv_tokens
        older = self.older
        if older[-1] is task:
            older.pop()
        else:
            older = self._list_around(task)
            del older[_place(older, task)]
        if not older and self.newer:
            self._join()

    def clear(self) -> None:
        """Remove all tasks."""
        self.older.clear()
        self.newer.clear()
        self.batch_tokens = self.kv_tokens = 0

    def _list_around(self, task: Task) -> list[Task]:
        """`older`, in which the place of `task` is from now on."""
        if self.newer and _is_older(self.older[0], task):
            self._join()
        return self.older

    def _join(self) -> None:
        """Make one list of the two."""
        older, newer = self.older, self.newer
        newer.reverse()
        newer += older
        older.clear()
        self.older, self.newer = newer, older


def _is_older(task: Task, other: Task) -> bool:
    """Whether `task` came before `other`, or at the same time and entered before it."""
    return task.came_s < other.came_s or (task.came_s == other.came_s and task.entry < other.entry)


def _place(tasks: list[Task], task: Task) -> int:
    """How many of `tasks`, the newest first, are newer than `task`."""
    low, high = 0, len(tasks)
    while low < high:
        middle = (low + high) >> 1
        if _is_older(task, tasks[middle]):
            low = middle + 1
        else:
            high = middle
    return low
