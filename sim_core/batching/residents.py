"""The tasks at an instance, in the batch or waiting for it, and the memory that they hold."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator

from sim_core.request import Task


class Residents:
    """Counts memory in tokens of KV cache, and keeps waiting tasks in order of arrival.

    Every request on this instance that is not running has one task in `waiting` (has never run; newest first) or in
    `preempted` (has run before).
    """

    __slots__ = (
        "decodes",
        "finishing",
        "given_up",
        "in_transit",
        "kv_capacity",
        "kv_holders",
        "kv_peak",
        "kv_tokens",
        "preempted",
        "prompts",
        "requests",
        "starts",
        "waiting",
        "waiting_batch_tokens",
        "waiting_kv_tokens",
    )

    def __init__(self, kv_capacity: int) -> None:
        self.kv_capacity = kv_capacity
        self.kv_tokens = self.kv_peak = 0
        self.kv_holders = 0  # requests that hold memory here
        self.given_up = 0  # of those in transit: requests whose cache is never sent
        self.in_transit = 0  # of the holders: requests in no queue here, whose KV cache waits to leave, leaves or comes
        self.requests = 0  # here, waiting or running
        self.waiting: list[tuple[float, int, Task]] = []  # by order, newest first: tasks mostly leave at the end
        self.preempted: list[Task] = []  # decodes, in the order in which they left the batch; they keep their memory
        self.waiting_batch_tokens = self.waiting_kv_tokens = 0  # sums over both
        # the batch: prompts that this iteration completes, and decodes in the order in which they joined
        self.prompts: list[Task] = []
        self.decodes: dict[Task, None] = {}
        self.starts = 0  # batches started
        self.finishing = False  # whether prompts that are done are leaving at this moment

    def fits(self, kv_tokens: int) -> bool:
        """Whether `kv_tokens` more of KV cache have room now."""
        return self.kv_tokens + kv_tokens <= self.kv_capacity

    def stands_still(self) -> bool:
        """Whether nothing runs here, and no KV cache is about to come or to leave. A task that waits for memory then
        waits for ever: see `sim_core.batching.standstill`."""
        return self.is_idle() and self.in_transit == self.given_up

    def is_idle(self) -> bool:
        """Whether there is no batch, and none is about to be chosen: when iterations end, prompts that are done leave
        one by one, and the next batch is chosen after the last of them."""
        return not (self.decodes or self.prompts or self.finishing)

    def decodes_waiting(self) -> int:
        """How many decodes wait that have not been in the batch yet. Each holds the memory of its prompt."""
        return self.kv_holders - self.in_transit - len(self.prompts) - len(self.decodes) - len(self.preempted)

    def never_fits(self, kv_tokens: int) -> bool:
        """Whether `kv_tokens` of KV cache will never have room here."""
        return self.stands_still() and not self.fits(kv_tokens)

    def take_memory(self, kv_tokens: int) -> None:
        """Take memory for a KV cache that is about to come. The caller has checked that it fits."""
        self.kv_holders += 1
        self.in_transit += 1
        self.kv_tokens = used = self.kv_tokens + kv_tokens
        if used > self.kv_peak:
            self.kv_peak = used

    def free_memory(self, kv_tokens: int) -> None:
        """Free the memory of a request, whose KV cache has left."""
        self.kv_tokens -= kv_tokens
        self.in_transit -= 1
        self.kv_holders -= 1

    def wait(self, task: Task) -> None:
        """Add `task` to the tasks that wait to run next."""
        task.waits_from = self.starts - task.waited
        self.waiting_batch_tokens += task.batch_tokens
        self.waiting_kv_tokens += task.kv_tokens
        insort(self.waiting, (*task.order, task))

    def all_waiting(self) -> Iterator[Task]:
        """The next task of every request on this instance that is not running."""
        yield from self.preempted
        for *_, task in self.waiting:
            yield task

    def stop_waiting(self, task: Task) -> None:
        """Remove a task, which is about to join the batch, from `waiting`."""
        self.waiting_batch_tokens -= task.batch_tokens
        self.waiting_kv_tokens -= task.kv_tokens
        del self.waiting[bisect_left(self.waiting, task.order)]  # the shorter tuple sorts first

    def batch_size(self) -> int:
        """The number of tasks in the running batch."""
        return len(self.prompts) + len(self.decodes)
