"""A KV cache of blocks that are taken as tokens come, with a prefix cache: that of vLLM 0.33.0.

Nothing here grows with the cache or its queue, and hardly anything with the blocks at hand: an extent of blocks is
taken, hit, hashed and given back as one. What comes out is what single blocks would give, to the last one.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable

from sim_core.errors import InvariantError
from sim_core.kv.base import CacheCounts, ContentListener, EndlessCache, Holder
from sim_core.kv.block_queue import BlockQueue
from sim_core.kv.chain import Chain, Extent, Forest, Holding
from sim_core.kv.content import Content
from sim_core.kv.endless import EndlessPagedCache
from sim_core.native import mypyc_attr


class Hit:
    """What a look-up has found: the cached blocks of a request from its first one on, and those of them without a
    user."""

    __slots__ = ("blocks", "extents", "idle")

    def __init__(self) -> None:
        self.blocks = 0
        self.idle = 0
        self.extents: list[Extent] = []


@mypyc_attr(allow_interpreted_subclasses=True)
class PagedKv(BlockQueue):
    """The blocks of one replica, and what is cached in them."""

    __slots__ = ("_forest", "_hit", "_kept", "caching", "catch_up", "draw_ahead")

    def __init__(self, usable: int, block_size: int, caching: bool) -> None:
        super().__init__(usable, block_size)
        self.caching = caching
        self.counts = CacheCounts(block_size, caching)
        self._forest = Forest(block_size)
        self._hit = Hit()
        self._kept: dict[Holder, Holding] = {}  # of requests that are about to leave, or have just come
        self.catch_up: Callable[[], None] | None = None  # takes blocks that the cache does not know of yet
        self.draw_ahead: Callable[[], None] | None = None  # the same, and changes nothing else

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

    def endless(self) -> EndlessCache | None:
        return EndlessPagedCache(self.size) if self.caching else None

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
        found = hit.extents
        for chain, end in zip(path.chains, path.ends, strict=True):
            if chain.writers:
                self._catch_up(chain)
            if most < end:
                end = most
            if place < end:
                extents = chain.extents
                index = bisect_left(chain.los, place)
                while place < end:
                    if index == len(extents) or extents[index].lo != place:
                        hit.blocks = place
                        return hit
                    extent = extents[index]
                    index += 1
                    found.append(extent)
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

    def has_next(self, holding: Holding) -> bool:
        """Whether the block behind those of a request that have a hash is cached: another request's. Nobody writes in
        its chain who is not looked at."""
        path = holding.path
        if path is None:
            return False
        place = holding.hashed
        for chain, end in zip(path.chains, path.ends, strict=True):
            if place < end:
                return chain.at(place) is not None
        return False

    def cached_tokens(self, content: Content, tokens: int) -> int:
        if not self.caching:
            return 0
        if self.draw_ahead is not None:
            self.draw_ahead()
        path = self._forest.chains(content, tokens // self.size)
        place = 0
        for chain, end in zip(path.chains, path.ends, strict=True):
            if chain.writers:
                self._catch_up(chain)
            while place < end:
                extent = chain.at(place)
                if extent is None:
                    return place * self.size
                place = min(extent.hi, end)
        return place * self.size

    def listen(self, listener: ContentListener) -> bool:
        self._forest.listen(listener)
        return self.caching

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

    def writes_alone(self, holding: Holding) -> bool:
        """Whether all blocks of a request that are still to get a hash lie in its own chain. A block of its output does
        not where another request came before it with a prompt that has this output."""
        path = holding.path
        return path is None or len(path.ends) == 1 or holding.hashed >= path.ends[-2]

    def begin_writing(self, holding: Holding) -> None:
        """From now on `holding`, which `writes_alone`, says itself which of its blocks have a hash. `blocks` and
        `hashed` may lag behind."""
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
                self._extend(writer, writer.full_blocks())
            return
        new = []
        for number, writer in enumerate(writers):
            for place in range(writer.hashed, writer.full_blocks()):
                new.append((*writer.hashed_in(place), number, place, writer))
        for _, _, _, place, writer in sorted(new, key=lambda block: block[:3]):
            self._extend(writer, place + 1)

    # -- caches that move from replica to replica ----------------------------------------------------------------------

    def fits(self, tokens: int) -> bool:
        if self.catch_up is not None:
            self.catch_up()
        return -(-tokens // self.size) <= self.free

    def keep(self, holder: Holder, holding: Holding) -> None:
        """Keep the blocks of a request whose cache is about to leave, until its release."""
        self._kept[holder] = holding

    def receive(self, holder: Holder) -> None:
        self.in_transit += 1
        self._kept[holder] = holding = Holding()
        self.take(holding, -(-holder.kv_tokens // self.size))

    def has_received(self, holder: Holder) -> bool:
        """Whether blocks were taken for a cache from another replica. Else the request has come without it."""
        return holder in self._kept

    def hand_over(self, holder: Holder, holding: Holding, tokens: int) -> None:
        """Give the blocks that were taken for a cache from another replica to the request, which has come and needs
        those of `tokens` tokens. What was taken beyond that is free again."""
        holding.blocks = self._kept.pop(holder).blocks
        beyond = holding.blocks - -(-tokens // self.size)
        if beyond:
            if self.catch_up is not None:
                self.catch_up()
            self.give_back_last(holding, beyond)

    def release(self, holder: Holder) -> None:
        if self.catch_up is not None:
            self.catch_up()
        holding = self._kept.pop(holder)
        self.give_back(holding)
        self.leave(holding)

    def admit(self, holder: Holder, tokens: int) -> None:
        raise InvariantError("blocks are taken by sequences, not by tasks")
