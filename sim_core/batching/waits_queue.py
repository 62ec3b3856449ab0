"""The queue of a Splitwise instance: tasks by (times waited, arrival), as a binary search saw them when they came.

Those inside have waited on since they were put in, so the queue is not sorted by now, and where a newcomer ends
depends on where the search happens to look. SplitwiseSim does it so, and with memory short its results hang on it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import filterfalse

from sim_core.batching.long_queue import LONG, MANY, LongQueue
from sim_core.request import NEVER, Task

NOBODY, EVERYBODY = (-1.0, 0.0), (float("inf"), 0.0)  # keys, before and after all


class WaitsQueue:
    """`insert` and `remove`, and a short cut for what an overloaded instance does all the time.

    NOTE: a prompt that joins a full batch displaces decodes for an iteration, after which most often all of them
    resume. `set_aside` notes that they are in the queue since then without putting them there, and `remove` what is
    taken out at the same time. If they are all taken out together before anything else comes, there was nothing to
    do. Whoever needs the true order has them put in first, exactly as they would have been.
    """

    __slots__ = ("_aside", "_aside_starts", "_gone", "_tasks")

    def __init__(self) -> None:
        self._tasks: list[Task] | LongQueue = []  # without those set aside, and with those gone since
        self._aside: Sequence[Task] = ()
        self._aside_starts = 0  # batches that the instance had started when they came
        self._gone: list[Task] = []

    def __len__(self) -> int:
        return len(self._tasks) + len(self._aside) - len(self._gone)

    def __iter__(self) -> Iterator[Task]:
        self._settle()
        return iter(self._tasks)

    def __getitem__(self, index: int) -> Task:
        self._settle()
        return self._tasks[index]

    def insert(self, task: Task, starts: int) -> None:
        """Put `task` in, which has not waited yet; `starts` is how many batches the instance has started."""
        if self._aside:
            self._settle()
        self._place(task, 0, starts)

    def set_aside(self, tasks: Sequence[Task], starts: int) -> None:
        """Insert `tasks`, decodes that begin to wait now, one after the other."""
        self._settle()
        self._aside = tasks
        self._aside_starts = starts

    def remove(self, tasks: Sequence[Task], starts: int) -> None:
        """Take `tasks` out, before any of them joins the batch."""
        if self._aside:
            returning = set(self._aside).intersection(tasks)
            if len(returning) == len(self._aside):
                tasks = [*self._gone, *(task for task in tasks if task not in returning)]
                self._aside = ()
                self._gone.clear()
            elif not returning and starts == self._aside_starts:
                self._gone += tasks
                return
            else:
                self._settle()
        self._remove(tasks)

    def take_only(self, task: Task) -> bool:
        """Take `task` out if nothing else is there; otherwise leave it."""
        if len(self._tasks) == 1 and self._tasks[0] is task:
            self._tasks = []
            return True
        return False

    def keep_blocked(self) -> None:
        """Take out all but the decodes behind a prompt that is not done."""
        gone = self._gone
        self._tasks = [task for task in self._tasks if task.waits_from == NEVER and not (gone and task in gone)]
        if self._aside:
            self._aside = ()
            gone.clear()

    def first_has_waited(self, limit: int, starts: int) -> bool:
        """Whether the first in the queue, which must not be empty, has waited `limit` times or more."""
        if self._aside:
            known = self._first_surely_has_waited(limit, starts)
            if known is not None:
                return known
            self._settle()
        return waits(self._tasks[0], starts) >= limit

    def _first_surely_has_waited(self, limit: int, starts: int) -> bool | None:
        """The same with tasks set aside, as far as it can be told without putting them in.

        A search ends in front of a task only if the newcomer comes before it. So the first is either the first of those
        in place, or one of those set aside that come before it, or before one in front of it that is gone.
        """
        furthest = NOBODY
        overdue = False
        for task in self._tasks:
            if task in self._gone:
                furthest = max(furthest, (task.waited, -task.order[0]))
            else:
                furthest = max(furthest, (waits(task, self._aside_starts), -task.order[0]))
                overdue = waits(task, starts) >= limit
                break
        else:
            furthest = EVERYBODY
        more = starts - self._aside_starts
        in_front = [task.waited + more >= limit for task in self._aside if (task.waited, -task.order[0]) < furthest]
        if overdue:
            return None if in_front else True
        return None if any(in_front) else False

    def _settle(self) -> None:
        """Put in those set aside, as of when they came; then take out who has gone since."""
        if not self._aside:
            return
        aside, self._aside = self._aside, ()
        gone, self._gone = self._gone, []
        starts = self._aside_starts
        since = [task.waits_from for task in gone]
        for task in gone:  # as it was when they were about to join
            task.waits_from = starts - task.waited
        for task in aside:
            self._place(task, task.waited, starts)
        for task, waits_from in zip(gone, since, strict=True):
            task.waits_from = waits_from
        self._remove(gone)

    def _remove(self, tasks: Sequence[Task]) -> None:
        queue = self._tasks
        if len(tasks) < MANY:
            for task in tasks:
                queue.remove(task)
        elif isinstance(queue, list):
            self._tasks = list(filterfalse(set(tasks).__contains__, queue))
        else:
            queue.remove_all(tasks)
        if len(queue) < LONG // 4 and not isinstance(queue, list):
            self._tasks = list(queue)

    def _place(self, task: Task, waited: int, starts: int) -> None:
        """Put `task` in, which has waited so often, when the instance had started so many batches.

        NOTE: bisect.insort with the key of `waits`, written out: the key would cost a call and a tuple a comparison.
        """
        queue = self._tasks
        if not isinstance(queue, list):
            queue.insert(task, waited, starts)
            return
        age = task.order[0]
        start = starts - waited
        low, high = 0, len(queue)
        while low < high:
            middle = (low + high) // 2
            other = queue[middle]
            other_start = other.waits_from
            if other_start < start or (
                age > other.order[0] and (other_start == start or (not waited and other_start > start))
            ):
                high = middle
            else:
                low = middle + 1
        queue.insert(low, task)
        if len(queue) > LONG:
            self._tasks = LongQueue(queue)


def waits(task: Task, starts: int) -> int:
    """How many batches, of an instance's first `starts`, began without this task while it was its request's next.

    None for who did not wait yet: a decode behind its own prompt.
    """
    return max(starts - task.waits_from, 0)
