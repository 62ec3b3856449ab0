"""A replica that asks its batcher for steps: the physics, alike for all policies.

It starts the steps that its batcher chooses, cuts them at an arrival, and finishes them. Equal steps run as one event,
as many as the batcher says, so a batch of decodes alone needs no event per token. How long they take, and how many of
them have ended at a time, its step times say: equal steps need not take equally long.
"""

from __future__ import annotations

from sim_core.batching.base import Batcher
from sim_core.memory import KvMemory
from sim_core.owner import Owner
from sim_core.performance.step_times import StepTimes
from sim_core.replica import Replica, UnderWay
from sim_core.request import Request, Task
from sim_core.start_state.base import InstancePlan
from sim_core.step import Step


class StepReplica(Replica):
    """One replica that runs what its batcher chooses."""

    __slots__ = ("leaving", "settled")

    def __init__(
        self, owner: Owner, index: int, plan: InstancePlan, memory: KvMemory, times: StepTimes, batcher: Batcher
    ) -> None:
        super().__init__(owner, index, plan, memory, times, batcher)
        self.settled = False  # whether the end of the running steps is: no arrival cuts them
        self.leaving: list[Request] = []  # leave at the end of the running steps: see `evict`

    # -- arriving ------------------------------------------------------------------------------------------------

    def enter(self, task: Task) -> None:
        self.requests += 1
        batcher = self.batcher
        if self.running:
            batcher.add(task)
            if not self.settled and batcher.wants(task):
                self._cut()
            return
        step = batcher.take_alone(task)
        if step is not None:
            self.busy_since_s = self.engine.now
            self._run(step)
            return
        batcher.add(task)
        if batcher.starts(task):
            self._start()

    def enter_behind(self, task: Task, prompt: Task) -> None:
        batcher = self.batcher
        batcher.add_behind(task, prompt)
        if not self.running:
            if batcher.starts(task):
                self._start()
        elif not self.settled and batcher.wants(task):
            self._cut()

    def memory_freed(self) -> None:
        batcher = self.batcher
        if not self.requests or not batcher.has_waiting():
            return
        if self.running:
            if not self.settled and batcher.has_room():
                self._cut()
        elif batcher.has_room():
            self._start()
        else:
            self.go_on()

    def evict(self, request: Request) -> None:
        """As in the base class: at the end of the step that runs, or at once where nothing runs."""
        self.leaving.append(request)
        if self.running:
            if not self.settled:
                self._cut()
            return
        self._let_leave()
        if self.requests:
            self.memory_freed()
        else:
            self.owner.replica_idle(self)

    # -- steps ---------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        """Start the next steps of a replica on which nothing runs."""
        self.busy_since_s = self.engine.now
        step = self.batcher.next_step()
        if step is None:
            self._nothing_to_run()
        else:
            self._run(step)

    def _run(self, step: Step) -> None:
        """Run the steps that the batcher has chosen."""
        self.running = True
        self.step = step
        self.settled = step.repeat == 1 and step.prompt_tokens > 0
        self.length_s = length_s = self.times.seconds(step, step.repeat)
        self.end_s = end_s = self.engine.now + length_s
        self._end_at(end_s)

    def _end_at(self, end_s: float) -> None:
        """Let the running steps end at `end_s`. The event of the steps before them is over, or cancelled."""
        end, engine = self.end, self.engine
        self.end = engine.again(end, end_s) if end.handler is not None else engine.at(end_s, self, None)

    def _nothing_to_run(self) -> None:
        """No task can run in the policy's order."""
        self.running = False
        now = self.engine.now
        if now > self.busy_since_s:  # the last requests left before their end
            self.busy_s += now - self.busy_since_s
            self.busy_since_s = now
        if self.requests and self.go_on():
            return
        if self.observer is not None:
            self.observer.batch_empty(self)
        if not self.requests:
            self.owner.replica_idle(self)

    def _cut(self) -> None:
        """End the running steps at their next boundary. The order of the arithmetic is SplitwiseSim's."""
        step = self.step
        self.settled = True
        times = self.times
        now = self.engine.now
        elapsed_s = now - (self.end_s - self.length_s)
        step.repeat = min(times.steps_within(step, elapsed_s) + 1, step.repeat)
        self.length_s = length_s = times.seconds(step, step.repeat)
        remaining_s = length_s - elapsed_s
        self.end.handler = None
        if remaining_s <= 0.0:
            self.fire(None)
        else:
            self.end_s = end_s = now + remaining_s
            self._end_at(end_s)

    def fire(self, _nothing: None, /) -> None:
        """Steps end: tasks that are done leave, and the next steps start."""
        self._end_steps()
        engine = self.engine
        step = self.batcher.next_step()
        if step is None:
            self._nothing_to_run()
        else:  # `_run` written out, as this is called the most
            self.step = step
            self.settled = step.repeat == 1 and step.prompt_tokens > 0
            self.length_s = length_s = self.times.seconds(step, step.repeat)
            self.end_s = end_s = engine.now + length_s
            end = self.end
            self.end = engine.again(end, end_s) if end.handler is not None else engine.at(end_s, self, None)

    def _end_steps(self) -> None:
        """The running steps end: tasks that are done leave."""
        if self.observer is not None:
            self.observer.iterations_ended(self)
        self.settled = True  # a task that enters meanwhile waits for the next steps
        if self.step.prompt_tokens:
            self.prompt_busy_s += self.length_s
        batcher = self.batcher
        if self.leaving:
            self._let_leave()
        done = batcher.ended(self.step.repeat)
        if done:
            for task in done:
                if task.is_prompt:
                    self._finish_prompt(task.request)
                else:
                    self._end(task.request)
            if batcher.is_empty():
                now = self.engine.now
                self.busy_s += now - self.busy_since_s
                self.busy_since_s = now

    def _let_leave(self) -> None:
        """Free the memory of the requests that leave before their end."""
        leaving, self.leaving = self.leaving, []
        for request in leaving:
            self.requests -= 1
            self.batcher.evict(request)
            if request.kv_tokens:
                self.kv.release(request)

    def _finish_prompt(self, request: Request) -> None:
        """The first token is there: the request ends, decodes here, or leaves for another replica."""
        request.first_token_s = self.engine.now
        decode = request.decode
        if decode is not None:
            self.owner.prompt_finished(request, False)
            request.decode = None
            self.batcher.wait(decode)
        elif request.output_tokens == 1:
            self.owner.prompt_finished(request, False)
            self._end(request)
        else:
            self.requests -= 1
            self.kv.in_transit += 1
            self.owner.prompt_finished(request, True)

    def _end(self, request: Request) -> None:
        """The last token is there."""
        self.requests -= 1
        self.kv.release(request)
        request.last_token_s = self.engine.now
        self.owner.request_finished(request)

    # -- standing still --------------------------------------------------------------------------------------------

    def is_idle(self) -> bool:
        return not self.running

    def go_on(self, despite_transfers: bool = False) -> bool:
        """Where no task can start in the policy's order, and nothing will ever change that, start the tasks that can go
        on: see `sim_core.batching.standstill`. Returns whether any has started.

        `despite_transfers`: it is known that the KV caches which are about to leave never will.
        """
        if not self.batcher.has_waiting() or not (self.stands_still() or (despite_transfers and self.is_idle())):
            return False
        step = self.batcher.recovery_step()
        if step is None:
            if self.still_since_s is None and not despite_transfers:
                self.still_since_s = self.engine.now
            return False
        self.busy_since_s = self.engine.now
        self._run(step)
        return True

    # -- for observers, schedulers and results -----------------------------------------------------------------------

    def under_way(self) -> UnderWay | None:
        return UnderWay(self.step, self.end_s - self.length_s, self.end_s) if self.running else None

    def steps_until_s(self) -> float:
        return self.engine.now

    def busy_until(self, end_s: float) -> float:
        return self.busy_s + (end_s - self.busy_since_s if self.running else 0.0)

    def prompt_busy_until(self, end_s: float) -> float:
        is_prompt = self.running and self.step.prompt_tokens > 0
        return self.prompt_busy_s + (end_s - (self.end_s - self.length_s) if is_prompt else 0.0)
