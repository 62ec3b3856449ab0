"""Run to completion: one task at a time, first come, first served."""

from __future__ import annotations

from typing import Any

from sim_core.batching.first_come import FirstComeBatcher
from sim_core.native import mypyc_attr
from sim_core.options import read_options, reads_configuration
from sim_core.request import Task
from sim_core.section import Section


@mypyc_attr(allow_interpreted_subclasses=True)
class DefaultBatcher(FirstComeBatcher):
    """Runs one prompt, or all passes of one decode, and ignores arrivals meanwhile.

    A task is a single long step, so it has the run overhead once.
    """

    __slots__ = ()

    @classmethod
    @reads_configuration
    def read_limits(cls, config: Section) -> dict[str, Any]:
        return {"max_batch_size": 1, "options": read_options(cls.Options, config)}

    def wants(self, task: Task) -> bool:
        return False

    def most_members(self) -> int:
        return 1

    def refill(self) -> None:
        task = self.queue[0]
        if self.kv.fits(task.kv_tokens):
            self.admit([task])

    def admit(self, tasks: list[Task]) -> None:
        for task in tasks:  # one at most, by `most_members`
            self.queue.remove(task)
            self.line.remove(task)
            self._step.passes = task.remaining
            self.batch.join(task, 1)
