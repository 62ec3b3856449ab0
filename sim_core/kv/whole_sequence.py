"""Memory taken for the whole sequence at once, as in SplitwiseSim."""

from __future__ import annotations

from sim_core.kv.base import Holder, KvCache
from sim_core.native import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class WholeSequenceKv(KvCache):
    """A prompt takes the memory of its tokens and the first output token when it starts, a decode that of all further
    tokens when it starts. So nothing runs out of memory once it has started."""

    __slots__ = ()

    def admit(self, holder: Holder, tokens: int) -> None:
        if not holder.kv_tokens:
            self.holders += 1
        holder.kv_tokens += tokens
        self.tokens = used = self.tokens + tokens
        if used > self.peak:
            self.peak = used

    def receive(self, holder: Holder) -> None:
        self.holders += 1
        self.in_transit += 1
        self.tokens = used = self.tokens + holder.kv_tokens
        if used > self.peak:
            self.peak = used

    def release(self, holder: Holder) -> None:
        self.tokens -= holder.kv_tokens
        self.holders -= 1
