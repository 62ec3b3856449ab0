"""Simulates what a benchmark measured, with the configuration of a run."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import log1p
from typing import Any

import numpy as np

from configs.compose import CONFIG_DIR, Composer
from configs.silicon import grids
from sim_core.clients import Clients
from sim_core.config import spec_from_config
from sim_core.errors import SpecError
from sim_core.performance.calibrated import NAME, NOT_SCALED, deployed, scaled
from sim_core.rng import Streams
from sim_core.simulation import simulate
from sim_core.spec import SimSpec
from sim_core.trace import Trace
from sweep.calibrate.fit import Fit, Times
from sweep.calibrate.formats import MeasuredPoint
from sweep.calibrate.formats.base import CONSTANT, MOST_REQUESTS, Lengths
from sync.results.measure import pick, request_columns

ROOT = CONFIG_DIR.parent
STAGGER_S = 0.001  # from one client's first request to the next one's: one process sends them
ROUNDS = 10  # requests a client where a table does not say how many
RATE_S, LEAST_AT_RATE = 60.0, 100  # and for how long a rate is sent, and how many requests at least


class Deployment:
    """A cluster as the overrides of a command line configure it, for runs of benchmarks in place of its trace."""

    def __init__(self, overrides: Sequence[str]) -> None:
        config = Composer().resolved(overrides)
        self.performance: Mapping[str, Any] = config["performance_model"]
        if (policy := self.performance.get("policy")) in NOT_SCALED:
            reason = "is calibrated already" if policy == NAME else "has times for testing, which are no hardware's"
            fix = "name the performance model whose times are to be scaled, such as performance_model=aiconfigurator"
            raise SpecError(f"{reason}; {fix}", key="performance_model", value=policy)
        self.spec = spec_from_config(config, ROOT, grids=grids)
        if len(self.spec.applications) != 1:
            raise SpecError("calibrate one application at a time", key="applications")
        self.fitted_on = _fitted_on(self.spec)

    def run(self, point: MeasuredPoint, fit: Fit) -> Times:
        """The mean times of a simulated run. SpecError where requests were left over."""
        performance = scaled(self.spec.performance, fit.factor, 0.0)
        spec = replace(
            self.spec, performance=performance, routing_delay_s=self.spec.routing_delay_s + fit.ttft_offset_s
        )
        result = simulate(spec, trace_of(point, spec.seed), pick)
        if left := result.rejected + result.unfinished:
            reason = f"{left} of its requests were not served in the simulation: is its memory, or end_time, too small?"
            raise SpecError(reason, source=point.name)
        columns = request_columns(result, spec)
        tpot_s = columns["tbt_s"][~np.isnan(columns["tbt_s"])]
        return Times(
            1e3 * float(columns["ttft_s"].mean()),
            1e3 * float(tpot_s.mean()) if len(tpot_s) else None,
            1e3 * float(columns["queue_s"].mean()),
        )


def trace_of(point: MeasuredPoint, seed: int) -> Trace:
    """The requests of a benchmark's run: a closed loop, or arrivals at its rate."""
    requests = _requests(point)
    streams = Streams(seed)
    arrivals = [0.0] * requests if point.rate is None else _arrivals(point, requests, streams)
    clients: tuple[Clients, ...] = ()
    if point.concurrency is not None:
        count = min(point.concurrency, requests)
        clients = (Clients(count, requests, ramp_s=STAGGER_S * count),)
    return replace(
        Trace.of(((arrival_s, 1, 1) for arrival_s in arrivals), point.name),
        prompt_tokens=drawn_lengths(point.prompts, streams, "prompts", requests),
        output_tokens=drawn_lengths(point.outputs, streams, "outputs", requests),
        clients=clients,
    )


def _requests(point: MeasuredPoint) -> int:
    if point.requests is not None:
        return point.requests
    if point.concurrency is not None:
        return min(ROUNDS * point.concurrency, MOST_REQUESTS)
    assert point.rate is not None
    return min(max(round(RATE_S * point.rate), LEAST_AT_RATE), MOST_REQUESTS)


def _arrivals(point: MeasuredPoint, requests: int, streams: Streams) -> list[float]:
    assert point.rate is not None
    if point.spacing == CONSTANT:
        return [number / point.rate for number in range(requests)]
    draw, now_s, times = streams["arrivals"].random, 0.0, []
    for _ in range(requests):
        now_s -= log1p(-draw()) / point.rate
        times.append(now_s)
    return times


def drawn_lengths(lengths: Lengths, streams: Streams, name: str, count: int) -> array[int]:
    """The lengths of `count` requests, drawn from the stream `name`."""
    if lengths.each:
        return array("q", [lengths.each[place % len(lengths.each)] for place in range(count)])
    draw, span = streams[name].random, lengths.high - lengths.low + 1
    return array("q", [lengths.low + int(draw() * span) for _ in range(count)])


def _fitted_on(spec: SimSpec) -> list[str]:
    """The kinds of instances, as a calibrated performance model compares them."""
    model = spec.applications[0].model
    hardware = sorted({processor.name for group in spec.servers for processor in group.processors})
    kinds = [kind for state in spec.start_states for kind in state.kinds]
    return list(dict.fromkeys(deployed(model, name, kind) for name in hardware for kind in kinds))
