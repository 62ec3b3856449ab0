"""A request in vLLM's scheduler, and the queue of those that wait."""

from __future__ import annotations

from collections import deque
from heapq import heappop, heappush
from typing import Any

from sim_core.kv.paged import Holding
from sim_core.native import mypyc_attr

WAITING, RUNNING, GONE = 0, 1, 2  # states of a sequence


@mypyc_attr(allow_interpreted_subclasses=True)
class Sequence(Holding):
    """A request: its tokens, and how far they are.

    `known` tokens are there: the prompt, and the outputs that have arrived. `computed` are scheduled, up to the pass
    that was made last. With asynchronous scheduling `in_flight` outputs are scheduled and not yet there.
    """

    __slots__ = (
        "arrival_s",
        "computed",
        "ends_at",
        "first_hit",
        "in_flight",
        "index",
        "is_mid_prompt",
        "known",
        "limit",
        "preemptions",
        "priority",
        "prompt",
        "request",
        "state",
        "stops",
    )

    def __init__(
        self, request: Any, index: int, arrival_s: float, prompt: int, ends_at: int, limit: int, priority: int = 0
    ) -> None:
        """`ends_at`: the tokens after the last output, `limit`: those that it may have at most."""
        super().__init__()
        self.request = request
        self.index = index
        self.arrival_s = arrival_s
        self.priority = priority  # a smaller one goes first
        self.prompt = prompt
        self.ends_at = ends_at
        self.limit = limit
        self.known = prompt
        self.computed = 0
        self.in_flight = 0
        self.state = WAITING
        self.is_mid_prompt = False  # whether its last step left tokens to compute that are known
        self.preemptions = 0
        self.first_hit = -1  # tokens that were cached at its first admission


class WaitingQueue:
    """First come, first served, but for those that come back: these go to the front."""

    __slots__ = ("_queue", "length")

    def __init__(self) -> None:
        self.length = 0
        self._queue: deque[Sequence] = deque()  # also of some that have gone since

    def add(self, sequence: Sequence) -> None:
        """A request comes."""
        self.length += 1
        self._queue.append(sequence)

    def add_again(self, sequence: Sequence) -> None:
        """A preempted request comes back."""
        self.length += 1
        self._queue.appendleft(sequence)

    def gone(self) -> None:
        """One of the queue is in the state GONE."""
        self.length -= 1

    def first(self) -> Sequence:
        """The next one. The queue must not be empty."""
        queue = self._queue
        while queue[0].state == GONE:
            queue.popleft()
        return queue[0]

    def take_first(self) -> None:
        """Take out what `first` has returned."""
        self.length -= 1
        self._queue.popleft()


class PriorityQueue(WaitingQueue):
    """By priority, then by arrival."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        super().__init__()
        self._heap: list[tuple[int, float, int, Sequence]] = []

    def add(self, sequence: Sequence) -> None:
        self.length += 1
        heappush(self._heap, (sequence.priority, sequence.arrival_s, sequence.index, sequence))

    def add_again(self, sequence: Sequence) -> None:
        self.add(sequence)

    def first(self) -> Sequence:
        heap = self._heap
        while heap[0][3].state == GONE:
            heappop(heap)
        return heap[0][3]

    def take_first(self) -> None:
        self.length -= 1
        heappop(self._heap)
