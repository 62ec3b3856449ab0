"""Recipes of closed loops: the sizes of requests, and clients that send them one after another.

The measured requests, and the think times after them, are the same with any warm-up and concurrency: a warm-up has
random streams of its own.
"""

from __future__ import annotations

import hashlib
import json
from array import array
from dataclasses import dataclass

from sim_core.errors import SpecError
from sim_core.rng import Streams
from sim_core.trace import Trace
from traces.arrivals.closed import Closed, no_times
from traces.recipe import MAX_REQUESTS, RECIPE_VERSION, Pairs, stream_prefix


@dataclass(frozen=True)
class ClosedStream:
    """The requests of one application, and the clients that send them: `requests` of them are measured."""

    application_id: int
    arrivals: Closed
    requests: int
    sizes: Pairs
    batch_size: int = 1

    def facts(self) -> object:
        """Everything that decides its requests, except the seed."""
        return [self.application_id, self.arrivals.facts(), self.requests, self.sizes.facts(), self.batch_size]


@dataclass(frozen=True)
class ClosedRecipe:
    """Each application has clients of its own."""

    applications: tuple[ClosedStream, ...]

    @property
    def requests(self) -> int:
        """How many requests are sent, warm-ups included."""
        return sum(application.requests + application.arrivals.warmup for application in self.applications)

    def check_amount(self) -> None:
        """SpecError if it has too many requests."""
        if self.requests > MAX_REQUESTS:
            reason = f"asks for {self.requests:,} requests; at most {MAX_REQUESTS:,} are made"
            raise SpecError(reason, key="applications")

    def digest(self, seed: int) -> str:
        """SHA-256 in hex over everything that decides the trace, without generating it."""
        facts = {
            "recipe_version": RECIPE_VERSION,
            "closed": [application.facts() for application in self.applications],
            "seed": seed,
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def generate(self, seed: int, name: str) -> Trace:
        """The trace. Measured requests are numbered from 0 on, application by application, and then the warm-up's."""
        streams = Streams(seed)
        columns = tuple(array("q") for _ in range(5))
        clients = []
        measured = sum(application.requests for application in self.applications)
        next_id, next_warmup_id = 0, measured
        for application in self.applications:
            prefix, count, warmup = stream_prefix(application.application_id), application.requests, 0
            clients.append(application.arrivals.clients(count, streams, prefix))
            warmup = clients[-1].warmup
            before = application.sizes.sample(streams, f"{prefix}/warmup", warmup)
            sizes = application.sizes.sample(streams, prefix, count)
            ids = array("q", [*range(next_warmup_id, next_warmup_id + warmup), *range(next_id, next_id + count)])
            next_id, next_warmup_id = next_id + count, next_warmup_id + warmup
            both = [earlier + later for earlier, later in zip(before, sizes, strict=True)]
            constants = [array("q", [x]) * len(ids) for x in (application.application_id, application.batch_size)]
            for column, values in zip(columns, (ids, *both, *constants), strict=True):
                column.extend(values)
        ids, prompt_tokens, output_tokens, application_id, batch_size = columns
        return Trace(
            name=name,
            request_id=ids,
            application_id=application_id,
            arrival_s=no_times(len(ids)),
            prompt_tokens=prompt_tokens,
            output_tokens=output_tokens,
            batch_size=batch_size,
            clients=tuple(clients),
        )

    @property
    def rate_per_s(self) -> float | None:
        """None: it has no rate."""
        return None

    @property
    def duration_s(self) -> float | None:
        """None: it lasts until its requests are done."""
        return None

    def at_rate(self, rate_per_s: float) -> ClosedRecipe:
        """SpecError: a closed loop has no rate."""
        raise SpecError("a closed loop has no rate of its own; give its concurrency", key="rate", value=rate_per_s)
