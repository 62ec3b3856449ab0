"""A list of tasks for long queues, in which a removal does not search the whole list."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, filterfalse
from typing import Final

from sim_core.request import Task

LONG: Final = 1024  # from this length on, a list's linear search costs more than keeping portions
PORTION: Final = 256  # tasks in a portion at most
MANY: Final = 4  # removing this many or more takes one pass over a list; fewer take a search each
MANY_OF_PORTION: Final = 8  # the same of a portion, in which a search is short


class LongQueue:
    """Tasks in order, kept in portions. Each task knows its portion, so that a removal searches that portion alone.

    No portion knows where it begins: the search of an insertion counts that as it goes, half the portions at its first
    step, half of these at its second, and so on. With 10,000 tasks an insertion takes 4,800 instructions. It took
    16,700 with places that were kept as numbers, and each removal had to change them, too.
    """

    __slots__ = ("_length", "_portions")

    def __init__(self, tasks: list[Task]) -> None:
        self._portions = [tasks[first : first + PORTION // 2] for first in range(0, len(tasks), PORTION // 2)]
        for portion in self._portions:
            _own(portion)
        self._length = len(tasks)

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Task]:
        return chain.from_iterable(self._portions)

    def __getitem__(self, index: int) -> Task:
        for portion in self._portions:
            if index < len(portion):
                return portion[index]
            index -= len(portion)
        raise IndexError("the queue has no such task")

    def remove(self, task: Task) -> None:
        """Remove `task`."""
        portion = task.portion
        take_out(portion, task)
        self._shrink(portion, 1)

    def remove_all(self, tasks: Sequence[Task]) -> None:
        """Remove many tasks at once."""
        by_portion: dict[int, list[Task]] = {}
        for task in tasks:
            by_portion.setdefault(id(task.portion), []).append(task)
        for gone in by_portion.values():
            portion = gone[0].portion
            if len(gone) < MANY_OF_PORTION:
                for task in gone:
                    take_out(portion, task)
            else:
                portion[:] = filterfalse(set(gone).__contains__, portion)
            self._shrink(portion, len(gone))

    def insert(self, task: Task, waits: int, starts: int) -> None:
        """Put `task` where a binary search by (waits, arrival) over the whole queue ends: see `WaitsQueue`."""
        portions = self._portions
        low, high = 0, self._length
        came_s = task.came_s
        start = starts - waits
        which = first = 0  # the portion that the search was in last, and the place where it begins
        portion = portions[0]
        last = len(portion)  # and where it ends
        while low < high:
            middle = (low + high) >> 1
            while middle >= last:
                which += 1
                portion = portions[which]
                first = last
                last += len(portion)
            while middle < first:
                which -= 1
                portion = portions[which]
                last = first
                first -= len(portion)
            other = portion[middle - first]
            other_start = other.waits_from
            if other_start < start or (
                came_s < other.came_s and (other_start == start or (not waits and other_start > start))
            ):
                high = middle
            else:
                low = middle + 1
        portion.insert(low - first, task)  # the task that the search looked at last is beside this place
        task.portion = portion
        self._length += 1
        if len(portion) > PORTION:
            second = portion[PORTION // 2 :]
            del portion[PORTION // 2 :]
            portions.insert(which + 1, second)
            _own(second)

    def _shrink(self, portion: list[Task], tasks: int) -> None:
        """Count `tasks` that have left a portion, and drop it if it has no others."""
        self._length -= tasks
        if portion:
            return
        portions = self._portions
        for which in range(len(portions)):
            if portions[which] is portion:
                del portions[which]
                return


def take_out(tasks: list[Task], task: Task) -> None:
    """Remove `task` from a list. The list's own `remove` asks each task whether it is equal, and takes 20 times as long
    as this loop does compiled; as plain Python the loop takes as long."""
    for index in range(len(tasks)):
        if tasks[index] is task:
            break
    else:
        raise ValueError("the task is not in the queue")
    del tasks[index]


def _own(portion: list[Task]) -> None:
    for task in portion:
        task.portion = portion
