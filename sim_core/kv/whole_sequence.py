"""Memory taken for the whole sequence at once, as in SplitwiseSim."""

from __future__ import annotations

from sim_core.kv.base import KvCache
from sim_core.native import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class WholeSequenceKv(KvCache):
    """A prompt takes the memory of its tokens and the first output token when it starts, a decode that of all further
    tokens when it starts. So nothing runs out of memory once it has started."""

    __slots__ = ()

    def admit(self, tokens: int) -> None:
        self.tokens = used = self.tokens + tokens
        if used > self.peak:
            self.peak = used

    def receive(self, tokens: int) -> None:
        self.holders += 1
        self.in_transit += 1
        self.tokens = used = self.tokens + tokens
        if used > self.peak:
            self.peak = used

    def release(self, tokens: int) -> None:
        self.tokens -= tokens
        self.holders -= 1
