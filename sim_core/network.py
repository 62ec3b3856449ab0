"""KV-cache transfers between replicas."""

from __future__ import annotations

from sim_core.engine import Call, Engine
from sim_core.event import Event, Handler
from sim_core.request import Request
from sim_core.standstill import deadlocked

RETRY_S = 1.0  # where the destination is full, a transfer is tried again this often (SplitwiseSim)
BYTES_PER_GB = 1024**3


class WaitingTransfers:
    """Shared by all networks of a run to detect deadlock: the next try of each transfer that waits for memory."""

    __slots__ = ("gave_up_s", "retries", "tries")

    def __init__(self) -> None:
        self.tries: dict[Request, Event] = {}
        self.retries = 0  # failed tries since the last search for a deadlock
        self.gave_up_s: float | None = None  # when the last transfer was given up


class Network(Handler):
    """Transfers KV caches. Each transfer has a link of its own, so that none slows another down.

    A transfer takes memory at the destination when it starts, and frees the source's when it ends. It is given up, and
    its request stays unfinished, where the destination stands still without room for it, or where source and
    destination wait for each other.
    """

    def __init__(
        self,
        engine: Engine,
        waiting: WaitingTransfers,
        kv_bytes_per_token: int,
        bandwidth_gb_per_s: float,
        on_delivery: Handler,
    ) -> None:
        self._engine = engine
        self._waiting = waiting
        self._kv_bytes_per_token = kv_bytes_per_token
        self._bytes_per_s = bandwidth_gb_per_s * BYTES_PER_GB
        self.on_delivery = on_delivery
        self.sends = Call(self.send)  # fires later
        self._retry = Call(self._send_again)

    def send(self, request: Request) -> None:
        """Start the transfer as soon as the destination has room."""
        destination = request.token_instance
        engine = self._engine
        if not destination.kv.fits(request.kv_tokens):
            self._wait(request)
            return
        destination.kv.receive(request)
        request.transfer_start_s = engine.now
        # the first token's own KV is held but not sent (SplitwiseSim)
        size_bytes = request.batch_size * request.prompt_tokens * self._kv_bytes_per_token
        engine.at(engine.now + size_bytes / self._bytes_per_s, self, request)

    def _wait(self, request: Request) -> None:
        """Try again later: the destination is full."""
        waiting, engine = self._waiting, self._engine
        if request.token_instance.never_fits(request.kv_tokens):
            self._give_up(request)
            return
        waiting.tries[request] = engine.at(engine.now + RETRY_S, self._retry, request)
        waiting.retries += 1
        if waiting.retries > len(waiting.tries):  # the search takes time in proportion to the transfers
            waiting.retries = 0
            self._resolve_deadlock()

    def _send_again(self, request: Request) -> None:
        del self._waiting.tries[request]
        self.send(request)

    def _resolve_deadlock(self) -> None:
        """Let replicas that wait for each other run what they can, or else give up their transfers."""
        tries = self._waiting.tries
        replicas = deadlocked(tries)
        started = [replica for replica in replicas if replica.go_on(despite_transfers=True)]
        if started:
            return
        for request in [request for request in tries if request.prompt_instance in replicas]:
            tries.pop(request).handler = None
            self._give_up(request)

    def _give_up(self, request: Request) -> None:
        """Never send `request`. It keeps its memory, so its replica need not wait for that memory any longer."""
        self._waiting.gave_up_s = self._engine.now
        source, destination = request.prompt_instance, request.token_instance
        for replica in (source, destination):
            if replica.still_since_s is None:
                replica.still_since_s = self._engine.now
        source.kv.given_up += 1
        source.go_on()

    def fire(self, request: Request, /) -> None:
        """A transfer ends."""
        request.transfer_end_s = self._engine.now
        source = request.prompt_instance.kv
        source.release(request)
        source.in_transit -= 1
        self.on_delivery.fire(request)
