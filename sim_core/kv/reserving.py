"""Blocks of which some are free and spoken for: those that run will take them."""

from __future__ import annotations

from sim_core.kv.chain import Holding
from sim_core.kv.paged import PagedKv
from sim_core.native import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class ReservingKv(PagedKv):
    """`reserved` blocks of the free ones are for requests that run. A cache from another replica never takes these."""

    __slots__ = ("reserved",)

    def __init__(self, usable: int, block_size: int, caching: bool) -> None:
        super().__init__(usable, block_size, caching)
        self.reserved = 0

    def fits(self, tokens: int) -> bool:
        return -(-tokens // self.size) <= self.free - self.reserved

    def take_reserved(self, blocks: int) -> None:
        """Take blocks that were reserved."""
        if blocks:
            self.draw(blocks)
            self.reserved -= blocks

    def spare_reserved(self) -> None:
        """What is still reserved is not needed now."""
        self.reserved = 0
        if self._room is not None:
            self._room()

    def merge(self, holding: Holding, upto: int) -> None:
        """Let a request use the cached blocks up to the place `upto`, in place of its own ones that are equal to these.
        It has as many blocks as before."""
        blocks = holding.blocks
        self.give_back(holding)
        self.hold(holding, self.look_up(holding, upto))
        if blocks > holding.blocks:
            self.take(holding, blocks - holding.blocks)
