"""The clients of a closed loop, as a part of the trace whose requests they send."""

from __future__ import annotations

from array import array
from dataclasses import field

from sim_core.record import record


@record
class Clients:
    """Clients that send a trace's requests in turn, each of them one at a time.

    A client sends the next request of the trace, waits until it has been completed or rejected, thinks, and sends the
    next one. `warmup` requests are sent first. When the last of them has left, the `requests` that are measured begin,
    or without a gap if the warm-up does not drain. The k-th client (from 0 on) starts at k * ramp_s / concurrency, also
    after a warm-up that drains. `think_s`: the n-th request's client thinks
    for its n-th number after that request (from the first number again after the last); empty: no client thinks.

    A front end may stand before the cluster: one process that takes the requests of these clients one after the other,
    each for `front_s` and for `front_token_s` a token of its prompt. Times of requests count from when they are sent.
    """

    concurrency: int  # how many there are
    requests: int  # rows of the trace, behind those of the warm-up
    warmup: int = 0  # rows of the trace
    think_s: array[float] = field(default_factory=lambda: array("d"))
    ramp_s: float = 0.0
    drains: bool = True  # all groups of a trace alike
    front_s: float = 0.0
    front_token_s: float = 0.0

    @property
    def rows(self) -> int:
        """How many rows of the trace they send."""
        return self.warmup + self.requests

    @property
    def has_front(self) -> bool:
        """Whether a front end takes time."""
        return self.front_s > 0.0 or self.front_token_s > 0.0

    def facts(self) -> bytes:
        """Everything that decides when they send, for a digest."""
        numbers = array("q", [self.concurrency, self.requests, self.warmup, self.drains])
        facts = numbers.tobytes() + array("d", [self.ramp_s]).tobytes() + self.think_s.tobytes()
        if self.has_front:
            facts += array("d", [self.front_s, self.front_token_s]).tobytes()
        return facts
