"""A list of tasks for long queues, in which a removal does not search the whole list."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain, filterfalse
from typing import Final

from sim_core.request import Task

LONG: Final = 1024  # from this length on, a list's linear search costs more than keeping portions
PORTION: Final = 512  # tasks in a portion at most
MANY: Final = 4  # removing this many or more takes one pass over a list; fewer take a search each


class LongQueue:
    """Tasks in order, kept in portions. Each task knows its portion, so that a removal searches that portion alone.

    With 100,000 tasks `remove` took 1.7 us, where a list's took 380; `insert` with its search took 12 us after another
    insertion, and 24 us otherwise.
    """

    __slots__ = ("_begins", "_length", "_portions", "_shift")

    def __init__(self, tasks: list[Task]) -> None:
        self._portions = [tasks[first : first + PORTION // 2] for first in range(0, len(tasks), PORTION // 2)]
        for portion in self._portions:
            _own(portion)
        self._length = len(tasks)
        # Where portions begin, and where the last one ends, all larger by `_shift`. So what comes and goes near one end
        # of the queue, as most tasks do, changes the numbers of that end alone.
        self._begins = list(accumulate(map(len, self._portions), initial=0))
        self._shift = 0

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Task]:
        return chain.from_iterable(self._portions)

    def __getitem__(self, index: int) -> Task:
        which = bisect_right(self._begins, index + self._shift) - 1
        return self._portions[which][index + self._shift - self._begins[which]]

    def remove(self, task: Task) -> None:
        """Remove `task`."""
        portion = task.portion
        take_out(portion, task)
        self._grow(self._which(portion), -1)

    def remove_all(self, tasks: Sequence[Task]) -> None:
        """Remove many tasks at once."""
        by_portion: dict[int, list[Task]] = {}
        for task in tasks:
            by_portion.setdefault(id(task.portion), []).append(task)
        for gone in by_portion.values():
            portion = gone[0].portion
            if len(gone) < MANY:
                for task in gone:
                    take_out(portion, task)
            else:
                portion[:] = filterfalse(set(gone).__contains__, portion)
            self._grow(self._which(portion), -len(gone))

    def insert(self, task: Task, waits: int, starts: int) -> None:
        """Put `task` where a binary search by (waits, arrival) over the whole queue ends: see `WaitsQueue`."""
        portions, begins, shift = self._portions, self._begins, self._shift
        low, high = shift, self._length + shift
        came_s = task.came_s
        start = starts - waits
        first = last = low - 1  # the bounds of the portion that the search was in last
        while low < high:
            middle = ((low + high - 2 * shift) // 2) + shift
            if not first <= middle < last:
                which = bisect_right(begins, middle) - 1
                first, last = begins[which], begins[which + 1]
                portion = portions[which]
            other = portion[middle - first]
            other_start = other.waits_from
            if other_start < start or (
                came_s < other.came_s and (other_start == start or (not waits and other_start > start))
            ):
                high = middle
            else:
                low = middle + 1
        which = min(bisect_right(begins, low), len(portions)) - 1
        portion = portions[which]
        portion.insert(low - begins[which], task)
        task.portion = portion
        self._grow(which, 1)
        if len(portion) > PORTION:
            second = portion[PORTION // 2 :]
            del portion[PORTION // 2 :]
            portions.insert(which + 1, second)
            begins.insert(which + 1, begins[which] + PORTION // 2)
            _own(second)

    def _which(self, portion: list[Task]) -> int:
        """The place of a portion, looked for from both ends."""
        portions = self._portions
        low, high = 0, len(portions) - 1
        while portions[low] is not portion:
            if portions[high] is portion:
                return high
            low += 1
            high -= 1
        return low

    def _grow(self, which: int, tasks: int) -> None:
        """Note that a portion has so many more `tasks`, or fewer, and drop it if it has none."""
        self._length += tasks
        begins = self._begins
        if 2 * which < len(begins):
            self._shift -= tasks
            for place in range(which + 1):
                begins[place] = begins[place] - tasks
        else:
            for place in range(which + 1, len(begins)):
                begins[place] = begins[place] + tasks
        if not self._portions[which]:
            del self._portions[which]
            del begins[which]


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
