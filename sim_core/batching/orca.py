"""ORCA: iteration-level batching, first come, first served by request arrival; a batch keeps its members."""

from __future__ import annotations

from sim_core.batching.first_come import FirstComeBatcher
from sim_core.native import mypyc_attr
from sim_core.request import Task


@mypyc_attr(allow_interpreted_subclasses=True)
class OrcaBatcher(FirstComeBatcher):
    """Takes waiting tasks in order of their request's arrival until the batch or the memory is full.

    Prompts join the running decodes at the next iteration. There is no limit on a batch's tokens and no preemption.
    """

    __slots__ = ()

    def wants(self, task: Task) -> bool:
        return len(self.batch) < self.max_batch_size

    def refill(self) -> None:
        room = self.max_batch_size - len(self.batch)
        free = self.kv.capacity - self.kv.tokens
        new: list[Task] = []
        for task in self.line.in_order():
            if len(new) == room or task.kv_tokens > free:
                break
            free -= task.kv_tokens
            new.append(task)
        self.admit(new)

    def admit(self, tasks: list[Task]) -> None:
        for task in tasks:
            self.line.remove(task)
            self.queue.remove(task)
            self.batch.join(task, task.remaining)
