"""What a KV cache provides: the memory of a replica beside the weights, counted in whole tokens."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection

from sim_core.kv.content import Content
from sim_core.native import mypyc_attr

NO_END = 1 << 62  # steps: memory never runs out


class Holder:
    """A request as far as a KV cache knows it: `kv_tokens` of memory are held for it, on the replica that has its
    cache."""

    __slots__ = ("kv_tokens",)

    kv_tokens: int


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
    """

    __slots__ = ("capacity", "given_up", "holders", "in_transit", "peak", "tokens")

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity  # tokens
        self.tokens = 0  # held
        self.peak = 0  # the most that was ever held
        self.holders = 0  # requests that hold memory here
        self.in_transit = 0
        self.given_up = 0  # of those in transit: requests whose cache is never sent

    def fits(self, tokens: int) -> bool:
        """Whether `tokens` more have room now."""
        return self.tokens + tokens <= self.capacity

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

    def iterations_left(self, growing: Collection[Holder]) -> int:
        """How many steps have room in which each of `growing` gets one more token. Here they have taken their memory
        already."""
        return NO_END

    def advance(self, growing: Collection[Holder], iterations: int) -> None:
        """Take the memory of `iterations` more tokens for each of `growing`, at most those of `iterations_left`."""
