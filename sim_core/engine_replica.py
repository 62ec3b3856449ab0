"""A replica that runs the loop of vLLM's engine core: it takes what has come, makes a pass, and waits for a step's end.

With asynchronous scheduling two steps are in flight: a pass is made while the step before it still runs, so what comes
waits for a step more. The loop blocks where it waits, and sees what came meanwhile when it goes on. Turns of which each
would only give a token to each decode are skipped, and counted when the next one is due.
"""

from __future__ import annotations

from typing import Final

from sim_core.batching.vllm import VllmBatcher
from sim_core.batching.vllm_sequence import Sequence
from sim_core.batching.vllm_step import VllmStep
from sim_core.kv.paged import Keeper
from sim_core.memory import KvMemory
from sim_core.native import mypyc_attr
from sim_core.performance.step_times import StepTimes
from sim_core.replica import Owner, Replica
from sim_core.request import Request, Task
from sim_core.start_state.base import InstancePlan
from sim_core.step import Step

DEPTH: Final = 2  # steps in flight with asynchronous scheduling
# why the loop does not run: it waits for something to come, for a step, for a time
ASLEEP: Final = 0
BLOCKED: Final = 1
DUE: Final = 2
NEVER_S: Final = -1.0


@mypyc_attr(allow_interpreted_subclasses=True)
class LoopObserver:
    """Notified of what an engine's loop does. It must not change anything that it is shown."""

    def scheduled(self, replica: EngineReplica, step: VllmStep) -> None:
        """A pass has decided `step`, which has requests or has preempted some."""

    def repeated(self, replica: EngineReplica, step: Step, passes: int) -> None:
        """`passes` passes were made one after the other, each of the decodes of the last one alone; `step` is the
        first."""

    def ended(self, replica: EngineReplica, step: VllmStep, ended: list[Sequence]) -> None:
        """The outputs of `step` have come; those of `ended` were their last."""

    def aborted(self, replica: EngineReplica, sequence: Sequence) -> None:
        """A request is gone before its end."""


class _PoolKeeper(Keeper):
    """Catches up a replica when another one asks for its memory."""

    __slots__ = ("_replica",)

    def __init__(self, replica: EngineReplica) -> None:
        self._replica = replica

    def catch_up(self) -> None:
        self._replica.catch_up()


