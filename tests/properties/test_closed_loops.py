"""What holds in every closed loop, tried on the small random clusters of `test_random_worlds`."""

from __future__ import annotations

from array import array
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from sim_core import SimSpec, Trace
from sim_core.clients import Clients
from sim_core.closed_loop import ClosedLoop
from sim_core.results import SimResult
from sim_core.simulation import Simulation
from sync.results.measure import measure
from tests.properties.test_random_worlds import numbers, specs
from tests.sim_core import worlds


@st.composite
def closed_traces(draw: st.DrawFn) -> Trace:
    """Few clients with few requests, with think times of which many are alike."""
    sizes = draw(st.lists(st.tuples(st.integers(1, 90), st.integers(1, 40)), min_size=1, max_size=30))
    warmup = draw(st.integers(0, len(sizes) - 1))
    think_s = draw(st.lists(st.sampled_from([0.0, 0.0625, 0.5, 7.0]), max_size=3))
    concurrency, ramp_s = draw(st.integers(1, 9)), draw(st.sampled_from([0.0, 0.5, 4.0]))
    clients = Clients(concurrency, len(sizes) - warmup, warmup, array("d", think_s), ramp_s)
    return replace(worlds.trace([(0.0, *size) for size in sizes]), clients=(clients,))


def served(spec: SimSpec, trace: Trace) -> tuple[ClosedLoop, SimResult]:
    loop = ClosedLoop(trace)
    return loop, Simulation(spec).serve(loop)


@settings(deadline=None, max_examples=150)
@given(specs(), closed_traces(), st.sampled_from([None, 3.0]))
def test_every_request_that_is_sent_ends_once_and_no_client_has_two(
    spec: SimSpec, trace: Trace, end_time_s: float | None
) -> None:
    loop, result = served(replace(spec, end_time_s=end_time_s), trace)
    clients = trace.clients[0]
    sent, ends = loop.requests(), dict(zip(result.requests["request_id"], result.requests["end_s"], strict=True))
    counted = [*result.requests["request_id"], *result.unserved["request_id"]]
    assert sorted(counted) == list(range(clients.warmup, len(sent)))
    assert result.completed + result.rejected + result.unfinished + result.warmup == len(sent)
    assert len(sent) == len(trace) or result.unfinished or result.cut_at_s is not None or result.standstill
    last: dict[int, int] = {}  # by client, its request before
    for number, client in enumerate(loop.client_of):
        assert 0 <= client < clients.concurrency
        before = last.get(client)
        if before in ends:
            assert ends[before] <= sent.arrival_s[number]
        last[client] = number


@settings(deadline=None, max_examples=50)
@given(specs(), closed_traces())
def test_a_closed_loop_is_the_same_each_time(spec: SimSpec, trace: Trace) -> None:
    first, second = (measure(Simulation(spec).run(trace), spec) for _ in range(2))
    assert numbers(first) == numbers(second)
