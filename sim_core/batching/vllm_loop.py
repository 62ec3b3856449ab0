"""The loop of vLLM's engine core, in virtual time: it takes what has come, makes a pass, and waits for a step's end.

With asynchronous scheduling two steps are in flight: a pass is made while the step before it still runs, so what comes
waits for a step more. The loop blocks where it waits, so nothing that comes meanwhile is seen before.
"""

from __future__ import annotations

from abc import abstractmethod

from sim_core.batching.vllm_scheduler import VllmScheduler, VllmStep
from sim_core.batching.vllm_sequence import Sequence
from sim_core.native import mypyc_attr

IDLE = -1.0  # no time: the loop waits until something comes
DEPTH = 2  # steps in flight with asynchronous scheduling


@mypyc_attr(allow_interpreted_subclasses=True)
class LoopOwner:
    """Whom the loop notifies, and asks."""

    __slots__ = ()

    @abstractmethod
    def seconds(self, step: VllmStep) -> float:
        """How long a step takes."""

    @abstractmethod
    def scheduled(self, step: VllmStep, now_s: float) -> None:
        """A pass has decided `step`, which is not empty or has preempted a request."""

    @abstractmethod
    def ended(self, step: VllmStep, ended: list[Sequence], now_s: float) -> None:
        """The outputs of `step` have come; those of `ended` were their last."""

    @abstractmethod
    def aborted(self, sequence: Sequence, now_s: float) -> None:
        """A request is gone before its end."""


class Loop:
    """One engine core. `wake` is called when its time has come, or when something comes while it is idle."""

    __slots__ = ("_device_free_s", "_in_flight", "_inbox", "_owner", "_scheduler", "_sleep_s", "_was_empty", "awaits")

    def __init__(self, scheduler: VllmScheduler, owner: LoopOwner, sleep_s: float) -> None:
        self._scheduler = scheduler
        self._owner = owner
        self._sleep_s = sleep_s
        self._inbox: list[tuple[Sequence, bool]] = []  # what has come, in order; whether it is an abort
        self._in_flight: list[VllmStep] = []  # the oldest first
        self._device_free_s = 0.0
        self._was_empty = False  # whether the pass of this turn scheduled nothing
        self.awaits = False  # whether it waits for the oldest step

    def add(self, sequence: Sequence) -> None:
        self._inbox.append((sequence, False))

    def abort(self, sequence: Sequence) -> None:
        self._inbox.append((sequence, True))

    def wake(self, now_s: float) -> float:
        """Go on at `now_s`. Returns when it goes on next; IDLE: when something comes."""
        if self.awaits:
            self.awaits = False
            if self._take_outputs(now_s):
                return now_s + self._sleep_s
        scheduler, owner = self._scheduler, self._owner
        in_flight = self._in_flight
        depth = DEPTH if scheduler.limits.is_async else 1
        while True:
            self._poll(now_s)
            if scheduler.has_requests() or scheduler.has_gone:
                step = scheduler.schedule()
                self._was_empty = not step.sequences
                step.start_s = max(now_s, self._device_free_s)
                step.end_s = step.start_s
                if step.sequences:
                    step.end_s += owner.seconds(step)
                    self._device_free_s = step.end_s
                if step.sequences or step.preempted:
                    owner.scheduled(step, now_s)
                in_flight.append(step)
                if len(in_flight) < depth and (step.sequences or scheduler.has_requests()):
                    continue
            elif not in_flight:
                return IDLE
            else:
                self._was_empty = True
            end_s = in_flight[0].end_s
            if end_s > now_s:
                self.awaits = True
                return end_s
            if self._take_outputs(now_s):
                return now_s + self._sleep_s

    def _poll(self, now_s: float) -> None:
        """Take what has come."""
        inbox = self._inbox
        if inbox:
            for sequence, is_abort in inbox:
                if is_abort:
                    self._abort(sequence, now_s)
                else:
                    self._scheduler.add(sequence)
            inbox.clear()

    def _abort(self, sequence: Sequence, now_s: float) -> None:
        scheduler = self._scheduler
        gone = scheduler.has_gone
        scheduler.has_gone = False
        scheduler.abort(sequence)
        if scheduler.has_gone:
            self._owner.aborted(sequence, now_s)
        scheduler.has_gone |= gone

    def _take_outputs(self, now_s: float) -> bool:
        """Take the outputs of the oldest step. Returns whether the loop sleeps then."""
        scheduler = self._scheduler
        inbox = self._inbox
        if inbox:
            # those who abort are served before the outputs; one that is not added yet is served later
            added = {sequence for sequence, is_abort in inbox if not is_abort}
            for sequence, is_abort in inbox:
                if is_abort and sequence not in added:
                    self._abort(sequence, now_s)
        step = self._in_flight.pop(0)
        ended = scheduler.apply(step)
        if step.sequences:
            self._owner.ended(step, ended, now_s)
        return self._was_empty and (scheduler.has_requests() or scheduler.has_gone)
