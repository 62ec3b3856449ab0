"""ORCA: iteration-level batching, first come, first served by request arrival; a batch keeps its members."""

from __future__ import annotations

from sim_core.batching.base import Instance
from sim_core.request import Task


class OrcaInstance(Instance):
    """Takes waiting tasks in order of their request's arrival until the batch or the memory is full.

    Prompts join the running decodes at the next iteration. There is no limit on a batch's tokens and no preemption.
    """

    queue: list[Task]

    __slots__ = ()

    def enqueue(self, task: Task) -> None:
        self.queue.append(task)

    def arrived(self, task: Task) -> None:
        size = self.batch_size()
        if size == 0:
            if self.fits(task.kv_tokens):
                self.start()
        elif size < self.max_batch_size:
            self.cut()

    def refill(self) -> None:
        room = self.max_batch_size - self.batch_size()
        free = self.kv_capacity - self.kv_tokens
        new: list[Task] = []
        for *_, task in reversed(self.waiting):
            if len(new) == room or task.kv_tokens > free:
                break
            free -= task.kv_tokens
            new.append(task)
        self.admit(new)

    def admit(self, tasks: list[Task]) -> None:
        tokens = len(self.decodes)
        for task in tasks:
            self.stop_waiting(task)
            self.queue.remove(task)
            self.join(task)
            tokens += task.batch_tokens
        self.batch_tokens = tokens
