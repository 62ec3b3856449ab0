"""The queue of policies that keep their tasks in order of arrival."""

from __future__ import annotations

from collections.abc import Iterator

from sim_core.batching.base import Batcher
from sim_core.batching.batch import Batch
from sim_core.native import mypyc_attr
from sim_core.request import Task
from sim_core.spec import InstanceSpec


@mypyc_attr(allow_interpreted_subclasses=True)
class FirstComeBatcher(Batcher):
    """Keeps its queue as a list, the first to come first."""

    __slots__ = ("queue",)

    def __init__(self, spec: InstanceSpec, batch: Batch) -> None:
        super().__init__(spec, batch)
        self.queue: list[Task] = []

    def enqueue(self, task: Task) -> None:
        self.queue.append(task)

    def queue_length(self) -> int:
        return len(self.queue)

    def first_queued(self) -> Task:
        return self.queue[0]

    def queued(self) -> Iterator[Task]:
        return iter(self.queue)
