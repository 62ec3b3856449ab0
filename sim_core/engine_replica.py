"""A replica that runs the loop of vLLM's engine core: it takes what has come, makes a pass, and waits for a step's end.

With asynchronous scheduling two steps are in flight: a pass is made while the step before it still runs, so what comes
waits for a step more. The loop blocks where it waits, and sees what came meanwhile when it goes on.
"""

from __future__ import annotations

from typing import Final

from sim_core.batching.vllm import VllmBatcher
from sim_core.batching.vllm_sequence import Sequence
from sim_core.batching.vllm_step import VllmStep
from sim_core.engine_progress import Progress
from sim_core.engine_turns import ASLEEP, BLOCKED, DUE, NEVER_S, EngineTurns
from sim_core.memory import KvMemory
from sim_core.owner import Owner
from sim_core.performance.step_times import StepTimes
from sim_core.request import Request, Task
from sim_core.start_state.base import InstancePlan

DEPTH: Final = 2  # steps in flight with asynchronous scheduling


class EngineReplica(EngineTurns):
    """One engine core and its GPUs."""

    __slots__ = (
        "_entries",
        "_has_polled",
        "_inbox",
        "_progress",
        "_sequences",
        "_sleep_s",
        "_was_empty",
        "empty_from_s",
    )

    def __init__(
        self, owner: Owner, index: int, plan: InstancePlan, memory: KvMemory, times: StepTimes, batcher: VllmBatcher
    ) -> None:
        super().__init__(owner, index, plan, memory, times, batcher)
        self._sleep_s: float = batcher.options.empty_step_sleep_s
        self._sequences: dict[Request, Sequence] = {}
        self._entries = 0
        self._inbox: list[tuple[float, bool, int, Sequence]] = []  # what has come: when, whether to abort, request
        self._was_empty = False  # whether the last pass scheduled nothing
        self.empty_from_s = 0.0  # its first turn without a result since one had any, or since something came
        self._has_polled = False
        self._progress = Progress(batcher.scheduler)

    # -- arriving ------------------------------------------------------------------------------------------------

    def enter(self, task: Task) -> None:
        self.requests += 1
        self._entries += 1
        task.entry = self._entries
        request, scheduler = task.request, self.scheduler
        self._sequences[request] = sequence = Sequence(
            task, scheduler.longest, task.is_prompt and request.token_instance is not self and request.output_tokens > 1
        )
        scheduler.pool.enter(sequence, request.content)
        if not task.is_prompt:
            sequence.decode_task = task
            sequence.known = sequence.prompt + 1
            if scheduler.pool.has_received(request):
                sequence.is_loaded = True
                sequence.computed = sequence.prompt
                scheduler.pool.hand_over(request, sequence, sequence.known)
            else:
                sequence.lost = sequence.prompt
        self._come(sequence, False)

    def enter_behind(self, task: Task, prompt: Task) -> None:
        task.entry = prompt.entry
        sequence = self._sequences.get(task.request)
        if sequence is not None:
            sequence.decode_task = task

    def evict(self, request: Request) -> None:
        """Let a request leave before its end, when the loop next looks. The owner is not notified."""
        sequence = self._sequences.get(request)
        if sequence is not None:
            self._come(sequence, True)

    def memory_freed(self) -> None:
        if self.scheduler.has_requests():
            self._progress.forget()
            self._look()

    def _come(self, sequence: Sequence, is_abort: bool) -> None:
        self._inbox.append((self.engine.now, is_abort, sequence.request.index, sequence))
        self._look()

    def _look(self) -> None:
        """Something has come, or memory was freed: the loop is to look at its next turn."""
        if self._state == ASLEEP:
            self._state = DUE
            self._goes_on_s = self._next_turn_s()
            if self._goes_on_s <= self.engine.now:
                self.engine.last(self)
            else:
                self.end = self.engine.at(self._goes_on_s, self, True)
        elif self._skipped:
            self._skip_less()

    def _next_turn_s(self) -> float:
        """When a loop that sleeps looks for what has come: at once; but where requests are here that cannot run, it
        looks again and again, and sleeps in between."""
        now = self.engine.now
        if self._goes_on_s == NEVER_S:
            return now
        next_s = self._goes_on_s
        if next_s < now:
            next_s += (now - next_s) // self._sleep_s * self._sleep_s
            while next_s < now:
                next_s += self._sleep_s
        return next_s

    # -- turns of the loop ---------------------------------------------------------------------------------------

    def fire(self, is_event: bool | None, /) -> None:
        """The time to go on has come; once everything of this time has happened, the loop does."""
        if is_event is not None and not self.engine.is_last():
            self.engine.last(self)
            return
        if self._skipped:
            self._count_skipped()
        self.turn_s = self.engine.now
        if self._state == BLOCKED and self._take_outputs():
            self._go_on_at(DUE, self.turn_s + self._sleep_s)
            return
        self._turn()

    def _turn(self) -> None:
        scheduler = self.scheduler
        in_flight = scheduler.in_flight
        now = self.turn_s
        depth = DEPTH if scheduler.is_async else 1
        while True:
            self._poll()
            if self._progress.is_futile and self._gives_up():
                return
            if scheduler.has_requests() or scheduler.has_gone:
                was_empty = self._was_empty
                step = self._pass()
                if was_empty and self._was_empty and self._stalls():
                    return
                if len(in_flight) < depth and (step.requests or scheduler.has_requests()):
                    continue
            elif in_flight:
                self._was_empty = True
            else:
                self._sleep()
                return
            end_s = in_flight[0].end_s
            if end_s > now:
                self._wait(end_s)
                return
            if self._take_outputs():
                self._go_on_at(DUE, now + self._sleep_s)
                return

    def _sleep(self, time_s: float = NEVER_S) -> None:
        """Wait for something to come. `time_s`: when the loop would look next by itself, and find nothing new."""
        self._go_on_at(ASLEEP, time_s)
        self.running = False
        self.busy_s += self._device_free_s - self.busy_since_s
        self.busy_since_s = self._device_free_s
        if self.observer is not None:
            self.observer.batch_empty(self)
        if not self.requests:
            self.owner.replica_idle(self)

    def _stalls(self) -> bool:
        """Whether requests are here that will never run, unless something comes."""
        scheduler = self.scheduler
        in_flight = scheduler.in_flight
        if not scheduler.has_requests() or any(step.requests or step.preempted for step in in_flight):
            return False
        self._stand_still()
        return True

    def _stand_still(self) -> None:
        self.scheduler.drain()
        if self.still_since_s is None and self.kv.in_transit == self.kv.given_up:
            self.still_since_s = self.empty_from_s
        self._sleep(self.turn_s + self._sleep_s)

    def _pass(self) -> VllmStep:
        step = self.scheduler.schedule()
        now = self.turn_s
        step.start_s = start_s = max(now, self._device_free_s)
        if step.requests:
            self._was_empty = False
            self.running = True
            if start_s > self._device_free_s:
                self.busy_s += self._device_free_s - self.busy_since_s
                self.busy_since_s = start_s
            length_s = self.times.seconds(step, 1)
            step.end_s = self._device_free_s = start_s + length_s
            if step.prompt_tokens:
                self.prompt_busy_s += length_s
            for sequence in step.admitted:
                self._admitted(sequence, start_s)
        else:
            if not self._was_empty or self._has_polled:
                self.empty_from_s = now
            self._was_empty = True
            step.end_s = start_s
        self._has_polled = False
        if step.preempted:
            for sequence in step.preempted:
                sequence.paused = task = sequence.present_task()
                task.paused_at_s = start_s
            self._progress.preempted()
        if self.loop_observer is not None and (step.requests or step.preempted):
            self.loop_observer.scheduled(self, step)
        return step

    def _admitted(self, sequence: Sequence, start_s: float) -> None:
        sequence.begins(start_s)
        paused = sequence.paused
        if paused is not None:
            sequence.paused = None
            sequence.request.preempted_s += start_s - paused.paused_at_s
            if self.observer is not None:
                self.observer.decode_resumed(paused, start_s)
            paused.paused_at_s = -1.0

    def _poll(self) -> None:
        """Take what has come."""
        inbox = self._inbox
        if inbox:
            self._has_polled = True
            self._progress.forget()
            if len(inbox) > 1:
                inbox.sort(key=_in_order)
            for _, is_abort, _, sequence in inbox:
                if is_abort:
                    self._abort(sequence)
                else:
                    self.scheduler.add(sequence)
            inbox.clear()

    def _abort(self, sequence: Sequence) -> None:
        if self.scheduler.abort(sequence):
            self.requests -= 1
            del self._sequences[sequence.request]
            if self.loop_observer is not None:
                self.loop_observer.aborted(self, sequence)

    def _abort_before_outputs(self) -> None:
        """Let requests leave that were aborted while the step ran; one that is not added yet leaves later."""
        new: set[Sequence] = set()
        self._inbox.sort(key=_in_order)
        for _, is_abort, _, sequence in self._inbox:
            if not is_abort:
                new.add(sequence)
            elif sequence not in new:
                self._abort(sequence)

    def _take_outputs(self) -> bool:
        """Take the outputs of the oldest step. Returns whether the loop sleeps for a moment then."""
        scheduler = self.scheduler
        if self._inbox:
            self._abort_before_outputs()
        step = scheduler.in_flight[0]
        if step.requests:
            self.step = step
            self.length_s = step.end_s - step.start_s
            self.end_s = step.end_s
            if self.observer is not None:
                self.observer.iterations_ended(self)
        ended = scheduler.apply()
        if step.requests:
            self.empty_from_s = now = self.engine.now
            for sequence in step.first_tokens:
                self._first_token(sequence, now)
            if self.loop_observer is not None:
                self.loop_observer.ended(self, step, ended)
            for sequence in ended:
                self._finish(sequence)
        return self._was_empty and (scheduler.has_requests() or scheduler.has_gone)

    def _first_token(self, sequence: Sequence, now_s: float) -> None:
        request = sequence.request
        request.first_token_s = now_s
        if sequence.leaves:
            return
        if request.output_tokens > 1:
            request.decoding_s = now_s
        self.owner.prompt_finished(request, False)

    def _finish(self, sequence: Sequence) -> None:
        request = sequence.request
        self.requests -= 1
        del self._sequences[request]
        if sequence.leaves:
            self.kv.in_transit += 1
            request.kv_tokens = request.prompt_kv_tokens
            self.owner.prompt_finished(request, True)
        else:
            request.last_token_s = self.engine.now
            self.owner.request_finished(request)

    # -- standing still --------------------------------------------------------------------------------------------

    def _gives_up(self) -> bool:
        """Whether the loop stops what is futile. While a cache may still leave it goes on, as vLLM does, until it is
        told to stop."""
        scheduler, progress = self.scheduler, self._progress
        if not (progress.stops or self.kv.in_transit == self.kv.given_up):
            return False
        if progress.is_made() or scheduler.orders_ties():
            progress.forget()
            return False
        if scheduler.running or any(step.requests for step in scheduler.in_flight):
            return False
        self._stand_still()
        return True

    def is_idle(self) -> bool:
        return self._state == ASLEEP or self._progress.is_futile

    def stands_still(self) -> bool:
        return self._state == ASLEEP and self.kv.in_transit == self.kv.given_up

    def go_on(self, despite_transfers: bool = False) -> bool:
        """Where what runs is futile, stop: only then do free blocks tell which caches have room."""
        if not despite_transfers or self._state == ASLEEP:
            return False
        return self._progress.stop()


def _in_order(come: tuple[float, bool, int, Sequence]) -> tuple[float, bool, int]:
    """By time; of one time, requests come before others leave."""
    return come[:3]
