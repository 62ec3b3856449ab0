"""Splitwise: mixed batches under a token limit; prompts go first and may preempt decodes."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

from sim_core.batching.waits_queue import WaitsQueue, waits
from sim_core.batching.whole_prompts import WholePrompts
from sim_core.engine import Engine
from sim_core.errors import SpecError
from sim_core.kv.base import KvCache
from sim_core.native import mypyc_attr
from sim_core.options import reads_configuration
from sim_core.request import NEVER, Task
from sim_core.section import Section
from sim_core.spec import InstanceSpec
from sim_core.step import Step


@mypyc_attr(allow_interpreted_subclasses=True)
class SplitwiseBatcher(WholePrompts):
    """Fills each batch with tasks that waited too often, prompts, preempted decodes, running decodes, and the rest.

    Each group comes in its own order, as far as the batch's size and tokens (a prompt counts its size, a decode 1) and
    the memory allow. Running decodes that find no room, those that joined last, are preempted: they keep their memory.
    `queue` is ordered by (times waited, arrival) at the moment of a task's insertion, and never sorted again.
    """

    __slots__ = ("max_waits", "prompt_queue", "queue")

    def __init__(self, spec: InstanceSpec, engine: Engine, kv: KvCache) -> None:
        super().__init__(spec, engine, kv)
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

    def enqueue(self, task: Task) -> None:
        if task.is_prompt:
            self.prompt_queue.append(task)
        self.queue.insert(task, self.batch.starts)

    def queue_length(self) -> int:
        return len(self.queue)

    def first_queued(self) -> Task:
        return self.queue.first()

    def queued(self) -> Iterator[Task]:
        return self.queue.in_order()

    def wants(self, task: Task) -> bool:
        size = len(self.batch.decodes)
        tokens = task.batch_tokens
        return (size < self.max_batch_size and size + tokens <= self.max_batch_tokens) or (
            # a batch of decodes alone is cut for any prompt that the token limit admits
            task.is_prompt and tokens <= self.max_batch_tokens
        )

    def take_alone(self, task: Task) -> Step | None:
        batch = self.batch
        if self.line.batch_tokens or batch.preempted or not self.kv.fits(task.kv_tokens):
            return None
        self._entries = task.entry = self._entries + 1
        task.waits_from = batch.starts
        batch.join(task, task.remaining)
        return self.next_step(refill=False)

    def most_members(self) -> int:
        return min(self.max_batch_size, max(self.max_batch_tokens, 1))

    def has_place(self) -> bool:
        size = len(self.batch)
        return size < self.max_batch_size and size < self.max_batch_tokens

    # -- the batch ---------------------------------------------------------------------------------------------

    def refill(self) -> None:
        batch, line = self.batch, self.line
        decodes = len(batch.decodes)
        preempted = len(batch.preempted)
        waiting = len(line.older) + len(line.newer) + preempted
        if (
            decodes + waiting <= self.max_batch_size
            and (decodes + line.batch_tokens + preempted <= self.max_batch_tokens or (decodes == 0 and waiting == 1))
            and self.kv.fits(line.kv_tokens)
            and not self.queue.first_has_waited(self.max_waits, batch.starts)
        ):
            self._take_all()
        else:
            self._take_some()

    def _take_all(self) -> None:
        """The common refill: all waiting tasks have room beside the running ones."""
        batch, line = self.batch, self.line
        older = line.older
        if len(older) == 1 and not line.newer and self.queue.take_only(only := older[0]):
            line.clear()
            if only.is_prompt:
                self.prompt_queue.clear()
            batch.join(only, only.remaining)
            return
        self.queue.keep_blocked()
        prompts = len(self.prompt_queue)
        if prompts:
            for task in self.prompt_queue:
                batch.join(task, task.remaining)
            self.prompt_queue.clear()
        if batch.preempted:
            batch.resume(batch.preempted)
        if prompts < len(line):
            for task in line.in_order():
                if task.waits_from != NEVER:  # prompts have joined by now
                    batch.join(task, task.remaining)
        line.clear()

    def _take_some(self) -> None:
        """Choose the batch by the full ordering, where not all tasks have room."""
        batch = self.batch
        new, kept = self._select()
        if kept < len(batch.decodes):
            displaced = list(batch.decodes)[kept:]
            batch.preempt(displaced)
            self.queue.set_aside(displaced, batch.starts)
        self._remove(new)
        resuming: list[Task] = []
        for task in new:
            if task.paused_at_s >= 0.0:
                resuming.append(task)
                continue
            if resuming and not task.is_prompt:  # the order in which decodes join matters
                batch.resume(resuming)
                resuming = []
            self.line.remove(task)
            batch.join(task, task.remaining)
        if resuming:
            batch.resume(resuming)

    def admit(self, tasks: list[Task]) -> None:
        self._remove(tasks)
        for task in tasks:
            self.line.remove(task)
            self.batch.join(task, task.remaining)

    def _select(self) -> tuple[list[Task], int]:
        """The tasks that join, in order, and how many running decodes, the first to have joined, stay.

        A batch may pass the token limit by its first member alone.
        """
        batch = self.batch
        draft = _Draft(self.max_batch_tokens, self.max_batch_size, self.kv.capacity - self.kv.tokens)
        if self.queue.first_has_waited(self.max_waits, batch.starts):
            for task in self._overdue():
                if not draft.room(task):
                    break
                if task.kv_tokens <= draft.free:  # a task without room does not block those after it
                    draft.add(task)
        resuming = batch.preempted
        if draft.new and resuming:
            resuming = [task for task in resuming if task not in draft.new]
        for task in self.prompt_queue:
            if not draft.room(task):
                break
            if task in draft.new:
                continue
            if task.kv_tokens > draft.free:
                break
            draft.add(task)
        resuming = resuming[: draft.keep(len(resuming))]  # they have their memory already
        kept = draft.keep(len(batch.decodes))
        before = list(draft.new)
        for task in self.line.in_order():  # where a preempted decode was left out, there is no room at all
            if task in draft.new:
                continue
            if not draft.room(task) or task.kv_tokens > draft.free:
                break
            draft.add(task)
        return [*before, *resuming, *list(draft.new)[len(before) :]], kept

    def _overdue(self) -> Iterator[Task]:
        """The tasks at the head of the queue that have waited too often."""
        starts = self.batch.starts
        for task in self.queue.in_order():
            if waits(task, starts) < self.max_waits:
                return
            if task.waits_from != NEVER:  # not a decode whose own prompt has not run yet
                yield task

    def _remove(self, tasks: list[Task]) -> None:
        """Remove `tasks` from the queue and their groups."""
        self.queue.remove(tasks, self.batch.starts)
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

    def keep(self, running: int) -> int:
        """Reserve room for up to `running` decodes of one token each, and return for how many there is.

        It compares where `min` and `max` would do: these are calls of the interpreter, and an overloaded cluster took a
        tenth longer with them.
        """
        members, kept = self.members, running
        tokens_left = self.limit - self.tokens
        if not members and tokens_left < 1:
            tokens_left = 1
        if kept > tokens_left:
            kept = tokens_left
        if kept > self.most - members:
            kept = self.most - members
        if kept <= 0:
            return 0
        self.members = members + kept
        self.tokens += kept
        return kept
