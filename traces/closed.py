"""A trace whose requests are sent by clients, in turn, in place of its own arrivals."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Sequence

from sim_core.errors import TraceError
from sim_core.prefixes import Prefixes
from sim_core.rng import Streams
from sim_core.trace import Trace
from traces.arrivals.closed import Closed, no_times
from traces.recipe import MAX_REQUESTS


def with_clients(trace: Trace, arrivals: Closed, seed: int, source: str) -> Trace:
    """The requests of `trace` in its order, sent by clients: from the first again after the last, if more are asked
    for. The warm-up has the requests that come before the first in this circle, which are the trace's last. The
    requests of a closed loop get new clients. TraceError, naming `source`, where there is no such order."""
    if len(trace.clients) > 1:
        raise TraceError("has several groups of clients; leave trace.arrivals out", source=source)
    rows = range(sum(clients.warmup for clients in trace.clients), len(trace))
    count = len(rows) if arrivals.requests is None else arrivals.requests
    if count + arrivals.warmup > MAX_REQUESTS:
        raise TraceError(f"{count + arrivals.warmup:,} requests are asked for; at most {MAX_REQUESTS:,}", source=source)
    order = [rows[number % len(rows)] for number in range(-arrivals.warmup, count)]

    def picked(column: array[int]) -> array[int]:
        return array("q", [column[row] for row in order])

    return Trace(
        name=trace.name,
        request_id=array("q", [*range(count, count + arrivals.warmup), *range(count)]),
        application_id=picked(trace.application_id),
        arrival_s=no_times(len(order)),
        prompt_tokens=picked(trace.prompt_tokens),
        output_tokens=picked(trace.output_tokens),
        batch_size=picked(trace.batch_size),
        clients=(arrivals.clients(count, Streams(seed), "trace"),),
        prefixes=_prefixes(trace.prefixes, order),
    )


def _prefixes(prefixes: Prefixes | None, order: Sequence[int]) -> Prefixes | None:
    """What the requests of the rows in `order` have in common. Of one that is sent twice, what is its own is new."""
    if prefixes is None:
        return None
    picked = prefixes.without_rows()
    for row in order:
        picked.append(prefixes, row)
    return picked


def identity_with_clients(identity: str, arrivals: Closed, seed: int) -> str:
    """The identity of such a trace, from that of the trace."""
    drawn = seed if arrivals.think.is_random else None
    facts = json.dumps([arrivals.facts(), drawn], sort_keys=True)
    return hashlib.sha256(f"{identity} sent by {facts}".encode()).hexdigest()
