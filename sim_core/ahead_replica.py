"""A replica for a batcher that is asked one step ahead, as engines with asynchronous scheduling do.

The step after the running ones is under way, too: it follows without a gap, and an arrival waits for one step more. Of
several equal steps the last one is the step that follows, and the batcher is asked for more when only that is left.
"""

from __future__ import annotations

from sim_core.batching.base import Batcher
from sim_core.memory import KvMemory
from sim_core.owner import Owner
from sim_core.performance.step_times import StepTimes
from sim_core.start_state.base import InstancePlan
from sim_core.step import Step
from sim_core.step_replica import StepReplica


class AheadReplica(StepReplica):
    """One replica with two steps under way."""

    __slots__ = ("_ahead", "_goes_on")

    def __init__(
        self, owner: Owner, index: int, plan: InstancePlan, memory: KvMemory, times: StepTimes, batcher: Batcher
    ) -> None:
        super().__init__(owner, index, plan, memory, times, batcher)
        self._goes_on = False  # whether one more of the running steps follows
        self._ahead: Step | None = None  # what the batcher has chosen to follow otherwise

    def _run(self, step: Step) -> None:
        self._goes_on = step.repeat > 1
        if self._goes_on:
            step.repeat -= 1
            is_settled = step.repeat == 1
        else:
            self._ahead = ahead = self.batcher.next_step()
            is_settled = ahead is None or ahead.repeat == 1
        super()._run(step)
        self.settled = is_settled

    def _cut(self) -> None:
        if self.step.repeat > 1:
            super()._cut()
            return
        self.settled = True
        if self._ahead is not None:
            self._ahead.repeat = 1

    def fire(self, _nothing: None, /) -> None:
        ahead, self._ahead = self._ahead, None
        if self._goes_on:
            ahead = self.step.after(self.step.repeat)
        self._end_steps()
        step = self.batcher.next_step() if ahead is None else ahead
        if step is None:
            self._nothing_to_run()
        else:
            self._run(step)
