"""Shared links in turn: a port carries one transfer after the other, in the order in which they came."""

from __future__ import annotations

from sim_core.network.ports import SharedLinks, Transfer
from sim_core.request import Request


class FirstComeLinks(SharedLinks):
    """A transfer begins when it is the first one at both of its ports, and has both to itself. So one that waits for
    its destination's port lets all behind it wait, also those to other machines."""

    def carry(self, request: Request, size_bytes: float, sent_bytes: float) -> None:
        transfer = self.transfer_of(request, size_bytes - sent_bytes)
        transfer.source.transfers.append(transfer)
        transfer.target.transfers.append(transfer)
        self._begin_if_first(transfer)

    def _begin_if_first(self, transfer: Transfer) -> None:
        source, target = transfer.source, transfer.target
        if transfer.rate > 0.0 or source.transfers[0] is not transfer or target.transfers[0] is not transfer:
            return
        engine = self._engine
        transfer.rate = rate = min(source.bytes_per_s, target.bytes_per_s)
        transfer.since_s = engine.now
        transfer.end = engine.at(engine.now + transfer.left_bytes / rate, self, transfer)

    def fire(self, transfer: Transfer, /) -> None:
        self.leave(transfer)
        for port in (transfer.source, transfer.target):
            if port.transfers:
                self._begin_if_first(port.transfers[0])
        self.arrived(transfer.request)
