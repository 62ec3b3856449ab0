"""A request in vLLM's scheduler, and the queue of those that wait."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Iterator
from heapq import heappop, heappush
from typing import Final

from sim_core.kv.chain import Holding
from sim_core.request import Request, Task

# states of a sequence
WAITING: Final = 0
RUNNING: Final = 1
GONE: Final = 2


class Sequence(Holding):
    """A request: its tokens, and how far they are.

    `known` tokens are there: the prompt, and the outputs that have arrived. `computed` are scheduled, up to the pass
    that was made last. With asynchronous scheduling `in_flight` outputs are scheduled and not yet there. While it is
    one of `decodes` all of these lag behind, and `blocks` and `hashed` as well.
    """

    __slots__ = (
        "base",
        "computed",
        "decode_task",
        "decodes",
        "ends_at",
        "first_step",
        "in_flight",
        "is_loaded",
        "is_mid_prompt",
        "joined_at",
        "known",
        "last_step",
        "leaves",
        "lost",
        "order",
        "paused",
        "prompt",
        "request",
        "state",
        "stops_at",
        "task",
    )

    def __init__(self, task: Task, longest: int, leaves: bool = False) -> None:
        """`longest`: the tokens that a sequence may have, with its prompt. `leaves`: with its first token, to decode on
        another replica."""
        super().__init__()
        request = task.request
        self.task = task
        self.decode_task: Task | None = None
        self.request = request
        self.leaves = leaves
        self.prompt = prompt = request.prompt_tokens
        # tokens after which it certainly ends, and those after which it does
        self.stops_at = min(prompt + (1 if leaves else request.max_tokens), longest)
        self.ends_at = min(prompt + request.output_tokens, self.stops_at)
        self.known = prompt
        self.computed = 0
        self.in_flight = 0
        self.state = WAITING
        self.is_mid_prompt = False  # whether its last step left tokens to compute that are known
        self.lost = 0  # tokens that were computed when it was last preempted
        self.order = 0  # its number among all admissions
        self.last_step = 0  # the pass that last scheduled it as one of its own
        self.is_loaded = False  # whether it waits with a cache that came from another replica
        self.paused: Task | None = None  # its task that was preempted, while it waits again
        # as one of `decodes`
        self.decodes: Decodes | None = None
        self.base = 0  # `computed` before the first pass of all decodes
        self.joined_at = 0  # the pass after which it joined
        self.first_step = 0  # the pass from which on it was given a token by each

    def begins(self, now_s: float) -> None:
        """It runs from `now_s` on: note when its prompt, or its decode, did so first."""
        request = self.request
        if request.prompt_start_s is None:
            request.prompt_start_s = now_s
        elif request.prompt_end_s is not None and request.token_start_s is None:
            request.token_start_s = now_s

    def present_task(self) -> Task:
        """The task of its request's that runs or waits."""
        decode = self.decode_task
        return self.task if decode is None or self.request.prompt_end_s is None else decode

    def full_blocks(self) -> int:
        decodes = self.decodes
        if decodes is None:
            return self.hashed
        return (decodes.passes + decodes.drawn + self.base - decodes.delay) // decodes.size

    def hashed_in(self, place: int) -> tuple[int, int]:
        decodes = self.decodes
        assert decodes is not None
        return (place + 1) * decodes.size - self.base + decodes.delay, self.order


class Decodes:
    """The running requests that each pass gives one token, as one: a pass is counted once for all of them.

    They need a block in the pass in which their tokens fill the last one, which is the same for each of them in every
    `size` passes.
    """

    __slots__ = ("_ends", "_needs", "bases", "count", "delay", "drawn", "ends_at", "newest", "passes", "size")

    def __init__(self, size: int, delay: int) -> None:
        """`size`: tokens of a block. `delay`: passes after which a full block gets its hash: 1 where the token that
        fills it is not known before."""
        self.size = size
        self.delay = delay
        self.passes = 0
        self.drawn = 0  # passes after these whose blocks are taken already
        self.count = 0
        self.bases = 0  # sum over all
        self.newest = 0  # the highest order of one that ever joined
        self._needs = [0] * size
        self.ends_at: list[int] = []  # passes that give one of them its last token, the next first
        self._ends: list[Sequence] = []

    def join(self, sequence: Sequence) -> None:
        """A request whose last token is not scheduled yet joins."""
        sequence.decodes = self
        sequence.base = base = sequence.computed - self.passes
        self.bases += base
        self.count += 1
        self._needs[-base % self.size] += 1
        if sequence.order > self.newest:
            self.newest = sequence.order
        end = sequence.ends_at - 1 - base
        index = bisect_right(self.ends_at, end)
        self.ends_at.insert(index, end)
        self._ends.insert(index, sequence)

    def leave(self, sequence: Sequence) -> None:
        """A request leaves; its tokens are up to date then, but for outputs."""
        base = sequence.base
        end = sequence.ends_at - 1 - base
        index = bisect_left(self.ends_at, end)
        while self._ends[index] is not sequence:
            index += 1
        del self.ends_at[index], self._ends[index]
        self.bases -= base
        self.count -= 1
        self._needs[-base % self.size] -= 1
        sequence.computed = computed = self.passes + base
        sequence.blocks = -(-computed // self.size)
        sequence.decodes = None

    def first_to_end(self) -> Sequence:
        return self._ends[0]

    def all(self) -> list[Sequence]:
        """Those that are here, in the order of their ends."""
        return self._ends[:]

    def needed(self) -> int:
        """The blocks that the next pass needs."""
        return self._needs[self.passes % self.size]

    def needed_in(self, passes: int) -> int:
        """The blocks that the next `passes` passes need together."""
        size = self.size
        rounds, rest = divmod(passes, size)
        first = self.passes % size
        needs = self._needs
        blocks = self.count * rounds
        for index in range(first, first + rest):
            blocks += needs[index % size]
        return blocks

    def passes_within(self, blocks: int, most: int) -> int:
        """How many passes have enough with `blocks` blocks, `most` at most."""
        size, count = self.size, self.count
        rounds = blocks // count
        passes = rounds * size
        if passes >= most:
            return most
        blocks -= rounds * count
        needs = self._needs
        while passes < most:
            blocks -= needs[(self.passes + passes) % size]
            if blocks < 0:
                break
            passes += 1
        return passes

    def context(self) -> int:
        """The tokens that all of them have computed together."""
        return self.bases + self.count * self.passes


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

    def in_order(self) -> Iterator[Sequence]:
        """Those that wait, one after the other. Nobody must come or go meanwhile."""
        for sequence in self._queue:
            if sequence.state == WAITING:
                yield sequence

    def all(self) -> list[Sequence]:
        """Those that wait, in order."""
        return list(self.in_order())


class PriorityQueue(WaitingQueue):
    """By priority, then by arrival."""

    __slots__ = ("_heap",)

    def __init__(self) -> None:
        super().__init__()
        self._heap: list[tuple[int, float, int, Sequence]] = []

    def add(self, sequence: Sequence) -> None:
        self.length += 1
        request = sequence.request
        heappush(self._heap, (request.priority, request.arrival_s, request.index, sequence))

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

    def all(self) -> list[Sequence]:
        return [entry[3] for entry in sorted(self._heap, key=lambda entry: entry[:3]) if entry[3].state == WAITING]


def goes_after(request: Request, other: Request, by_index: bool) -> bool:
    """Whether a request is preempted before another one, by priority. `by_index`: also of two that came together."""
    if request.priority != other.priority:
        return request.priority > other.priority
    if request.arrival_s != other.arrival_s:
        return request.arrival_s > other.arrival_s
    return by_index and request.index > other.index
