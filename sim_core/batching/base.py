"""The part of an instance that all batching policies share: memory, a batch, and the jump over equal iterations.

An instance counts its iterations, and a decode in the batch knows the iteration at which it ends. So a batch of decodes
alone runs as many iterations at once as its shortest member needs, without an update of each member. An arrival cuts
that run of iterations short at the next iteration boundary.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from heapq import heappop
from typing import TYPE_CHECKING, Any, ClassVar

from sim_core.batching.contacts import DecodeObserver, Owner, TaskQueue
from sim_core.batching.members import Members
from sim_core.batching.standstill import able_to_go_on
from sim_core.engine import Engine, Event
from sim_core.options import NoOptions, made, read_options, reads_configuration
from sim_core.request import Request, Task
from sim_core.section import Section

if TYPE_CHECKING:
    from sim_core.memory import KvMemory
    from sim_core.performance.base import IterationTimes
    from sim_core.start_state.base import InstancePlan


NO_LIMIT = 1 << 62  # tokens of a batch


class IterationObserver(DecodeObserver):
    """Notified of what happens inside an instance. An observer must not change anything that it is shown."""

    def iterations_ended(self, instance: Instance) -> None:
        """A run of iterations ends; its members are still in the batch."""

    def batch_empty(self, instance: Instance) -> None:
        """Nothing can run now: no task waits, or none has room in memory."""


class Instance(Members, ABC):
    """A model replica on some processors of one machine. Policies choose the tasks in its batch; see `refill`.

    `waiting` holds the tasks that could run next. `queue` also holds decodes whose own prompt has not run yet, in the
    policy's order.
    """

    __slots__ = (
        "_entries",
        "_on_end",
        "batch_tokens",
        "busy_s",
        "busy_since_s",
        "cutting",
        "duration_s",
        "end",
        "index",
        "max_batch_size",
        "max_batch_tokens",
        "memory",
        "name",
        "options",
        "owner",
        "planned",
        "processor",
        "processors",
        "queue",
        "recovering",
        "role",
        "sku",
        "still_since_s",
        "tensor_parallelism",
        "times",
        "without_decodes",
    )

    observer: IterationObserver | None

    overhead_per_iteration = True  # whether the run overhead is part of each iteration's time
    Options: ClassVar[type[Any]] = NoOptions

    def __init__(
        self, engine: Engine, owner: Owner, index: int, plan: InstancePlan, memory: KvMemory, times: IterationTimes
    ) -> None:
        super().__init__(engine, memory.capacity_tokens)
        self.owner = owner
        self.index = index
        self.name = f"{plan.processor_name}_{index}"  # SplitwiseSim's form; no code may parse it
        self.sku = plan.sku
        self.role = plan.role
        self.processor = plan.processor_name
        self.processors = len(plan.processors)
        self.tensor_parallelism = plan.spec.tensor_parallelism
        self.times = times
        self.max_batch_size = plan.spec.max_batch_size
        self.max_batch_tokens = NO_LIMIT  # unless the policy has a limit
        self.options: Any = made(self.Options, plan.spec.options, f"batching policy {plan.spec.policy!r}")
        self.memory = memory
        self.queue: TaskQueue = []
        self._entries = 0
        self.batch_tokens = 0
        self.without_decodes = 0  # completed iterations of prompts alone
        # the run of iterations under way
        self.planned = 0
        self.duration_s = 0.0  # of one iteration
        self.end = Event(0.0)
        self._on_end = self.finish  # bound once, not at each start
        self.cutting = False
        self.recovering = False  # from a standstill: see `go_on`
        self.still_since_s: float | None = None  # when requests on this instance first could never go on
        self.busy_s = 0.0
        self.busy_since_s = 0.0

    @classmethod
    @reads_configuration
    def read_limits(cls, config: Section) -> dict[str, Any]:
        """The fields of an `InstanceSpec` that the policy reads from an instance's section. Raises SpecError."""
        return {"max_batch_size": config.integer("max_batch_size", 1), "options": read_options(cls.Options, config)}

    # -- arriving ----------------------------------------------------------------------------------------------

    def enter(self, task: Task) -> None:
        """A request's next task arrives."""
        self.requests += 1
        self._entries = entry = self._entries + 1
        task.order = (-task.request.arrival_s, -entry)
        self.wait(task)
        self.enqueue(task)
        self.arrived(task)

    def enter_behind(self, task: Task, prompt: Task) -> None:
        """Queue the decode of a request behind its prompt, which is queued on this instance too."""
        task.order = prompt.order
        task.request.decode = task
        self.enqueue(task)
        self.arrived(task)

    @abstractmethod
    def enqueue(self, task: Task) -> None:
        """Put an arriving task into `queue`, in the policy's order."""

    @abstractmethod
    def arrived(self, task: Task) -> None:
        """Decide whether the newly queued task starts a batch, or cuts the running one short."""

    @abstractmethod
    def refill(self) -> None:
        """Choose the batch: move tasks from the queues into `prompts` and `decodes` (by `join`) and back. `start` calls
        it, but not while the instance recovers from a standstill."""

    @abstractmethod
    def admit(self, tasks: list[Task]) -> None:
        """Move `tasks` from the queues into the batch, beside its decodes."""

    def most_members(self) -> int:
        """The most members of a batch of which each adds one token."""
        return self.max_batch_size

    def memory_freed(self) -> None:
        """A KV cache has left this instance: the first task in the queue may have room now."""
        if not self.queue:
            return
        size = self.batch_size()
        if size == 0:
            if self.fits(self.queue[0].kv_tokens):
                self.start()
            else:
                self.go_on()
        elif size < self.max_batch_size and self.has_token_room():
            self.cut()

    def has_token_room(self) -> bool:
        """Whether the batch is below the policy's token limit, if any."""
        return True

    def busy_until(self, end_s: float) -> float:
        """The seconds before `end_s` in which there was a batch."""
        return self.busy_s + (end_s - self.busy_since_s if self.batch_size() else 0.0)

    # -- iterations --------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Choose a batch and start its next run of iterations."""
        if not (self.decodes or self.prompts):
            self.busy_since_s = self.engine.now
        if self.waiting or self.preempted:
            if not (self.recovering and self.recover()):
                self.refill()
        else:
            self.batch_tokens = len(self.decodes)
        self.starts += 1
        self.plan()

    def plan(self) -> None:
        """Start the next run of iterations of the batch as it is."""
        engine = self.engine
        if self.prompts:
            self.planned = 1
            times = self.times.mixed_s if self.decodes else self.times.prompt_s
            self.duration_s = times[self.batch_tokens]
        elif self.decodes:
            self.planned = self._iterations_to_next_end()
            self.duration_s = self.times.decode_s[self.batch_tokens]
        else:
            if self.waiting and self.go_on():
                return
            if self.observer is not None:
                self.observer.batch_empty(self)
            if not self.requests:
                self.owner.instance_idle(self)
            return
        self.end = engine.at(engine.now + self.duration_s * self.planned, self._on_end, None)

    def go_on(self, despite_transfers: bool = False) -> bool:
        """Where no task can start in the policy's order, and nothing will ever change that, start the tasks that can go
        on: see `sim_core.batching.standstill`. Returns whether any has started.

        `despite_transfers`: it is known that the KV caches which are about to leave never will.
        """
        if not self.waiting or not (self.stands_still() or (despite_transfers and self.is_idle())):
            return False
        tasks = able_to_go_on(self, self.most_members(), self.max_batch_tokens)
        if not tasks:
            if self.still_since_s is None and not despite_transfers:
                self.still_since_s = self.engine.now
            return False
        self.recovering = True
        self.busy_since_s = self.engine.now
        self.admit(tasks)
        self.starts += 1
        self.plan()
        return True

    def recover(self) -> bool:
        """Choose the batch after a standstill, while decodes wait for memory. False: the policy chooses again."""
        self.recovering = self.decodes_waiting() > 0
        if self.recovering:
            self.admit(able_to_go_on(self, self.most_members(), self.max_batch_tokens))
        return self.recovering

    def cut(self) -> None:
        """End the run of iterations at its next boundary. The order of the arithmetic is SplitwiseSim's."""
        if self.cutting or self.prompts:
            return
        self.cutting = True
        duration_s = self.duration_s
        now = self.engine.now
        elapsed_s = now - (self.end - duration_s * self.planned)
        self.planned = planned = min(int(elapsed_s // duration_s) + 1, self.planned)
        remaining_s = duration_s * planned - elapsed_s
        self.end.cancel()
        if remaining_s <= 0.0:
            self.finish(None)
        else:
            self.end = self.engine.at(now + remaining_s, self._on_end, None)

    def finish(self, _nothing: None) -> None:
        """A run of iterations ends: tasks that are done leave, and the next batch starts."""
        if self.observer is not None:
            self.observer.iterations_ended(self)
        self.cutting = False
        decodes = self.decodes
        if decodes:
            self.iteration = iteration = self.iteration + self.planned
            ends = self._ends
            while ends and ends[0][0] <= iteration:
                end, _, task = heappop(ends)
                if task.end == end:
                    task.end = -1
                    del decodes[task]
                    self._end(task.request)
        else:
            self.without_decodes += self.planned
        if self.prompts:
            done, self.prompts = self.prompts, []
            self.finishing = True
            for task in done:
                self._finish_prompt(task.request)
            self.finishing = False
        if self.waiting or self.preempted or not decodes:
            if not decodes:
                self.busy_s += self.engine.now - self.busy_since_s
            self.start()
        else:  # fast path: usually the same decodes go on; this is `start` and `plan` for that case
            self.starts += 1
            self.batch_tokens = size = len(decodes)
            self.duration_s = duration_s = self.times.decode_s[size]
            self.planned = planned = self._iterations_to_next_end()
            engine = self.engine
            self.end = engine.at(engine.now + duration_s * planned, self._on_end, None)

    def _finish_prompt(self, request: Request) -> None:
        """The first token is there: the request ends, decodes on this instance, or leaves for another one."""
        request.prompt_end_s = self.engine.now
        decode = request.decode
        if decode is not None:
            self.owner.prompt_finished(request, False)
            request.decode = None
            self.wait(decode)
        elif request.output_tokens == 1:
            self.owner.prompt_finished(request, False)
            self._end(request)
        else:
            self.requests -= 1
            self.in_transit += 1
            self.owner.prompt_finished(request, True)

    def _end(self, request: Request) -> None:
        """The last token is there."""
        self.requests -= 1
        self.kv_tokens -= request.kv_tokens
        self.kv_holders -= 1
        request.token_end_s = self.engine.now
        self.owner.request_finished(request)
