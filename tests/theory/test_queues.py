"""One instance that serves one request at a time is a textbook queue; its mean wait must be the formula's.

Slow: waits are correlated, so it takes 80,000 requests to know a mean wait to a few percent.
"""

from __future__ import annotations

from math import sqrt
from random import Random
from statistics import mean, stdev

import pytest

from tests.runs import measured
from tests.sim_core import worlds

pytestmark = pytest.mark.slow

BATCHES = 40
PER_BATCH = 2_000


def poisson(rate_per_s: float, count: int, stream: Random) -> list[float]:
    now, times = 0.0, []
    for _ in range(count):
        now += stream.expovariate(rate_per_s)
        times.append(now)
    return times


def mean_wait_and_error(spec, rows) -> tuple[float, float]:  # type: ignore[no-untyped-def]
    """Mean time in the queue and its standard error, by batch means (waits are correlated), the first one left out."""
    result = measured(spec, worlds.trace(rows))
    assert result.completed == len(rows)
    order = sorted(zip(result.requests["arrival_s"], result.requests["queue_s"], strict=True))
    waits = [wait for _, wait in order]
    means = [mean(waits[start : start + PER_BATCH]) for start in range(PER_BATCH, len(waits), PER_BATCH)]
    return mean(means), stdev(means) / sqrt(len(means))


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_constant_service_waits_as_m_d_1(load: float) -> None:
    service_s = 0.5
    spec = worlds.spec("round_robin", "ORCA", count=1, kv_tokens=10**6, prompt_s=service_s,
                       batch=worlds.instance("ORCA", size=1))  # fmt: skip
    arrivals = poisson(load / service_s, BATCHES * PER_BATCH, Random(f"m/d/1 {load}"))
    measured, error = mean_wait_and_error(spec, [(time, 1, 1) for time in arrivals])
    expected = load * service_s / (2 * (1 - load))
    assert abs(measured - expected) < 4 * error
    assert error < 0.1 * expected


@pytest.mark.parametrize("load", [0.3, 0.6, 0.8])
def test_exponential_service_waits_as_m_m_1(load: float) -> None:
    # the decode of 1 + n tokens takes n times 1 ms: exponential, but for the grain of 1 ms in 500
    token_s, service_s = 0.001, 0.5
    spec = worlds.spec("round_robin", "ORCA", count=1, kv_tokens=10**9, prompt_s=token_s, token_s=token_s,
                       batch=worlds.instance("ORCA", size=1))  # fmt: skip
    stream = Random(f"m/m/1 {load}")
    arrivals = poisson(load / service_s, BATCHES * PER_BATCH, stream)
    rows = [(time, 1, 1 + int(stream.expovariate(token_s / service_s))) for time in arrivals]
    measured, error = mean_wait_and_error(spec, rows)
    expected = load * service_s / (1 - load)
    assert abs(measured - expected) < 4 * error
    assert error < 0.15 * expected


def test_two_servers_with_one_queue_each_wait_less_when_the_shorter_is_joined() -> None:
    arrivals = poisson(3.0, 20_000, Random("jsq"))
    waits = {}
    for policy in ("random", "jsq"):
        spec = worlds.spec(policy, "ORCA", count=2, kv_tokens=10**6, prompt_s=0.5,
                           batch=worlds.instance("ORCA", size=1))  # fmt: skip
        waits[policy], _ = mean_wait_and_error(spec, [(time, 1, 1) for time in arrivals])
    # random splitting makes two M/D/1 queues at load 0.75
    assert waits["random"] == pytest.approx(0.75 * 0.5 / (2 * 0.25), rel=0.15)
    assert waits["jsq"] < 0.6 * waits["random"]
