"""Closed loops for tests: traces of sizes, with the clients that send them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace

from sim_core.clients import Clients
from sim_core.trace import Trace
from tests.sim_core import worlds

Sizes = Sequence[tuple[int, int]]


def closed(
    sizes: Sizes,
    concurrency: int,
    warmup: int = 0,
    think_s: Sequence[float] = (),
    ramp_s: float = 0.0,
    drains: bool = True,
    front_s: float = 0.0,
    front_token_s: float = 0.0,
) -> Trace:
    """Requests of these (prompt, output) tokens, of which the first `warmup` are a warm-up, sent by clients."""
    trace = worlds.trace([(0.0, *size) for size in sizes])
    times_s = array("d", think_s)
    clients = Clients(concurrency, len(trace) - warmup, warmup, times_s, ramp_s, drains, front_s, front_token_s)
    return replace(trace, clients=(clients,))


def together(*traces: Trace) -> Trace:
    """One trace with the clients of several, each of which is for an application of its own."""
    columns = [array("q") for _ in range(4)]
    for number, trace in enumerate(traces):
        values = [number] * len(trace), trace.prompt_tokens, trace.output_tokens, trace.batch_size
        for column, value in zip(columns, values, strict=True):
            column.extend(value)
    applications, prompts, outputs, batch_sizes = columns
    ids, arrivals = array("q", range(len(prompts))), array("d", bytes(8 * len(prompts)))
    clients = tuple(group for trace in traces for group in trace.clients)
    return Trace("test", ids, applications, arrivals, prompts, outputs, batch_sizes, clients=clients)
