"""The queue of free blocks of a paged KV cache, in the order of vLLM 0.33.0.

- Blocks are taken from the front of the queue. One with a hash loses it then, and only then.
- A request's blocks are given back from its last to its first. Those without a hash go to the front of the queue, the
  others to its end. So those without a hash are always before all others, and their number says all of them.

Blocks with a hash are taken, given back and lost by extents.
"""

from __future__ import annotations

from collections.abc import Callable

from sim_core.kv.base import KvCache
from sim_core.kv.chain import Chain, Extent, Holding
from sim_core.native import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class BlockQueue(KvCache):
    """The blocks of one replica. `usable` is the number of all of them, `size` the tokens of one."""

    __slots__ = ("_blank", "_queue", "_room", "free", "size", "usable")

    def __init__(self, usable: int, block_size: int) -> None:
        super().__init__(usable * block_size)
        self.usable = usable
        self.size = block_size
        self.free = usable
        self._blank = usable  # of those free: without a hash
        self._queue = queue = Extent(Chain(None, 0, None, ()), 0, 0, 1)  # the ring of idle extents begins after it
        queue.before = queue.after = queue
        self._room: Callable[[], None] | None = None  # to be called when blocks are free again

    def block_size(self) -> int:
        return self.size

    def tell_of_room(self, call: Callable[[], None] | None) -> bool:
        self._room = call
        return True

    def take(self, holding: Holding, blocks: int) -> None:
        """Give `blocks` more blocks to a request. So many must be free."""
        if not holding.blocks:
            self.holders += 1
        holding.blocks += blocks
        self.draw(blocks)

    def draw(self, blocks: int) -> None:
        """Take `blocks` blocks from the queue."""
        self.free -= blocks
        self._count()
        blank = self._blank - blocks
        if blank < 0:
            self._evict(-blank)
            blank = 0
        self._blank = blank

    def _evict(self, blocks: int) -> None:
        self.evicted += blocks
        while blocks:
            extent = self._queue.after
            assert extent is not None
            count = extent.hi - extent.lo
            if count <= blocks:
                self._unqueue(extent)
            else:
                count = blocks
            extent.chain.forget(extent, count)
            blocks -= count

    def give_back(self, holding: Holding) -> None:
        """Take all blocks of a request."""
        blanks = holding.blocks - holding.hashed
        self._blank += blanks
        free = self.free + blanks
        end = holding.hashed
        extents = holding.extents
        while extents:
            first = extents.pop()
            lo = first.lo
            if first.hi >= end:
                if first.users > 1:
                    first.users -= 1
                else:
                    free += self._drop(first)
            else:
                parts = [first]
                part = first
                while part.hi < end:
                    rest = part.rest
                    assert rest is not None
                    part = rest
                    parts.append(part)
                for part in reversed(parts):
                    free += self._drop(part)
            end = lo
        self.free = free
        self._count()
        self.holders -= holding.blocks > 0
        holding.blocks = holding.hashed = 0
        if self._room is not None:
            self._room()

    def give_back_last(self, holding: Holding, blocks: int) -> None:
        """Take the last `blocks` blocks of a request, which have no hash, and are not all of its blocks."""
        holding.blocks -= blocks
        self._blank += blocks
        self.free += blocks
        self._count()
        if self._room is not None:
            self._room()

    def _count(self) -> None:
        self.tokens = tokens = (self.usable - self.free) * self.size
        if tokens > self.peak:
            self.peak = tokens

    def _drop(self, extent: Extent) -> int:
        """A request leaves an extent. Returns how many blocks that sets free."""
        extent.users = users = extent.users - 1
        if users:
            return 0
        queue = self._queue
        last = queue.before
        assert last is not None
        last.after = extent
        extent.before = last
        extent.after = queue
        queue.before = extent
        return extent.hi - extent.lo

    def _unqueue(self, extent: Extent) -> None:
        before, after = extent.before, extent.after
        assert before is not None and after is not None
        before.after = after
        after.before = before
        extent.before = extent.after = None