class EngineReplica(Replica):
    """One engine core and its GPUs."""

    __slots__ = (
        "_device_free_s",
        "_entries",
        "_goes_on_s",
        "_has_polled",
        "_inbox",
        "_run_from_s",
        "_sequences",
        "_skipped",
        "_skipped_step",
        "_sleep_s",
        "_state",
        "_was_empty",
        "empty_from_s",
        "loop_observer",
        "scheduler",
        "turn_s",
    )

    def __init__(
        self, owner: Owner, index: int, plan: InstancePlan, memory: KvMemory, times: StepTimes, batcher: VllmBatcher
    ) -> None:
        super().__init__(owner, index, plan, memory, times, batcher)
        self.scheduler = batcher.scheduler
        self.scheduler.pool.keeper = _PoolKeeper(self)
        self.loop_observer: LoopObserver | None = None
        self._sleep_s: float = batcher.options.empty_step_sleep_s
        self._sequences: dict[Request, Sequence] = {}
        self._entries = 0
        self._inbox: list[tuple[float, bool, int, Sequence]] = []  # what has come: when, whether to abort, request
        self._state = ASLEEP
        self._goes_on_s = NEVER_S  # when the loop goes on
        self._was_empty = False  # whether the last pass scheduled nothing
        self._device_free_s = 0.0  # when the last step ends, also of those skipped
        self.turn_s = 0.0  # when the loop last went on
        self.empty_from_s = 0.0  # its first turn that scheduled nothing, since one did or something came
        self._has_polled = False
        # turns that are skipped
        self._skipped = 0  # as far as is known now
        self._skipped_step = Step()  # the first of their steps
        self._run_from_s = 0.0  # the start of the first of their steps

    # -- arriving ------------------------------------------------------------------------------------------------

    def enter(self, task: Task) -> None:
        self.requests += 1
        self._entries += 1
        task.entry = self._entries
        request, scheduler = task.request, self.scheduler
        if request.prompt_tokens >= scheduler.longest:
            self.requests -= 1
            self.owner.request_refused(request, scheduler.longest)
            return
        self._sequences[request] = sequence = Sequence(
            task, scheduler.longest, task.is_prompt and request.token_instance is not self and request.output_tokens > 1
        )
        scheduler.pool.enter(sequence, request.content)
        if not task.is_prompt:
            sequence.decode_task = task
            sequence.is_loaded = True
            sequence.known = sequence.prompt + 1
            sequence.computed = sequence.prompt
            scheduler.pool.hand_over(request, sequence)
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

    def sequence_of(self, request: Request) -> Sequence:
        """The sequence of a request that is here."""
        return self._sequences[request]

    def memory_freed(self) -> None:
        if self.scheduler.has_requests():
            self._look()

    def catch_up(self) -> None:
        """Make the passes of the skipped turns whose time has come. The one that is due now is not skipped."""
        if self._skipped:
            self._skip_less()
            if self._skipped and self._goes_on_s >= self.engine.now:
                self._count_skipped()

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

    def _go_on_at(self, state: int, time_s: float) -> None:
        self._state = state
        self._goes_on_s = time_s
        if state != ASLEEP:
            self.end = self.engine.at(time_s, self, True)

    def _turn(self) -> None:
        scheduler = self.scheduler
        in_flight = scheduler.in_flight
        now = self.turn_s
        depth = DEPTH if scheduler.is_async else 1
        while True:
            self._poll()
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
        scheduler.drain()
        if self.still_since_s is None and self.kv.in_transit == self.kv.given_up:
            self.still_since_s = self.empty_from_s
        self._sleep(self.turn_s + self._sleep_s)
        return True

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
            step.end_s = self._device_free_s = start_s + self.times.seconds(step, 1)
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
        if self.loop_observer is not None and (step.requests or step.preempted):
            self.loop_observer.scheduled(self, step)
        return step

    def _admitted(self, sequence: Sequence, start_s: float) -> None:
        request = sequence.request
        if request.prompt_start_s is None:
            request.prompt_start_s = start_s
        elif request.prompt_end_s is not None and request.token_start_s is None:
            request.token_start_s = start_s
        paused = sequence.paused
        if paused is not None:
            sequence.paused = None
            request.preempted_s += start_s - paused.paused_at_s
            if self.observer is not None:
                self.observer.decode_resumed(paused, start_s)
            paused.paused_at_s = -1.0

    def _poll(self) -> None:
        """Take what has come."""
        inbox = self._inbox
        if inbox:
            self._has_polled = True
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
            now = self.engine.now
            for sequence in step.first_tokens:
                self._first_token(sequence, now)
            if self.loop_observer is not None:
                self.loop_observer.ended(self, step, ended)
            for sequence in ended:
                self._finish(sequence)
        return self._was_empty and (scheduler.has_requests() or scheduler.has_gone)

    def _first_token(self, sequence: Sequence, now_s: float) -> None:
        request = sequence.request
        request.prompt_end_s = now_s
        if sequence.leaves:
            return
        if request.output_tokens > 1:
            request.token_start_s = now_s
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
            request.token_end_s = self.engine.now
            self.owner.request_finished(request)

    # -- turns that are skipped ----------------------------------------------------------------------------------

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
            self._run_from_s = last_s
            self._device_free_s = last_s + self.times.seconds(step, turns)
            end_s = self._turn_after(turns)
        self._go_on_at(BLOCKED, end_s)

    def _turn_after(self, turns: int) -> float:
        """The time of the turn after `turns` skipped ones."""
        ahead = len(self.scheduler.in_flight) - 1
        if turns < ahead or not turns:
            return self.scheduler.in_flight[turns].end_s
        steps = turns - ahead
        if not steps:
            return self._run_from_s
        return self._run_from_s + self.times.seconds(self._skipped_step, steps)

    def _skip_less(self) -> None:
        """Something has come: the first turn from now on is not skipped."""
        engine = self.engine
        now = engine.now
        if self._goes_on_s <= now:
            return
        turns = 0
        ahead = len(self.scheduler.in_flight) - 1
        step = self._skipped_step
        if now > self._turn_after(0):
            turns = min(
                self.times.steps_within(step, now - self._run_from_s) if now > self._run_from_s else 0, step.repeat
            )
            turns += ahead
            while turns < self._skipped and self._turn_after(turns) < now:
                turns += 1
        if turns >= self._skipped:
            return
        self._skipped = turns
        self._device_free_s = self._run_from_s + (self.times.seconds(step, turns) if turns else 0.0)
        self.end.handler = None
        self._go_on_at(BLOCKED, self._turn_after(turns))

    def _count_skipped(self) -> None:
        """Make the passes of the skipped turns."""
        turns, self._skipped = self._skipped, 0
        step = self._skipped_step
        if self.loop_observer is not None:
            self.loop_observer.repeated(self, step, turns)
        first = self.scheduler.in_flight[0]
        start_s, times = self._run_from_s, self.times
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

    # -- standing still --------------------------------------------------------------------------------------------

    def is_idle(self) -> bool:
        return self._state == ASLEEP

    def go_on(self, despite_transfers: bool = False) -> bool:
        return False

    # -- for results -----------------------------------------------------------------------------------------------

    def steps_until_s(self) -> float:
        return self.end_s

    def busy_until(self, end_s: float) -> float:
        return self.busy_s + max(min(end_s, self._device_free_s) - self.busy_since_s, 0.0)


def _in_order(come: tuple[float, bool, int, Sequence]) -> tuple[float, bool, int]:
    """By time; of one time, requests come before others leave."""
    return come[:3]
