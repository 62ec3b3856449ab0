"""Chains of hashed blocks. Blocks of a paged KV cache that hold the same tokens after the same tokens are alike.

vLLM gives each full block a hash, of its tokens and of the hash before it. Here a block is a place in a chain instead,
and equal places stand for equal tokens, without collisions. A chain belongs to a request's content and is as long as
can be; a content that begins like another one forks from its chain at the first block that differs. Blocks of a chain
that were hashed one after the other, and have the same users, are one extent.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

from sim_core.kv.base import ContentListener
from sim_core.kv.content import ENDLESS, Content
from sim_core.native import mypyc_attr


class Extent:
    """Blocks with the places from `lo` up to `hi` (which is not among them) of a chain, each with a hash.

    It is idle where it has no user: then it is in the queue of free blocks, in which its last block comes first.
    """

    __slots__ = ("after", "before", "chain", "hi", "is_copy", "lo", "rest", "users")

    def __init__(self, chain: Chain, lo: int, hi: int, users: int) -> None:
        self.chain = chain
        self.lo = lo
        self.hi = hi
        self.users = users
        self.is_copy = False  # whether an older block with the same hash is there
        self.before: Extent | None = None  # in the queue of free blocks
        self.after: Extent | None = None
        self.rest: Extent | None = None  # where it was split: the part that follows; who holds both knows the first


class Chain:
    """The hashed blocks of one content from the place `fork` on; those before it belong to `parent`.

    `extents` are the oldest blocks with their hash, in order of place; none lies over another. `copies` has the younger
    ones by place, each an extent of one block, the oldest first.
    """

    __slots__ = (
        "content",
        "copies",
        "extents",
        "fork",
        "forks",
        "key",
        "listener",
        "los",
        "parent",
        "users",
        "writers",
    )

    def __init__(self, content: Content | None, fork: int, parent: Chain | None, key: tuple[int, ...]) -> None:
        self.content = content  # None: of a request whose tokens are like no other's
        self.fork = fork
        self.parent = parent
        self.key = key  # in `parent.forks`
        self.listener: ContentListener | None = parent.listener if parent is not None else None
        self.forks: dict[tuple[int, ...], Chain] | None = None  # by the place and the tokens of their first block
        self.extents: list[Extent] = []
        self.los: list[int] = []  # of `extents`
        self.copies: dict[int, dict[Extent, None]] | None = None
        self.users = 0  # requests whose own chain it is
        self.writers: dict[Holding, None] | None = None  # those of them whose new blocks are hashed when someone looks

    # -- its extents -----------------------------------------------------------------------------------------------

    def at(self, place: int) -> Extent | None:
        """The extent that begins at `place`. None: there is no block there, or one of an extent that begins before."""
        index = bisect_left(self.los, place)
        if index < len(self.los) and self.los[index] == place:
            return self.extents[index]
        return None

    def insert(self, extent: Extent) -> None:
        """Put an extent among the oldest ones. No other may lie at its places."""
        index = bisect_left(self.los, extent.lo)
        self.los.insert(index, extent.lo)
        self.extents.insert(index, extent)

    def split(self, extent: Extent, place: int) -> Extent:
        """Split an extent of two or more blocks at `place`. Returns the rest, which is in no queue yet."""
        rest = Extent(self, place, extent.hi, extent.users)
        rest.rest = extent.rest
        extent.hi = place
        extent.rest = rest
        self.insert(rest)
        return rest

    def hash(self, lo: int, hi: int) -> list[Extent]:
        """Hash blocks with the places from `lo` up to `hi`, each with one user. Returns them in order."""
        extents = self.extents
        if not extents or lo >= extents[-1].hi:
            extent = Extent(self, lo, hi, 1)
            extents.append(extent)
            self.los.append(lo)
            return [extent]
        made = []
        while lo < hi:
            index = bisect_right(self.los, lo)
            if index and extents[index - 1].hi > lo:  # an older block is there
                extent = Extent(self, lo, lo + 1, 1)
                extent.is_copy = True
                self._add_copy(extent)
            else:
                extent = Extent(self, lo, hi if index == len(extents) else min(hi, self.los[index]), 1)
                self.insert(extent)
            made.append(extent)
            lo = extent.hi
        return made

    def forget(self, extent: Extent, blocks: int) -> None:
        """Take the hash of the last `blocks` blocks of an idle extent; where these are all, the extent is gone."""
        hi = extent.hi
        lo = hi - blocks
        if extent.is_copy:
            self._remove_copy(extent)
        else:
            extent.hi = lo
            if lo == extent.lo:
                index = bisect_left(self.los, lo)
                del self.los[index], self.extents[index]
            if self.copies:
                for place in range(lo, hi):
                    self._promote(place)
        extent.rest = None
        if not self.users:
            self.tidy()

    def _promote(self, place: int) -> None:
        """The oldest block at `place` is gone: the next one takes its part."""
        assert self.copies is not None
        copies = self.copies.get(place)
        if copies is not None:
            extent = next(iter(copies))
            self._remove_copy(extent)
            extent.is_copy = False
            self.insert(extent)

    def _add_copy(self, extent: Extent) -> None:
        if self.copies is None:
            self.copies = {}
        self.copies.setdefault(extent.lo, {})[extent] = None

    def _remove_copy(self, extent: Extent) -> None:
        assert self.copies is not None
        copies = self.copies[extent.lo]
        del copies[extent]
        if not copies:
            del self.copies[extent.lo]

    def tidy(self) -> None:
        """Remove the chain, and those before it that only led to it, once nothing needs it any more."""
        chain = self
        while not (chain.users or chain.extents or chain.copies or chain.forks):
            parent = chain.parent
            if parent is None:
                return
            assert parent.forks is not None
            del parent.forks[chain.key]
            chain.parent = None
            if chain.listener is not None and chain.content is not None:
                chain.listener.gone(chain.content)
            chain = parent


class Path:
    """The chains that the blocks of a request's content lie in, from its first block on."""

    __slots__ = ("chains", "ends")

    def __init__(self) -> None:
        self.chains: list[Chain] = []  # the last one is the request's own: its output lies there
        self.ends: list[int] = []  # the place at which the next chain begins; the last is ENDLESS


