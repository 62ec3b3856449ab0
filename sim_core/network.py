"""KV-cache transfers between instances."""

from __future__ import annotations

from collections.abc import Callable

from sim_core.engine import Engine
from sim_core.request import Request

RETRY_S = 1.0  # where the destination is full, a transfer is tried again this often (SplitwiseSim)
BYTES_PER_GB = 1024**3


class Standstill:
    """What the networks of one run know together: since when nothing but retries has been to come, and all in vain."""

    __slots__ = ("since_s",)

    def __init__(self) -> None:
        self.since_s: float | None = None


class Network:
    """Links of one bandwidth, one to each transfer: nothing contends.

    A transfer takes the destination's memory when it starts and frees the source's when it ends. Once nothing but
    retries is left to happen and each of them has been tried in vain, no memory will ever be freed: they are given up,
    and their requests stay unfinished.
    """

    def __init__(
        self,
        engine: Engine,
        standstill: Standstill,
        kv_bytes_per_token: int,
        bandwidth_gb_per_s: float,
        on_delivery: Callable[[Request], None],
    ) -> None:
        self._engine = engine
        self._standstill = standstill
        self._kv_bytes_per_token = kv_bytes_per_token
        self._bytes_per_s = bandwidth_gb_per_s * BYTES_PER_GB
        self.on_delivery = on_delivery
        self.retries = 0
        self._look_at = 0  # the retry at which to look whether anything else is to come

    def send(self, request: Request) -> None:
        """Start the transfer as soon as the destination has room."""
        destination = request.token_instance
        engine = self._engine
        kv_tokens = request.kv_tokens
        if destination.kv_tokens + kv_tokens > destination.kv_capacity:
            self._retry(request)
            return
        self._standstill.since_s = None
        destination.take_memory(kv_tokens)
        destination.kv_holders += 1
        request.transfer_start_s = engine.now
        # the first token's own KV is held but not sent (SplitwiseSim)
        size_bytes = request.batch_size * request.prompt_tokens * self._kv_bytes_per_token
        engine.at(engine.now + size_bytes / self._bytes_per_s, self._deliver, request)

    def _retry(self, request: Request) -> None:
        engine = self._engine
        self.retries += 1
        if self.retries >= self._look_at:
            if self._is_stuck():
                return
            # a look costs as many steps as there are events, so it is taken once in so many retries
            self._look_at = self.retries + len(engine)
        engine.at(engine.now + RETRY_S, self._send_again, request)

    def _send_again(self, request: Request) -> None:
        """A retry, told by its name from a first attempt that is still to come."""
        self.send(request)

    def _is_stuck(self) -> bool:
        """Whether for longer than a round of retries there has been nothing else, and none has succeeded."""
        standstill, now = self._standstill, self._engine.now
        if not self._engine.is_only(Network._send_again):
            standstill.since_s = None
        elif standstill.since_s is None:
            standstill.since_s = now
        else:
            return now - standstill.since_s > RETRY_S
        return False

    def _deliver(self, request: Request) -> None:
        request.transfer_end_s = self._engine.now
        request.prompt_instance.free_memory(request.kv_tokens)
        self.on_delivery(request)
