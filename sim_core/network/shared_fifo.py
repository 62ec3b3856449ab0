"""Shared links in turn: network cards carry one transfer after the other.

A sender sends its transfers in the order in which they came, one at a time. The first one asks its receiver, which
takes one at a time, in the order in which senders ask.
"""

from __future__ import annotations

from sim_core.network.ports import SharedLinks, Transfer
from sim_core.request import Request


class FirstComeLinks(SharedLinks):
    """A transfer has both of its ports to itself, so it is as fast as the slower one. While it waits for its receiver,
    it lets those behind it wait, also those to others."""

    def carry(self, request: Request, size_bytes: float, sent_bytes: float) -> None:
        transfer = self.transfer_of(request, size_bytes - sent_bytes)
        transfer.source.transfers.append(transfer)
        if transfer.source.transfers[0] is transfer:
            self._ask(transfer)

    def _ask(self, transfer: Transfer) -> None:
        """A transfer is the first one of its sender."""
        transfer.target.transfers.append(transfer)
        if transfer.target.transfers[0] is transfer:
            self._begin(transfer)

    def _begin(self, transfer: Transfer) -> None:
        engine = self._engine
        transfer.rate = rate = min(transfer.source.bytes_per_s, transfer.target.bytes_per_s)
        transfer.since_s = engine.now
        transfer.end = engine.at(engine.now + transfer.left_bytes / rate, self, transfer)

    def fire(self, transfer: Transfer, /) -> None:
        self.leave(transfer)
        source, target = transfer.source, transfer.target
        if target.transfers:
            self._begin(target.transfers[0])
        if source.transfers:
            self._ask(source.transfers[0])
        self.arrived(transfer.request)
