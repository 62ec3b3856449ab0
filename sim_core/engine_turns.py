"""The turns of an engine's loop on the clock, and those that are skipped.

A turn takes the outputs of a step and makes a pass. Turns of which each would only give a token to each decode are
skipped: their steps run as one, and the passes are made when the next turn is due, or another replica asks for memory.
"""

from __future__ import annotations

from typing import Final

from sim_core.batching.vllm import VllmBatcher
from sim_core.batching.vllm_sequence import Sequence
from sim_core.batching.vllm_step import VllmStep
from sim_core.memory import KvMemory
from sim_core.native import mypyc_attr
from sim_core.owner import Owner
from sim_core.performance.step_times import StepTimes
from sim_core.replica import Replica, UnderWay
from sim_core.start_state.base import InstancePlan
from sim_core.step import Step

# why the loop does not run: it waits for something to come, for a step, for a time
ASLEEP: Final = 0
BLOCKED: Final = 1
DUE: Final = 2
NEVER_S: Final = -1.0


@mypyc_attr(allow_interpreted_subclasses=True)
class LoopObserver:
    """Notified of what an engine's loop does. It must not change anything that it is shown."""

    def scheduled(self, replica: EngineTurns, step: VllmStep) -> None:
        """A pass has decided `step`, which has requests or has preempted some."""

    def repeated(self, replica: EngineTurns, step: Step, passes: int) -> None:
        """`passes` passes were made one after the other, each of the decodes of the last one alone; `step` is the
        first."""

    def ended(self, replica: EngineTurns, step: VllmStep, ended: list[Sequence]) -> None:
        """The outputs of `step` have come; those of `ended` were their last."""

    def aborted(self, replica: EngineTurns, sequence: Sequence) -> None:
        """A request is gone before its end."""


class EngineTurns(Replica):
    """When an engine's loop goes on."""

    __slots__ = (
        "_device_free_s",
        "_goes_on_s",
        "_skipped",
        "_skipped_step",
        "_state",
        "loop_observer",
        "scheduler",
        "turn_s",
    )

    def __init__(
        self, owner: Owner, index: int, plan: InstancePlan, memory: KvMemory, times: StepTimes, batcher: VllmBatcher
    ) -> None:
        super().__init__(owner, index, plan, memory, times, batcher)
        self.scheduler = batcher.scheduler
        self.scheduler.pool.catch_up = self.catch_up
        self.scheduler.pool.draw_ahead = self.draw_ahead
        self.loop_observer: LoopObserver | None = None
        self._state = ASLEEP
        self._goes_on_s = NEVER_S  # when the loop goes on
        self.turn_s = 0.0  # when the loop last went on
        self._device_free_s = 0.0  # when the last step ends, also of those of skipped turns
        self._skipped = 0  # turns, as far as is known now
        self._skipped_step = Step()  # the first of their steps

    def _go_on_at(self, state: int, time_s: float) -> None:
        self._state = state
        self._goes_on_s = time_s
        if state != ASLEEP:
            self.end = self.engine.at(time_s, self, True)

    def catch_up(self) -> None:
        """Make the passes of the skipped turns whose time has come. The one that is due now is not skipped."""
        if self._skipped:
            self._skip_less()
            if self._skipped and self._goes_on_s >= self.engine.now:
                self._count_skipped()

    def _wait(self, end_s: float) -> None:
        """Block until the oldest step ends, at `end_s`, or as many further ones as are all alike."""
        scheduler = self.scheduler
        turns = scheduler.alike()
        self._skipped = turns
        if turns:
            in_flight = scheduler.in_flight
            step = self._skipped_step
            step.decodes = scheduler.decodes.count
            step.decode_context = scheduler.decodes.context()
            step.repeat = turns
            last_s = in_flight[-1].end_s
            self._device_free_s = last_s + self.times.seconds(step, turns)
            end_s = self._turn_after(turns)
        self._go_on_at(BLOCKED, end_s)

    def _turn_after(self, turns: int) -> float:
        """The time of the turn after `turns` skipped ones."""
        in_flight = self.scheduler.in_flight
        ahead = len(in_flight) - 1
        if turns <= ahead:
            return in_flight[turns].end_s
        return in_flight[ahead].end_s + self.times.seconds(self._skipped_step, turns - ahead)

    def draw_ahead(self) -> None:
        """Take the blocks of the skipped turns whose time has come, without their passes."""
        if self._skipped:
            self.scheduler.draw_ahead(self._turns_by_now())

    def _turns_by_now(self) -> int:
        """How many of the skipped turns were to be before now."""
        now = self.engine.now
        if self._goes_on_s <= now:
            return self._skipped
        turns = 0
        in_flight = self.scheduler.in_flight
        step = self._skipped_step
        from_s = in_flight[-1].end_s
        if now > in_flight[0].end_s:
            turns = min(self.times.steps_within(step, now - from_s) if now > from_s else 0, step.repeat)
            turns += len(in_flight) - 1
            while turns < self._skipped and self._turn_after(turns) < now:
                turns += 1
        return min(turns, self._skipped)

    def _skip_less(self) -> None:
        """Something has come: the first turn from now on is not skipped."""
        turns = self._turns_by_now()
        if turns >= self._skipped:
            return
        step, from_s = self._skipped_step, self.scheduler.in_flight[-1].end_s
        self._skipped = turns
        self._device_free_s = from_s + (self.times.seconds(step, turns) if turns else 0.0)
        self.end.handler = None
        self._go_on_at(BLOCKED, self._turn_after(turns))

    def _count_skipped(self) -> None:
        """Make the passes of the skipped turns."""
        turns, self._skipped = self._skipped, 0
        step = self._skipped_step
        if self.loop_observer is not None:
            self.loop_observer.repeated(self, step, turns)
        in_flight, times = self.scheduler.in_flight, self.times
        first, start_s = in_flight[0], in_flight[-1].end_s
        before_s = start_s + times.seconds(step, turns - 1) if turns > 1 else start_s
        last = self.scheduler.repeat(turns)
        last.start_s, last.end_s = before_s, self._device_free_s
        if len(self.scheduler.in_flight) > 1 and turns > 1:
            oldest = self.scheduler.in_flight[0]
            oldest.end_s = before_s
            oldest.start_s = start_s + times.seconds(step, turns - 2) if turns > 2 else start_s
        if self.observer is not None:
            self._tell_of_skipped(first, turns)

    def _tell_of_skipped(self, first: VllmStep, turns: int) -> None:
        """Notify the observer of the steps whose outputs the skipped turns took, from `first` on."""
        self.step = step = first.after(0)
        step.repeat = turns
        self.end_s = end_s = self.scheduler.in_flight[0].start_s
        self.length_s = end_s - first.start_s
        if self.observer is not None:
            self.observer.iterations_ended(self)

    def under_way(self) -> UnderWay | None:
        self.catch_up()
        for step in self.scheduler.in_flight:
            if step.requests:
                return UnderWay(step, step.start_s, step.end_s)
        return None

    def steps_until_s(self) -> float:
        return self.end_s

    def busy_until(self, end_s: float) -> float:
        self.catch_up()  # the run may end among skipped turns
        return self.busy_s + max(min(end_s, self._device_free_s) - self.busy_since_s, 0.0)

    def prompt_busy_until(self, end_s: float) -> float:
        self.catch_up()
        beyond_s = 0.0
        for step in self.scheduler.in_flight:
            if step.prompt_tokens:
                beyond_s += max(step.end_s - max(step.start_s, end_s), 0.0)
        return self.prompt_busy_s - beyond_s
