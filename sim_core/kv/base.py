"""What a KV cache provides: the memory of a replica beside the weights, counted in whole tokens."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Collection
from typing import Final

from sim_core.kv.content import Content
from sim_core.native import mypyc_attr

NO_END: Final = 1 << 60  # steps: memory never runs out


class Holder:
    """A request as far as a KV cache knows it: `kv_tokens` of memory are held for it, on the replica that has its
    cache."""

    __slots__ = ("kv_tokens",)

    kv_tokens: int


class CacheCounts:
    """What a cache that takes memory block by block counts, in tokens. `prefix_cache`: whether it keeps blocks to be
    hit. `prompts` are the prompts of the requests that were admitted for the first time, and `hits` what these had in
    the cache then. `recomputed` tokens had been computed before their request was preempted."""

    __slots__ = ("block", "hits", "preemptions", "prefix_cache", "prompts", "recomputed")

    def __init__(self, block: int, prefix_cache: bool) -> None:
        self.block = block
        self.prefix_cache = prefix_cache
        self.prompts = 0
        self.hits = 0
        self.recomputed = 0
        self.preemptions = 0

    def admitted(self, known: int, cached: int, lost: int) -> None:
        """A request of `known` tokens is admitted, of which `cached` were there. It had `lost` tokens, if it was
        admitted before."""
        if not lost:
            self.prompts += known
            self.hits += cached
        elif lost > cached:
            self.recomputed += lost - cached


@mypyc_attr(allow_interpreted_subclasses=True)
class EndlessCache:
    """A prefix cache that never loses a block: an upper bound for real ones."""

    __slots__ = ()

    @abstractmethod
    def add(self, content: Content, prompt_tokens: int, output_tokens: int) -> int:
        """A request is served. Returns the tokens of its prompt that were there; all that it computes is, from now
        on."""


@mypyc_attr(allow_interpreted_subclasses=True)
class ContentListener:
    """Notified of the texts that a prefix cache may have blocks of."""

    __slots__ = ()

    @abstractmethod
    def came(self, content: Content) -> None:
        """A request has come with a text that is new to the cache, or new from some block on."""

    @abstractmethod
    def gone(self, content: Content) -> None:
        """The cache has no more blocks of `content` but those that other texts begin with, and no request of it."""


@mypyc_attr(allow_interpreted_subclasses=True)
class KvCache:
    """The KV cache of one replica. Its methods alone change `tokens`, `peak` and the memory of holders.

    A cache that takes memory as tokens come says by `iterations_left` when it runs out, so that a batcher can limit
    the equal steps that follow one another, and takes the memory of those that have ended by `advance`.

    `in_transit` counts those of the holders that are in no queue here: their cache waits to leave, leaves, or comes.
    The replica, its application and the network count a request there when they move it.

    `counts` is None where memory is not taken block by block.
    """

    __slots__ = ("capacity", "counts", "evicted", "given_up", "holders", "in_transit", "peak", "tokens")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity  # tokens
        self.tokens = 0  # held
        self.peak = 0  # the most that was ever held
        self.holders = 0  # requests that hold memory here
        self.in_transit = 0
        self.given_up = 0  # of those in transit: requests whose cache is never sent
        self.counts: CacheCounts | None = None
        self.evicted = 0  # blocks that were in the prefix cache, and were needed

    def fits(self, tokens: int) -> bool:
        """Whether `tokens` more have room now."""
        return self.tokens + tokens <= self.capacity

    def tell_of_room(self, call: Callable[[], None] | None) -> bool:
        """Call `call` whenever memory was freed, from now on; None: no longer. Returns whether this cache does so. One
        that does computes again the tokens of a request that comes without the cache that it had elsewhere.

        Here it does not: as in SplitwiseSim, those that wait for memory ask again each second."""
        return False

    @abstractmethod
    def admit(self, holder: Holder, tokens: int) -> None:
        """Take the memory of a task that joins the batch. The batcher has checked that it fits."""

    @abstractmethod
    def receive(self, holder: Holder) -> None:
        """Take memory for a cache that is about to come from another replica. The network has checked that it fits."""

    @abstractmethod
    def release(self, holder: Holder) -> None:
        """Free all memory of a request, which has ended or whose cache has left."""

    def block_size(self) -> int:
        """The tokens of a block. Here memory is counted in single tokens."""
        return 1

    def cached_tokens(self, content: Content, tokens: int) -> int:
        """How many of the first `tokens` tokens of a text are in full blocks that are cached now, from the first block
        on. The question changes nothing. Here there is no prefix cache."""
        return 0

    def listen(self, listener: ContentListener) -> bool:
        """Let `listener` know of all texts that come from now on. Returns whether there is a prefix cache."""
        return False

    def endless(self) -> EndlessCache | None:
        """A new cache with the rules of this one, without its limits; None: it has no prefix cache."""
        return None

    def iterations_left(self, growing: Collection[Holder]) -> int:
        """How many steps have room in which each of `growing` gets one more token. Here they have taken their memory
        already."""
        return NO_END

    def advance(self, growing: Collection[Holder], iterations: int) -> None:
        """Take the memory of `iterations` more tokens for each of `growing`, at most those of `iterations_left`."""
