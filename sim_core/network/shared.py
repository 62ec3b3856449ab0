"""Shared links with fair shares: all transfers of a port go on at once.

A transfer gets the smaller of two equal shares: that of the port which sends it, and that of the port which receives
it. So what begins or ends at a port concerns the transfers of two ports alone, and no others in the cluster. Max-min
fairness would give what a transfer cannot use, as its other end is slower, to others of the same port; for that, all
transfers that are connected by ports have to be looked at, which may be those of the whole cluster. No transfer is
faster here than with max-min fairness, and no port carries more than it can.
"""

from __future__ import annotations

from sim_core.network.ports import Port, SharedLinks, Transfer
from sim_core.request import Request


class FairShares(SharedLinks):
    """Transfers share ports equally."""

    def carry(self, request: Request, size_bytes: float, sent_bytes: float) -> None:
        transfer = self.transfer_of(request, size_bytes - sent_bytes)
        transfer.since_s = self._engine.now
        transfer.source.transfers.append(transfer)
        transfer.target.transfers.append(transfer)
        self._share([transfer.source, transfer.target])

    def _share(self, ports: list[Port]) -> None:
        """Give the transfers of some ports the rates that follow from their numbers."""
        for port in ports:
            for transfer in port.transfers:
                self._set_rate(transfer)

    def _set_rate(self, transfer: Transfer) -> None:
        source, target = transfer.source, transfer.target
        rate = min(source.bytes_per_s / len(source.transfers), target.bytes_per_s / len(target.transfers))
        former = transfer.rate
        if rate == former:
            return
        engine = self._engine
        now = engine.now
        if former > 0.0:
            if transfer.end.time_s <= now:  # it ends now, by an event that is still to come
                return
            transfer.left_bytes = max(transfer.left_bytes - former * (now - transfer.since_s), 0.0)
            transfer.since_s = now
            transfer.end.handler = None
        transfer.rate = rate
        transfer.end = engine.at(now + transfer.left_bytes / rate, self, transfer)

    def fire(self, transfer: Transfer, /) -> None:
        """Transfers end. Those of its ports that end at the same time end with it, in the order of their starts."""
        now = self._engine.now
        ending: dict[int, Transfer] = {}
        for port in (transfer.source, transfer.target):
            for other in port.transfers:
                if other.end.time_s <= now:
                    ending[other.number] = other
        ports: dict[Port, None] = {}
        ended = [ending[number] for number in sorted(ending)]
        for other in ended:
            other.end.handler = None
            self.leave(other)
            ports[other.source] = ports[other.target] = None
        self._share(list(ports))
        for other in ended:
            self.arrived(other.request)
