"""Blocks of a KV cache, taken as tokens come, with a prefix cache: that of vLLM 0.33.0.

Nothing here grows with the cache or its queue, and hardly anything with the blocks at hand: an extent of blocks is
taken, hit, hashed and given back as one. What comes out is what single blocks would give, to the last one:

- Blocks are taken from the front of the queue of free ones. One with a hash loses it then, and only then.
- A request's blocks are given back from its last to its first. Those without a hash go to the front of the queue, the
  others to its end. So those without a hash are always before all others, and their number says all of them.
"""

from __future__ import annotations

from abc import abstractmethod

from sim_core.errors import InvariantError
from sim_core.kv.base import Holder, KvCache
from sim_core.kv.chain import Chain, Extent, Forest, Path, Writer
from sim_core.kv.content import Content
from sim_core.native import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class Holding(Writer):
    """The blocks of one request: `blocks` of them, of which the first `hashed` have a hash.

    `extents` are those with a hash, in order of place, where an extent stands for its rests, too, up to the next one.
    """

    __slots__ = ("blocks", "chain", "extents", "hashed", "path")

    def __init__(self) -> None:
        self.chain: Chain | None = None  # its own, from its arrival until it is gone; None: nothing is cached
        self.path: Path | None = None  # where a part of its text may be another one's
        self.blocks = 0
        self.hashed = 0
        self.extents: list[Extent] = []

    def full_blocks(self) -> int:
        return self.hashed

    def hashed_in(self, place: int) -> tuple[int, int]:
        return 0, 0


class Hit:
    """What a look-up has found: the cached blocks of a request from its first one on, and those of them without a
    user."""

    __slots__ = ("blocks", "extents", "idle")

    def __init__(self) -> None:
        self.blocks = 0
        self.idle = 0
        self.extents: list[Extent] = []


@mypyc_attr(allow_interpreted_subclasses=True)
class Keeper:
    """What may have taken blocks that the cache does not know of yet."""

    __slots__ = ()

    @abstractmethod
    def catch_up(self) -> None:
        """Take them now."""


