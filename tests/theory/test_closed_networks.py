"""Clients that think and one server are a textbook closed network; its throughput must be that of mean value analysis.

Slow: it takes some ten thousand requests to know a throughput to a percent.
"""

from __future__ import annotations

from random import Random

import pytest

from sim_core import SimSpec
from tests.runs import measured
from tests.sim_core import worlds
from tests.sim_core.closed import closed

pytestmark = pytest.mark.slow

TOKEN_S, SERVICE_S = 0.001, 0.5  # service is exponential, but for the grain of 1 ms in 500
COUNT, WARMUP = 20_000, 500


def one_at_a_time(prompt_s: float, token_s: float) -> SimSpec:
    return worlds.spec("round_robin", "ORCA", count=1, kv_tokens=10**9, prompt_s=prompt_s, token_s=token_s,
                       batch=worlds.instance("ORCA", size=1))  # fmt: skip


def mean_values(clients: int, think_s: float) -> tuple[float, float]:
    """Throughput and response time by mean value analysis (Reiser and Lavenberg, 1980)."""
    at_server, throughput, response_s = 0.0, 0.0, SERVICE_S
    for population in range(1, clients + 1):
        response_s = SERVICE_S * (1 + at_server)
        throughput = population / (response_s + think_s)
        at_server = throughput * response_s
    return throughput, response_s


@pytest.mark.parametrize(("clients", "think_s"), [(1, 2.0), (4, 2.0), (10, 2.0), (10, 6.0), (3, 0.0)])
def test_exponential_service_and_thinking_have_the_throughput_of_a_closed_network(clients: int, think_s: float) -> None:
    stream = Random(f"closed network {clients} {think_s}")
    sizes = [(1, 1 + int(stream.expovariate(TOKEN_S / SERVICE_S))) for _ in range(COUNT)]
    thinks_s = [stream.expovariate(1 / think_s) if think_s else 0.0 for _ in range(COUNT)]
    result = measured(one_at_a_time(TOKEN_S, TOKEN_S), closed(sizes, clients, WARMUP, thinks_s))
    throughput, response_s = mean_values(clients, think_s)
    assert result.summary["throughput/requests_per_s"] == pytest.approx(throughput, rel=0.03)
    assert result.summary["e2e/mean_s"] == pytest.approx(response_s, rel=0.05)
    assert result.summary["closed/mean_concurrency"] == pytest.approx(throughput * response_s, rel=0.05)


@pytest.mark.parametrize("clients", [1, 5, 40])
def test_clients_over_throughput_are_the_time_of_a_request_and_its_thinking_whatever_their_distribution(
    clients: int,
) -> None:
    stream = Random(f"response time law {clients}")
    sizes = [(1, 1 + int(100 * stream.random() ** 4)) for _ in range(COUNT)]
    spec = worlds.spec("jsq", "ORCA", count=3, kv_tokens=10**6, prompt_s=0.05, token_s=0.013)
    result = measured(spec, closed(sizes, clients, WARMUP, [0.7]))
    cycle_s = clients / result.summary["throughput/requests_per_s"]
    assert cycle_s == pytest.approx(result.summary["e2e/mean_s"] + 0.7, rel=0.01)
