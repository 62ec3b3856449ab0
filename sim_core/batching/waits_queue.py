"""The queue of a replica with Splitwise's policy.

Tasks are inserted by binary search on (times passed over, arrival). Keys change while tasks wait, so the list is not
fully sorted and the place of a new task depends on the search path. SplitwiseSim behaves this way and, where memory is
short, its results depend on it, so we reproduce it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import filterfalse

from sim_core.batching.long_queue import LONG, MANY, LongQueue, take_out
from sim_core.request import NEVER, Task


class WaitsQueue:
    """The queue, with a fast path for overloaded instances.

    There a prompt that joins a full batch displaces decodes for one iteration, and usually all of them resume after it.
    So `set_aside` only notes that these decodes are in the queue, and `remove` notes which other tasks leave at the
    same time. If all decodes leave together before another task comes, nothing has to be done. Operations that need
    the true order insert them first, exactly where they would have been.
    """

    __slots__ = ("_aside", "_aside_starts", "_gone", "_tasks")

    def __init__(self) -> None:
        self._tasks: list[Task] | LongQueue = []  # without tasks set aside, and with those that have left since
        self._aside: Sequence[Task] = ()
        self._aside_starts = 0  # the replica's `starts` when they were set aside
        self._gone: list[Task] = []

    def __len__(self) -> int:
        return len(self._tasks) + len(self._aside) - len(self._gone)

    def first(self) -> Task:
        """The first task of the queue, which must not be empty."""
        self._settle()
        return self._tasks[0]

    def in_order(self) -> Iterator[Task]:
        """All tasks of the queue."""
        self._settle()
        return iter(self._tasks)

    def insert(self, task: Task, starts: int) -> None:
        """Insert `task`, which has not waited yet; `starts` counts the batches that the instance has started."""
        if self._aside:
            self._settle()
        self._place(task, 0, starts)

    def set_aside(self, tasks: Sequence[Task], starts: int) -> None:
        """Insert `tasks`, decodes that begin to wait now, in this order."""
        self._settle()
        self._aside = tasks
        self._aside_starts = starts

    def remove(self, tasks: Sequence[Task], starts: int) -> None:
        """Remove `tasks`, before any of them joins the batch."""
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
        """Remove `task` if it is the only one. Returns whether it was."""
        if len(self._tasks) == 1 and self._tasks[0] is task:
            self._tasks = []
            return True
        return False

    def keep_blocked(self) -> None:
        """Remove all tasks but the decodes whose own prompt has not run yet."""
        gone = self._gone
        self._tasks = [task for task in self._tasks if task.waits_from == NEVER and not (gone and task in gone)]
        if self._aside:
            self._aside = ()
            gone.clear()

    def first_has_waited(self, limit: int, starts: int) -> bool:
        """Whether the first task of the queue, which must not be empty, has waited `limit` times or more."""
        if self._aside:
            known = self._first_surely_has_waited(limit, starts)
            if known is not None:
                return known
            self._settle()
        return waits(self._tasks[0], starts) >= limit

    def _first_surely_has_waited(self, limit: int, starts: int) -> bool | None:
        """The same with tasks set aside, as far as it is certain without inserting them; None: it is not.

        A set-aside task can become the head only if its key is smaller than the key of the current head, or of a
        removed task that stood before the head. Check just those.
        """
        aside_starts = self._aside_starts
        most_waited, latest_s = -1, 0.0  # of these tasks, by the number of waits first
        overdue = False
        for task in self._tasks:
            is_gone = task in self._gone
            waited = task.waited if is_gone else waits(task, aside_starts)
            if waited > most_waited or (waited == most_waited and task.came_s > latest_s):
                most_waited, latest_s = waited, task.came_s
            if not is_gone:
                overdue = waits(task, starts) >= limit
                break
        else:
            most_waited = NEVER
        enough = limit - (starts - aside_starts)
        for task in self._aside:
            waited = task.waited
            if (overdue or waited >= enough) and (
                waited < most_waited or (waited == most_waited and task.came_s < latest_s)
            ):
                return None
        return overdue

    def _settle(self) -> None:
        """Insert the tasks set aside, as of the time when they were; then remove the tasks that have left since."""
        if not self._aside:
            return
        aside, self._aside = self._aside, ()
        gone, self._gone = self._gone, []
        starts = self._aside_starts
        since = [task.waits_from for task in gone]
        for task in gone:  # as it was before they joined the batch
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
                if isinstance(queue, list):
                    take_out(queue, task)
                else:
                    queue.remove(task)
        elif isinstance(queue, list):
            self._tasks = list(filterfalse(set(tasks).__contains__, queue))
        else:
            queue.remove_all(tasks)
        if len(queue) < LONG // 4 and not isinstance(queue, list):
            self._tasks = list(queue)

    def _place(self, task: Task, waited: int, starts: int) -> None:
        """Insert `task`, which has waited `waited` times by the replica's `starts`.

        This is bisect.insort with the key of `waits`, written out: a key would cost a call and a tuple per comparison.
        """
        queue = self._tasks
        if not isinstance(queue, list):
            queue.insert(task, waited, starts)
            return
        came_s = task.came_s
        start = starts - waited
        low, high = 0, len(queue)
        while low < high:
            middle = (low + high) // 2
            other = queue[middle]
            other_start = other.waits_from
            if other_start < start or (
                came_s < other.came_s and (other_start == start or (not waited and other_start > start))
            ):
                high = middle
            else:
                low = middle + 1
        queue.insert(low, task)
        if len(queue) > LONG:
            self._tasks = LongQueue(queue)


def waits(task: Task, starts: int) -> int:
    """How many of the replica's first `starts` batches began without this task while it could have run.

    0 for a decode whose own prompt has not run yet.
    """
    return max(starts - task.waits_from, 0)
