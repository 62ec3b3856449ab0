"""The workload of a run: columns of requests, sorted by arrival and already checked."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from math import floor, isfinite
from typing import Any

from sim_core.clients import Clients
from sim_core.digest import sha256
from sim_core.errors import TraceError
from sim_core.prefixes import Prefixes

LATEST_START_S = 86_400.0  # SplitwiseSim's clock ends here: it serves no trace that starts later


@dataclass(frozen=True)
class Trace:
    """Requests in order of arrival. Columns have one length; sizes are in tokens, the first output token included.

    `name` is for display; `digest()` covers the columns and the clients. `origin_s`: the time on the clock of the
    trace's source at which its own clock reads 0; other than 0 only where `on_run_clock` has moved it.
    `clients`: those of a closed loop, which send the rows (groups of them have consecutive parts); all arrivals are 0.
    `prefixes` says what requests have in common, where that is known.
    """

    name: str
    request_id: array[int]  # typecode q
    application_id: array[int]  # q
    arrival_s: array[float]  # d, finite, >= 0, ascending
    prompt_tokens: array[int]  # q, >= 1
    output_tokens: array[int]  # q, >= 1
    batch_size: array[int]  # q, >= 1: sequences a request stands for (scales its KV cache only)
    origin_s: float = 0.0
    clients: tuple[Clients, ...] = ()
    prefixes: Prefixes | None = None

    @classmethod
    def of(cls, requests: Iterable[tuple[float, int, int]], name: str = "trace") -> Trace:
        """A trace of requests of application 0, each an arrival in s with its prompt and output tokens. They are sorted
        by arrival, and numbered in that order. Raises TraceError."""
        rows = sorted(requests, key=lambda request: request[0])
        for number, (arrival_s, prompt_tokens, output_tokens) in enumerate(rows, 1):
            if not (isfinite(arrival_s) and arrival_s >= 0.0 and prompt_tokens >= 1 and output_tokens >= 1):
                raise TraceError("arrivals must be finite and at least 0, tokens at least 1", source=name, row=number)
        return cls(
            name=name,
            request_id=array("q", range(len(rows))),
            application_id=array("q", [0] * len(rows)),
            arrival_s=array("d", [arrival_s for arrival_s, _, _ in rows]),
            prompt_tokens=array("q", [prompt_tokens for _, prompt_tokens, _ in rows]),
            output_tokens=array("q", [output_tokens for _, _, output_tokens in rows]),
            batch_size=array("q", [1] * len(rows)),
        )

    def __len__(self) -> int:
        return len(self.request_id)

    @property
    def first_arrival_s(self) -> float:
        """The time that figures count from; 0 without requests."""
        return self.arrival_s[0] if self.arrival_s else 0.0

    @property
    def measured(self) -> int:
        """How many requests figures count: all but those of a closed loop's warm-up."""
        return len(self) - sum(clients.warmup for clients in self.clients)

    @property
    def concurrency(self) -> int | None:
        """How many clients of a closed loop send the requests; None for an open loop."""
        return sum(clients.concurrency for clients in self.clients) if self.clients else None

    def on_run_clock(self) -> Trace:
        """The trace on the clock of its run: its own clock, unless it starts at LATEST_START_S or later.

        Later times, such as those since 1970, are counted from the whole second of the first arrival: at 1.7e9 s
        neighbouring floats are 2.4e-7 s apart, too coarse for the times of iterations.
        """
        start_s = float(floor(self.first_arrival_s))
        if start_s < LATEST_START_S:
            return self
        arrival_s = array("d", [time_s - start_s for time_s in self.arrival_s])
        return replace(self, arrival_s=arrival_s, origin_s=self.origin_s + start_s)

    def digest(self) -> str:
        """SHA-256 of the columns' bytes, and of the clients where there are any, in hex."""
        return self._digest

    @cached_property
    def _digest(self) -> str:  # a process of a sweep serves one trace in many runs
        columns: tuple[array[Any], ...] = (
            self.request_id,
            self.application_id,
            self.arrival_s,
            self.prompt_tokens,
            self.output_tokens,
            self.batch_size,
        )
        if self.prefixes is not None:
            columns += self.prefixes.columns
        parts = [part for column in columns for part in (column.typecode.encode(), column.tobytes())]
        return sha256([*parts, *(clients.facts() for clients in self.clients)]).hex()
