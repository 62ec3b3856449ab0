"""Run to completion: one task at a time, first come, first served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sim_core.batching.base import Instance
from sim_core.batching.contacts import Owner
from sim_core.engine import Engine
from sim_core.options import read_options, reads_configuration
from sim_core.request import Task
from sim_core.section import Section

if TYPE_CHECKING:
    from sim_core.memory import KvMemory
    from sim_core.performance.base import IterationTimes
    from sim_core.start_state.base import InstancePlan


class DefaultInstance(Instance):
    """Runs one prompt, or all iterations of one decode, and ignores arrivals meanwhile.

    A task is a single long iteration of the instance, and has the run overhead once.
    """

    queue: list[Task]

    __slots__ = ("_run_s",)

    overhead_per_iteration = False

    def __init__(
        self, engine: Engine, owner: Owner, index: int, plan: InstancePlan, memory: KvMemory, times: IterationTimes
    ) -> None:
        super().__init__(engine, owner, index, plan, memory, times)
        self._run_s = plan.spec.run_s

    @classmethod
    @reads_configuration
    def read_limits(cls, config: Section) -> dict[str, Any]:
        return {"max_batch_size": 1, "options": read_options(cls.Options, config)}

    def enqueue(self, task: Task) -> None:
        self.queue.append(task)

    def arrived(self, task: Task) -> None:
        if self.batch_size() == 0 and self.fits(task.kv_tokens):
            self.start()

    def start(self) -> None:
        if self.batch_size():  # it runs to completion
            return
        self.busy_since_s = self.engine.now
        if self.waiting and not (self.recovering and self.recover()):
            self.refill()
        self.starts += 1
        self.plan()

    def plan(self) -> None:
        if self.batch_size():
            self.planned = 1
            self.end = self.engine.at(self.engine.now + self.duration_s, self.finish, None)
        else:
            super().plan()

    def refill(self) -> None:
        task = self.queue[0]
        if self.fits(task.kv_tokens):
            self.admit([task])

    def most_members(self) -> int:
        return 1

    def admit(self, tasks: list[Task]) -> None:
        if not tasks:
            return
        (task,) = tasks  # as `most_members` is 1
        self.queue.remove(task)
        self.stop_waiting(task)
        self.batch_tokens = tokens = task.batch_tokens
        if task.is_prompt:
            self.duration_s = self._run_s + self.times.prompt_s[tokens]
        else:
            self.duration_s = self._run_s + self.times.decode_s[tokens] * task.remaining
            task.remaining = 1
        self.join(task)
