"""Splitwise: mixed batches under a token limit; prompts go first and may preempt decodes."""

from __future__ import annotations

from bisect import insort
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from sim_core.batching.base import Instance
from sim_core.batching.contacts import Owner
from sim_core.batching.long_queue import LONG, LongQueue
from sim_core.engine import Engine
from sim_core.request import Task
from sim_core.spec import InstanceSpec

if TYPE_CHECKING:
    from sim_core.memory import KvMemory
    from sim_core.performance.base import IterationTimes


class SplitwiseInstance(Instance):
    """Fills each batch with: tasks that waited too often, prompts, preempted decodes, running decodes, the rest.

    Each group in its own order, while the batch's size and tokens (a prompt counts its size, a decode 1) and the
    memory allow. Running decodes for which no room is left, the last to have joined, are preempted: they keep
    their memory. `queue` is ordered by (times waited, arrival) at the moment a task is put in and never again.
    """

    queue: list[Task] | LongQueue

    __slots__ = ("max_batch_tokens", "max_waits", "preempted", "prompt_queue")

    def __init__(
        self, engine: Engine, owner: Owner, index: int, name: str, sku: str, role: str,
        memory: KvMemory, times: IterationTimes, spec: InstanceSpec,
    ) -> None:  # fmt: skip
        super().__init__(engine, owner, index, name, sku, role, memory, times, spec)
        assert spec.max_batch_tokens is not None and spec.max_preemptions is not None
        self.max_batch_tokens = spec.max_batch_tokens
        self.max_waits = spec.max_preemptions
        self.prompt_queue: deque[Task] = deque()  # the prompts in `queue`, first come first
        self.preempted: list[Task] = []  # the preempted decodes in `queue`, likewise

    def waits(self, task: Task) -> int:
        """How many batches started without this task while it was its request's next."""
        since = task.waiting_since
        return task.waited if since < 0 else task.waited + self.starts - since

    def has_token_room(self) -> bool:
        return self.batch_tokens < self.max_batch_tokens

    def enter(self, task: Task) -> None:
        """As in the base class. NOTE: the common arrival is written out in one piece: enter, wait, enqueue, arrived."""
        self.requests += 1
        self._entries = entry = self._entries + 1
        task.order = order = (-task.request.arrival_s, -entry)
        kv_tokens = task.kv_tokens
        tokens = task.batch_tokens
        decodes = self.decodes
        task.waiting_since = self.starts
        if not (self.queue or decodes or self.prompts) and self.kv_tokens + kv_tokens <= self.kv_capacity:
            # idle and nobody waits: straight into the batch
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
        if self.queue:
            self._insert(task)
        else:
            self.queue.append(task)
        if not (self.prompts or self.cutting):
            self.arrived(task)

    def enqueue(self, task: Task) -> None:
        if task.is_prompt:
            self.prompt_queue.append(task)
        self._insert(task)

    def _insert(self, task: Task) -> None:
        """Put `task` behind all that come before it by (waits, arrival), as a binary search sees them.

        Those inside have waited on since they were put in, so the queue need not be sorted: the result depends on
        where the search looks. NOTE: bisect.insort with a key, written out; the key would be computed by a call
        and a tuple for each comparison.
        """
        queue = self.queue
        if not queue:
            queue.append(task)
            return
        if not isinstance(queue, list):
            queue.insert(task, self.waits(task), self.starts)
            return
        starts = self.starts
        waits = self.waits(task)
        age = task.order[0]
        low, high = 0, len(queue)
        while low < high:
            middle = (low + high) // 2
            other = queue[middle]
            since = other.waiting_since
            other_waits = other.waited if since < 0 else other.waited + starts - since
            if waits < other_waits or (waits == other_waits and age > other.order[0]):
                high = middle
            else:
                low = middle + 1
        queue.insert(low, task)
        if len(queue) > LONG:
            self.queue = LongQueue(queue)

    def arrived(self, task: Task) -> None:
        if self.prompts or self.cutting:  # the batch ends at its next iteration anyway
            return
        size = len(self.decodes)
        if size == 0:
            if self.fits(task.kv_tokens):
                self.start()
        elif (size < self.max_batch_size and self.batch_tokens + task.batch_tokens <= self.max_batch_tokens) or (
            # a batch of decodes alone gives way to any prompt that the token limit admits
            task.is_prompt and self.batch_tokens - size + task.batch_tokens <= self.max_batch_tokens
        ):
            self.cut()

    # -- the batch ---------------------------------------------------------------------------------------------

    def refill(self) -> None:
        decodes = len(self.decodes)
        waiting = len(self.waiting)
        tokens = decodes + self.waiting_batch_tokens
        if (
            self.waits(self.queue[0]) < self.max_waits
            and decodes + waiting <= self.max_batch_size
            and (tokens <= self.max_batch_tokens or (decodes == 0 and waiting == 1))
            and self.kv_tokens + self.waiting_kv_tokens <= self.kv_capacity
        ):
            self._take_all()
            self.batch_tokens = tokens
        else:
            self._take_some()

    def _take_all(self) -> None:
        """The common refill: everything that waits has room beside what runs."""
        queue = self.queue
        waiting = self.waiting
        if len(queue) == 1:
            ((_, _, task),) = waiting
            self.queue = []
            waiting.clear()
            self.waiting_batch_tokens = self.waiting_kv_tokens = 0
            if task.is_prompt:
                self.prompt_queue.clear()
            elif self.preempted:
                self.preempted.clear()
            self.join(task)
            return
        if len(queue) == len(waiting):
            self.queue = []
        else:  # decodes behind prompts that are not done stay
            self.queue = [task for task in queue if task.waiting_since < 0]
        join = self.join
        first = len(self.prompt_queue) + len(self.preempted)
        if first:
            for task in self.prompt_queue:
                join(task)
            self.prompt_queue.clear()
            self.resume(self.preempted)
            self.preempted.clear()
        if first < len(waiting):
            for *_, task in reversed(waiting):
                if task.waiting_since >= 0:  # neither a prompt nor preempted: those have joined
                    join(task)
        waiting.clear()
        self.waiting_batch_tokens = self.waiting_kv_tokens = 0

    def _take_some(self) -> None:
        """The full ordering, where not everything has room."""
        new, kept = self._select()
        if kept < len(self.decodes):
            for task in list(self.decodes)[kept:]:
                self.leave(task)
                self._insert(task)
                self.preempted.append(task)
        for task in new:
            self._remove(task)
            self.stop_waiting(task)
            self.join(task)

    def _select(self) -> tuple[list[Task], int]:
        """The tasks that join, in order, and how many running decodes, the first to have joined, stay.

        Sets `batch_tokens`. A batch may pass the token limit by its first member alone.
        """
        draft = _Draft(self.max_batch_tokens, self.max_batch_size, self.kv_capacity - self.kv_tokens)
        for task in self._overdue():
            if not draft.room(task):
                break
            if task.kv_tokens <= draft.free:  # none left behind blocks those after it
                draft.add(task)
        for group in (self.prompt_queue, self.preempted):
            for task in group:
                if not draft.room(task):
                    break
                if task in draft.new:
                    continue
                if task.kv_tokens > draft.free:
                    break
                draft.add(task)
        kept = draft.keep(len(self.decodes))
        for *_, task in reversed(self.waiting):
            if task in draft.new:
                continue
            if not draft.room(task) or task.kv_tokens > draft.free:
                break
            draft.add(task)
        self.batch_tokens = draft.tokens
        return list(draft.new), kept

    def _overdue(self) -> Iterator[Task]:
        """The head of the queue as far as it has waited too often."""
        for task in self.queue:
            if self.waits(task) < self.max_waits:
                return
            if task.waiting_since >= 0:  # not a decode behind its own prompt
                yield task

    def _remove(self, task: Task) -> None:
        """Take `task` out of the queue and its group."""
        queue = self.queue
        queue.remove(task)
        if len(queue) < LONG // 4 and not isinstance(queue, list):
            self.queue = list(queue)
        if task.is_prompt:
            self.prompt_queue.remove(task)
        elif task.paused_at_s >= 0.0:
            self.preempted.remove(task)


class _Draft:
    """A batch as it is being chosen."""

    __slots__ = ("free", "limit", "members", "most", "new", "tokens")

    def __init__(self, limit: int, most: int, free: int) -> None:
        self.limit = limit  # tokens of an iteration
        self.most = most  # members
        self.free = free  # tokens of KV cache
        self.new: dict[Task, None] = {}  # those to join, in order
        self.members = self.tokens = 0

    def room(self, task: Task) -> bool:
        """Whether one more fits, memory aside. The first member may pass the token limit."""
        members = self.members
        return members < self.most and (not members or self.tokens + task.batch_tokens <= self.limit)

    def add(self, task: Task) -> None:
        """Take `task` in."""
        self.new[task] = None
        self.members += 1
        self.tokens += task.batch_tokens
        self.free -= task.kv_tokens

    def keep(self, running: int) -> int:
        """Let as many of the running decodes stay as there is room for, and say how many: one token each."""
        tokens_left = self.limit - self.tokens if self.members else max(self.limit, 1)
        kept = max(min(running, self.most - self.members, tokens_left), 0)
        self.members += kept
        self.tokens += kept
        return kept