@mypyc_attr(allow_interpreted_subclasses=True)
class Holding:
    """The blocks of one request: `blocks` of them, of which the first `hashed` have a hash.

    `extents` are those with a hash, in order of place, where an extent stands for its rests, too, up to the next one.

    One may say itself which of its blocks have a hash, as they fill up one after the other at known times, so that
    nobody needs to hash them then: see `Chain.writers`.
    """

    __slots__ = ("blocks", "chain", "extents", "hashed", "path")

    def __init__(self) -> None:
        self.chain: Chain | None = None  # its own, from its arrival until it is gone; None: nothing is cached
        self.path: Path | None = None  # where a part of its text may be another one's
        self.blocks = 0
        self.hashed = 0
        self.extents: list[Extent] = []

    def full_blocks(self) -> int:
        """How many of its blocks have a hash by now."""
        return self.hashed

    def hashed_in(self, place: int) -> tuple[int, int]:
        """The pass in which its block at `place` gets its hash, and the request's place in the order of that pass."""
        return 0, 0


class Forest:
    """All chains of a cache that come from contents."""

    __slots__ = ("_block_size", "_root")

    def __init__(self, block_size: int) -> None:
        self._block_size = block_size
        self._root = Chain(None, 0, None, ())

    def listen(self, listener: ContentListener) -> None:
        """Let `listener` know of the chains that come from now on, and go."""
        self._root.listener = listener

    def chains(self, content: Content, most: int) -> Path:
        """The chains that the first `most` blocks of a content lie in, as far as there are any. It makes none."""
        path = Path()
        size = self._block_size
        chain, place = self._root, 0
        while place < most and chain.forks is not None:
            fork: Chain | None
            if len(chain.forks) == 1:  # the next turn of a session: to compare is all that is needed
                fork = next(iter(chain.forks.values()))
            else:
                fork = chain.forks.get((place, *content.block(place * size, size)))
            if fork is None or fork.fork != place or fork.content is None:
                break
            equal = fork.content.equal_up_to(content, place * size) // size
            if equal == place:
                break
            place = min(equal, most)
            path.chains.append(fork)
            path.ends.append(place)
            chain = fork
        return path

    def path(self, content: Content) -> Path:
        """The chains of a content."""
        path = Path()
        size = self._block_size
        chain, place = self._root, 0
        while True:
            key = (place, *content.block(place * size, size))
            if chain.forks is None:
                chain.forks = {}
            fork = chain.forks.get(key)
            if fork is None:
                chain.forks[key] = fork = Chain(content, place, chain, key)
                if fork.listener is not None:
                    fork.listener.came(content)
                path.chains.append(fork)
                path.ends.append(ENDLESS)
                return path
            assert fork.content is not None
            equal = fork.content.equal_up_to(content, place * size)
            path.chains.append(fork)
            if equal >= ENDLESS:
                path.ends.append(ENDLESS)
                return path
            place = equal // size
            path.ends.append(place)
            chain = fork
