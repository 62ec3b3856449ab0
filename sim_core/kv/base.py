"""What a KV cache provides: the memory of a replica beside the weights, counted in whole tokens."""

from __future__ import annotations

from abc import abstractmethod

from sim_core.native import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class KvCache:
    """The KV cache of one replica. Its methods alone change `tokens` and `peak`.

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
    def admit(self, tokens: int) -> None:
        """Take the memory of a task that joins the batch. The batcher has checked that it fits."""

    @abstractmethod
    def receive(self, tokens: int) -> None:
        """Take memory for a cache that is about to come from another replica. The network has checked that it fits."""

    @abstractmethod
    def release(self, tokens: int) -> None:
        """Free all memory of a request, which has ended or whose cache has left."""
