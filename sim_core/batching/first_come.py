"""The queue of policies that keep their tasks in order of arrival."""

from __future__ import annotations

from collections.abc import Iterator

from sim_core.batching.whole_prompts import WholePrompts
from sim_core.engine import Engine
from sim_core.kv.base import KvCache
from sim_core.native import mypyc_attr
from sim_core.request import Task
from sim_core.spec import InstanceSpec


@mypyc_attr(allow_interpreted_subclasses=True)
class FirstComeBatcher(WholePrompts):
    """Keeps its queue as a list, the first to come first."""

    __slots__ = ("queue",)

    def __init__(self, spec: InstanceSpec, engine: Engine, kv: KvCache) -> None:
        super().__init__(spec, engine, kv)
        self.queue: list[Task] = []

    def enqueue(self, task: Task) -> None:
        self.queue.append(task)

    def queue_length(self) -> int:
        return len(self.queue)

    def first_queued(self) -> Task:
        return self.queue[0]

    def queued(self) -> Iterator[Task]:
        return iter(self.queue)
