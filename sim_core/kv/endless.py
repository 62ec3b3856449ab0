"""A prefix cache of blocks that never loses one."""

from __future__ import annotations

from sim_core.kv.base import EndlessCache
from sim_core.kv.chain import Chain, Forest
from sim_core.kv.content import Content


class EndlessPagedCache(EndlessCache):
    """It has the blocks of all requests so far. As in `PagedKv`, only full blocks are hit, never the last token of a
    prompt, and the last output is not computed."""

    __slots__ = ("_block", "_filled", "_forest")

    def __init__(self, block_size: int) -> None:
        self._block = block_size
        self._forest = Forest(block_size)
        # the place up to which a chain has blocks; where it has any, those before it have all up to where it begins
        self._filled: dict[Chain, int] = {}

    def add(self, content: Content, prompt_tokens: int, output_tokens: int) -> int:
        block, filled = self._block, self._filled
        path = self._forest.path(content)
        most = (prompt_tokens - 1) // block
        computed = (prompt_tokens + output_tokens - 1) // block
        hit = 0
        for chain, end in zip(path.chains, path.ends, strict=True):
            there = filled.get(chain, 0)
            hit = max(hit, min(there, end, most))
            if min(end, computed) > there:
                filled[chain] = min(end, computed)
        return hit * block