@mypyc_attr(allow_interpreted_subclasses=True)
class PagedKv(KvCache):
    """The blocks of one replica. `usable` is the number of all of them, `size` the tokens of one."""

    __slots__ = (
        "_blank",
        "_forest",
        "_hit",
        "_kept",
        "_queue",
        "caching",
        "evicted",
        "free",
        "keeper",
        "size",
        "usable",
    )

    def __init__(self, usable: int, block_size: int, caching: bool) -> None:
        super().__init__(usable * block_size)
        self.usable = usable
        self.size = block_size
        self.caching = caching
        self.free = usable
        self.evicted = 0  # blocks that have lost their hash
        self._blank = usable  # of those free: without a hash
        self._queue = queue = Extent(Chain(None, 0, None, ()), 0, 0, 1)  # the ring of idle extents begins after it
        queue.before = queue.after = queue
        self._forest = Forest(block_size)
        self._hit = Hit()
        self._kept: dict[Holder, Holding] = {}  # of requests that are about to leave, or have just come
        self.keeper: Keeper | None = None

    def enter(self, holding: Holding, content: Content | None) -> None:
        """A request comes, with the text `content`; None: a text that no other request has a part of."""
        if not self.caching:
            return
        if content is None:
            holding.chain = chain = Chain(None, 0, None, ())
        else:
            holding.path = path = self._forest.path(content)
            holding.chain = chain = path.chains[-1]
        chain.users += 1

    def leave(self, holding: Holding) -> None:
        """A request without blocks goes for ever."""
        chain = holding.chain
        if chain is not None:
            holding.chain = holding.path = None
            chain.users -= 1
            if not chain.users:
                chain.tidy()

    # -- taking and giving back ------------------------------------------------------------------------------------

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

    # -- the prefix cache --------------------------------------------------------------------------------------------

    def look_up(self, holding: Holding, most: int) -> Hit:
        """The longest run of cached blocks of a request from its first one on, `most` at most. It holds until the next
        look-up, or change."""
        hit = self._hit
        hit.blocks = hit.idle = 0
        hit.extents.clear()
        path = holding.path
        if path is None:
            if holding.chain is not None:
                self._look_up_alone(holding.chain, most)
            return hit
        place = 0
        for chain, end in zip(path.chains, path.ends, strict=True):
            if chain.writers:
                self._catch_up(chain)
            if most < end:
                end = most
            while place < end:
                extent = chain.at(place)
                if extent is None:
                    hit.blocks = place
                    return hit
                hit.extents.append(extent)
                upto = extent.hi if extent.hi < end else end
                if not extent.users:
                    hit.idle += upto - place
                place = upto
            if place == most:
                break
        hit.blocks = place
        return hit

    def _look_up_alone(self, chain: Chain, most: int) -> None:
        """The look-up of a request whose text is its own: it finds blocks that it had before."""
        hit = self._hit
        place = 0
        for extent in chain.extents:
            if extent.lo != place or place == most:
                break
            hit.extents.append(extent)
            place = min(extent.hi, most)
        hit.blocks = hit.idle = place

    def hold(self, holding: Holding, hit: Hit) -> None:
        """Give the blocks of a look-up to the request, which must have none yet."""
        place = hit.blocks
        extents = hit.extents
        last = len(extents) - 1
        for index, extent in enumerate(extents):
            idle = not extent.users
            end = extents[index + 1].lo if index < last else place
            if extent.hi > end:  # only its first part is hit
                rest = extent.chain.split(extent, end)
                if idle:
                    rest.before, rest.after = extent.before, extent.after
                    assert rest.before is not None and rest.after is not None
                    rest.before.after = rest.after.before = rest
                    extent.before = extent.after = None
            elif idle:
                self._unqueue(extent)
            extent.users += 1
        self.free -= hit.idle
        self._count()
        self.holders += place > 0
        holding.extents = extents
        hit.extents = []
        holding.blocks = holding.hashed = place

    def hash(self, holding: Holding, upto: int) -> None:
        """Give the blocks of a request up to the place `upto` their hashes, those that have none yet."""
        if upto <= holding.hashed:
            return
        path = holding.path
        if path is not None:
            for chain in path.chains:
                if chain.writers:
                    self._catch_up(chain)
        self._extend(holding, upto)

    def _extend(self, holding: Holding, upto: int) -> None:
        lo = holding.hashed
        own = holding.chain
        if own is None or upto <= lo:
            return
        holding.hashed = upto
        path = holding.path
        if path is None:
            self._hash(holding, own, lo, upto)
            return
        for chain, end in zip(path.chains, path.ends, strict=True):
            if lo < end:
                hi = upto if upto < end else end
                self._hash(holding, chain, lo, hi)
                lo = hi
                if lo == upto:
                    return

    def _hash(self, holding: Holding, chain: Chain, lo: int, hi: int) -> None:
        extents = holding.extents
        if extents:
            last = extents[-1]
            if last.chain is chain:
                while last.hi < lo:
                    rest = last.rest
                    assert rest is not None
                    last = rest
                # it grows where no block of another one stands at its new places
                if last.users == 1 and chain.extents[-1] is last:
                    last.hi = hi
                    last.rest = None
                    return
        extents += chain.hash(lo, hi)

    # -- blocks that are hashed when someone looks ---------------------------------------------------------------------

    def begin_writing(self, holding: Holding) -> None:
        """From now on `holding` says itself which of its blocks have a hash. `blocks` and `hashed` may lag behind."""
        own = holding.chain
        if own is not None and holding.path is not None:
            if own.writers is None:
                own.writers = {}
            own.writers[holding] = None

    def end_writing(self, holding: Holding) -> None:
        """Hash the blocks of a request that have it by now. After this it is hashed by `hash` again."""
        own = holding.chain
        if own is None:
            return
        writers = own.writers
        if writers is not None and holding.path is not None:
            if len(writers) > 1:
                self._catch_up(own)
            del writers[holding]
        self._extend(holding, holding.full_blocks())

    def shares_chain(self, holding: Holding) -> bool:
        """Whether others write in a chain that the next blocks of a request lie in."""
        path = holding.path
        if path is None:
            return False
        lo = holding.hashed
        return any(end > lo and chain.writers for chain, end in zip(path.chains, path.ends, strict=True))

    def _catch_up(self, chain: Chain) -> None:
        """Hash the new blocks of all that write in `chain`, in the order in which they got full."""
        writers = chain.writers
        assert writers is not None
        if len(writers) == 1:
            for writer in writers:
                assert isinstance(writer, Holding)
                self._extend(writer, writer.full_blocks())
            return
        new = []
        for number, writer in enumerate(writers):
            assert isinstance(writer, Holding)
            for place in range(writer.hashed, writer.full_blocks()):
                new.append((*writer.hashed_in(place), number, place, writer))
        for _, _, _, place, writer in sorted(new, key=lambda block: block[:3]):
            self._extend(writer, place + 1)

    # -- caches that move from replica to replica ----------------------------------------------------------------------

    def fits(self, tokens: int) -> bool:
        if self.keeper is not None:
            self.keeper.catch_up()
        return -(-tokens // self.size) <= self.free

    def keep(self, holder: Holder, holding: Holding) -> None:
        """Keep the blocks of a request whose cache is about to leave, until its release."""
        self._kept[holder] = holding

    def receive(self, holder: Holder) -> None:
        self.in_transit += 1
        self._kept[holder] = holding = Holding()
        self.take(holding, -(-holder.kv_tokens // self.size))

    def hand_over(self, holder: Holder, holding: Holding) -> None:
        """Give the blocks that were taken for a cache from another replica to the request, which has come."""
        holding.blocks = self._kept.pop(holder).blocks

    def release(self, holder: Holder) -> None:
        if self.keeper is not None:
            self.keeper.catch_up()
        holding = self._kept.pop(holder)
        self.give_back(holding)
        self.leave(holding)

    def admit(self, holder: Holder, tokens: int) -> None:
        raise InvariantError("blocks are taken by sequences, not by tasks")
