"""Splitwise: mixed batches under a token limit; prompts go first and may preempt decodes."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sim_core.batching.base import Instance
from sim_core.batching.contacts import Owner
from sim_core.batching.waits_queue import WaitsQueue, waits
from sim_core.engine import Engine
from sim_core.errors import SpecError
from sim_core.options import reads_configuration
from sim_core.request import NEVER, Task
from sim_core.section import Section

if TYPE_CHECKING:
    from sim_core.memory import KvMemory
    from sim_core.performance.base import IterationTimes
    from sim_core.start_state.base import InstancePlan


class SplitwiseInstance(Instance):
    """Fills each batch with tasks that waited too often, prompts, preempted decodes, running decodes, and the rest.

    Each group comes in its own order, as far as the batch's size and tokens (a prompt counts its size, a decode 1) and
    the memory allow. Running decodes that find no room, those that joined last, are preempted: they keep their memory.
    `queue` is ordered by (times waited, arrival) at the moment of a task's insertion, and never sorted again.
    """

    queue: WaitsQueue

    __slots__ = ("max_waits", "prompt_queue")

    def __init__(
        self, engine: Engine, owner: Owner, index: int, plan: InstancePlan, memory: KvMemory, times: IterationTimes
    ) -> None:
        super().__init__(engine, owner, index, plan, memory, times)
        spec = plan.spec
        if spec.max_batch_tokens is None or spec.max_preemptions is None:
            raise SpecError("Splitwise batching needs max_batch_tokens and max_preemptions", key="instance")
        self.max_batch_tokens = spec.max_batch_tokens
        self.max_waits = spec.max_preemptions
        self.queue = WaitsQueue()
        self.prompt_queue: deque[Task] = deque()  # the prompts in `queue`, first come first

    @classmethod
    @reads_configuration
    def read_limits(cls, config: Section) -> dict[str, Any]:
        return super().read_limits(config) | {
            "max_batch_tokens": config.integer("max_batch_tokens", 1),
            "max_preemptions": config.integer("max_preemptions", 0),
        }

    def has_token_room(self) -> bool:
        return self.batch_tokens < self.max_batch_tokens

    def enter(self, task: Task) -> None:
        """As in the base class. Fast path: `enter`, `wait`, `enqueue` and `arrived` written out in one piece."""
        self.requests += 1
        self._entries = entry = self._entries + 1
        task.order = order = (-task.request.arrival_s, -entry)
        kv_tokens = task.kv_tokens
        tokens = task.batch_tokens
        decodes = self.decodes
        task.waits_from = self.starts
        if (
            not (self.waiting or self.preempted or decodes or self.prompts)
            and self.kv_tokens + kv_tokens <= self.kv_capacity
        ):
            # idle and no task waits: straight into the batch
            self.busy_since_s = self.engine.now
            self.join(task)
            self.batch_tokens = tokens
            self.starts += 1
            self.plan()
            return
        self.waiting_batch_tokens += tokens
        self.waiting_kv_tokens += kv_tokens
        insort(self.waiting, (*order, task))
        if task.is_prompt:
            self.prompt_queue.append(task)
        self.queue.insert(task, self.starts)
        if not (self.prompts or self.cutting):
            self.arrived(task)

    def enqueue(self, task: Task) -> None:
        if task.is_prompt:
            self.prompt_queue.append(task)
        self.queue.insert(task, self.starts)

    def arrived(self, task: Task) -> None:
        if self.prompts or self.cutting:  # the batch ends at its next iteration anyway
            return
        size = len(self.decodes)
        if size == 0:
            if self.fits(task.kv_tokens):
                self.start()
        elif (size < self.max_batch_size and self.batch_tokens + task.batch_tokens <= self.max_batch_tokens) or (
            # a batch of decodes alone is cut for any prompt that the token limit admits
            task.is_prompt and self.batch_tokens - size + task.batch_tokens <= self.max_batch_tokens
        ):
            self.cut()

    def most_members(self) -> int:
        return min(self.max_batch_size, max(self.max_batch_tokens, 1))

    # -- the batch ---------------------------------------------------------------------------------------------

    def refill(self) -> None:
        decodes = len(self.decodes)
        waiting = len(self.waiting) + len(self.preempted)
        tokens = decodes + self.waiting_batch_tokens
        if (
            decodes + waiting <= self.max_batch_size
            and (tokens <= self.max_batch_tokens or (decodes == 0 and waiting == 1))
            and self.kv_tokens + self.waiting_kv_tokens <= self.kv_capacity
            and not self.queue.first_has_waited(self.max_waits, self.starts)
        ):
            self._take_all()
            self.batch_tokens = tokens
        else:
            self._take_some()

    def _take_all(self) -> None:
        """The common refill: all waiting tasks have room beside the running ones."""
        waiting = self.waiting
        join = self.join
        if len(waiting) == 1 and self.queue.take_only(task := waiting[0][2]):
            waiting.clear()
            self.waiting_batch_tokens = self.waiting_kv_tokens = 0
            self.prompt_queue.clear()
            join(task)
            return
        self.queue.keep_blocked()
        prompts = len(self.prompt_queue)
        for task in self.prompt_queue:
            join(task)
        self.prompt_queue.clear()
        if self.preempted:
            self.resume(self.preempted)
        if prompts < len(waiting):
            for *_, task in reversed(waiting):
                if task.waits_from != NEVER:  # prompts have joined by now
                    join(task)
        waiting.clear()
        self.waiting_batch_tokens = self.waiting_kv_tokens = 0

    def _take_some(self) -> None:
        """Choose the batch by the full ordering, where not all tasks have room."""
        new, kept = self._select()
        if kept < len(self.decodes):
            displaced = list(self.decodes)[kept:]
            self.preempt(displaced)
            self.queue.set_aside(displaced, self.starts)
        self._remove(new)
        resuming: list[Task] = []
        for task in new:
            if task.paused_at_s >= 0.0:
                resuming.append(task)
                continue
            if resuming and not task.is_prompt:  # the order in which decodes join matters
                self.resume(resuming)
                resuming = []
            self.stop_waiting(task)
            self.join(task)
        if resuming:
            self.resume(resuming)

    def admit(self, tasks: list[Task]) -> None:
        self._remove(tasks)
        self.batch_tokens = len(self.decodes)
        for task in tasks:
            self.stop_waiting(task)
            self.join(task)
            self.batch_tokens += task.batch_tokens

    def _select(self) -> tuple[list[Task], int]:
        """The tasks that join, in order, and how many running decodes, the first to have joined, stay.

        Sets `batch_tokens`. A batch may pass the token limit by its first member alone.
        """
        draft = _Draft(self.max_batch_tokens, self.max_batch_size, self.kv_capacity - self.kv_tokens)
        for task in self._overdue():
            if not draft.room(task):
                break
            if task.kv_tokens <= draft.free:  # a task without room does not block those after it
                draft.add(task)
        for task in self.prompt_queue:
            if not draft.room(task):
                break
            if task in draft.new:
                continue
            if task.kv_tokens > draft.free:
                break
            draft.add(task)
        draft.add_resuming(self.preempted)
        kept = draft.keep(len(self.decodes))
        for *_, task in reversed(self.waiting):  # where a preempted decode was left out, there is no room at all
            if task in draft.new:
                continue
            if not draft.room(task) or task.kv_tokens > draft.free:
                break
            draft.add(task)
        self.batch_tokens = draft.tokens
        return list(draft.new), kept

    def _overdue(self) -> Iterator[Task]:
        """The tasks at the head of the queue that have waited too often."""
        if not self.queue.first_has_waited(self.max_waits, self.starts):
            return
        for task in self.queue:
            if waits(task, self.starts) < self.max_waits:
                return
            if task.waits_from != NEVER:  # not a decode whose own prompt has not run yet
                yield task

    def _remove(self, tasks: list[Task]) -> None:
        """Remove `tasks` from the queue and their groups."""
        self.queue.remove(tasks, self.starts)
        for task in tasks:
            if task.is_prompt:
                self.prompt_queue.remove(task)


class _Draft:
    """A batch that is being chosen."""

    __slots__ = ("free", "limit", "members", "most", "new", "tokens")

    def __init__(self, limit: int, most: int, free: int) -> None:
        self.limit = limit  # tokens of an iteration
        self.most = most  # members
        self.free = free  # tokens of KV cache
        self.new: dict[Task, None] = {}  # the tasks that join, in order
        self.members = self.tokens = 0

    def room(self, task: Task) -> bool:
        """Whether one more task fits, memory aside. The first member may pass the token limit."""
        members = self.members
        return members < self.most and (not members or self.tokens + task.batch_tokens <= self.limit)

    def add(self, task: Task) -> None:
        """Add `task`."""
        self.new[task] = None
        self.members += 1
        self.tokens += task.batch_tokens
        self.free -= task.kv_tokens

    def add_resuming(self, tasks: list[Task]) -> None:
        """Add as many of `tasks`, preempted decodes, as there is room for: they have their memory already."""
        new = self.new
        if not new.keys().isdisjoint(tasks):
            tasks = [task for task in tasks if task not in new]
        new.update(dict.fromkeys(tasks[: self.keep(len(tasks))]))

    def keep(self, running: int) -> int:
        """Reserve room for up to `running` decodes of one token each, and return for how many there is."""
        tokens_left = self.limit - self.tokens if self.members else max(self.limit, 1)
        kept = max(min(running, self.most - self.members, tokens_left), 0)
        self.members += kept
        self.tokens += kept
        return kept
