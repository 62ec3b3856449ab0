"""Links of their own: as in SplitwiseSim, no transfer slows another down."""

from __future__ import annotations

from sim_core.network.base import BYTES_PER_GB, Network, Wiring
from sim_core.request import Request


class PrivateLinks(Network):
    """Each transfer has a link of its own, with the scheduler's bandwidth."""

    def __init__(self, wiring: Wiring) -> None:
        super().__init__(wiring)
        self._bytes_per_s = wiring.bandwidth_gb_per_s * BYTES_PER_GB

    def carry(self, request: Request, size_bytes: float, sent_bytes: float) -> None:
        engine = self._engine
        engine.at(engine.now + (size_bytes - sent_bytes) / self._bytes_per_s, self, request)

    def sent_during(self, request: Request, most_bytes: float, from_s: float) -> float:
        return min(most_bytes, (self._engine.now - from_s) * self._bytes_per_s)

    def fire(self, request: Request, /) -> None:
        self.arrived(request)
