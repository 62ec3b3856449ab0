"""The line of tasks that wait at a replica."""

from __future__ import annotations

from sim_core.request import Task


class Line:
    """The tasks that could run next and have not been in the batch yet, in order of arrival, with sums over them.

    `tasks` has the newest first: tasks mostly come at the front and leave at the end, where both cost little.
    """

    __slots__ = ("batch_tokens", "kv_tokens", "tasks")

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.batch_tokens = 0
        self.kv_tokens = 0  # memory that they take when they start

    def add(self, task: Task) -> None:
        """Add `task`, which has entered the replica."""
        self.batch_tokens += task.batch_tokens
        self.kv_tokens += task.kv_tokens
        tasks = self.tasks
        tasks.insert(self._place(task) if tasks else 0, task)

    def remove(self, task: Task) -> None:
        """Remove `task`, whose `kv_tokens` must be as they were when it was added."""
        self.batch_tokens -= task.batch_tokens
        self.kv_tokens -= task.kv_tokens
        tasks = self.tasks
        if tasks[-1] is task:
            tasks.pop()
        else:
            del tasks[self._place(task)]

    def clear(self) -> None:
        """Remove all tasks."""
        self.tasks.clear()
        self.batch_tokens = self.kv_tokens = 0

    def _place(self, task: Task) -> int:
        """How many tasks are newer than `task`: they came later, or at the same time and entered later."""
        tasks, came_s, entry = self.tasks, task.came_s, task.entry
        if tasks[0].came_s < came_s:
            return 0
        low, high = 0, len(tasks)
        while low < high:
            middle = (low + high) // 2
            other = tasks[middle]
            if other.came_s > came_s or (other.came_s == came_s and other.entry > entry):
                low = middle + 1
            else:
                high = middle
        return low
