"""Clients of a trace: each sends a request, waits for its end, thinks, and sends the next."""

from __future__ import annotations

import math
import warnings
from array import array
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest

from sim_core import simulate
from sim_core.clients import Clients
from sim_core.closed_loop import ClosedLoop
from sim_core.errors import SpecWarning
from sim_core.results import SimResult
from sim_core.simulation import NO_BACKLOG, Simulation
from sim_core.spec import SimSpec, StartStateSpec
from sim_core.trace import Trace
from tests.runs import measured
from tests.sim_core import worlds
from tests.sim_core.closed import closed, together

ONE = [(10, 1)]  # 0.25 s alone
SIZES = [(20 + number % 7, 1 + number % 9) for number in range(60)]


def alone(size: int = 1, **settings: object) -> SimSpec:
    """A machine that serves `size` requests at once."""
    how = worlds.instance("ORCA", size=size)
    return worlds.spec("round_robin", batch=how, **{"count": 1, "kv_tokens": 10**6, **settings})  # type: ignore[arg-type]


def columns(result: SimResult) -> dict[str, bytes]:
    return {name: array("d", column).tobytes() for name, column in result.requests.items()}


def served(spec: SimSpec, trace: Trace) -> tuple[ClosedLoop, SimResult]:
    loop = ClosedLoop(trace)
    return loop, Simulation(spec).serve(loop)


def test_one_client_sends_requests_one_after_the_other_each_as_if_it_were_alone() -> None:
    result = measured(alone(8), closed(SIZES, 1))
    by_itself = [0.25 + 0.0625 * (outputs - 1) for _, outputs in SIZES]
    assert list(result.requests["e2e_s"]) == by_itself
    assert list(result.requests["request_id"]) == list(range(60))
    assert result.end_s == sum(by_itself)
    assert result.summary["throughput/requests_per_s"] == 60 / sum(by_itself)
    assert result.summary["closed/mean_concurrency"] == 1.0


def test_a_client_thinks_after_each_of_its_requests_for_the_time_of_that_request() -> None:
    result = simulate(alone(), closed(ONE * 4, 1, think_s=[1.0, 2.0, 4.0, 8.0]))
    assert list(result.requests["arrival_s"]) == [0.0, 1.25, 3.5, 7.75]
    assert result.end_s == 8.0  # nobody waits for the last one to end its thinking


def test_think_times_begin_again_after_the_last() -> None:
    assert list(simulate(alone(), closed(ONE * 4, 1, think_s=[1.0, 2.0])).requests["arrival_s"]) == [
        0.0, 1.25, 3.5, 4.75
    ]  # fmt: skip


@pytest.mark.parametrize(("clients", "think_s"), [(1, 0.0), (1, 1.5), (2, 0.5), (3, 0.5), (4, 0.5), (8, 0.5), (8, 3.0)])
def test_one_server_of_constant_service_has_the_exact_throughput(clients: int, think_s: float) -> None:
    count, service_s = 200, 0.25
    result = measured(alone(), closed(ONE * count, clients, think_s=[think_s]))
    cycle_s = max(clients * service_s, service_s + think_s)  # of each client, once the first have been served in a row
    rounds, rest = divmod(count - 1, clients)
    assert result.end_s == pytest.approx(rounds * cycle_s + (rest + 1) * service_s, abs=1e-9)
    expected = min(1 / service_s, clients / (service_s + think_s))
    assert count / result.end_s == pytest.approx(expected, rel=1.5 * clients / count)


def test_never_more_requests_than_clients_are_in_the_cluster_and_each_client_has_one_at_most() -> None:
    loop, result = served(worlds.spec("jsq"), closed(SIZES, 5, think_s=[0.01, 0.0, 0.3]))
    arrival, end, request = (list(result.requests[name]) for name in ("arrival_s", "end_s", "request_id"))
    changes = sorted([(time_s, +1) for time_s in arrival] + [(time_s, -1) for time_s in end])
    present = most = 0
    for _, change in changes:  # at one time the end comes before the arrival
        present += change
        most = max(most, present)
    assert (present, most) == (0, 5)
    of_client: dict[int, list[tuple[float, float]]] = {}
    for number, arrival_s, end_s in zip(request, arrival, end, strict=True):
        of_client.setdefault(loop.client_of[int(number)], []).append((arrival_s, end_s))
    assert sorted(of_client) == [0, 1, 2, 3, 4]
    for stays in map(sorted, of_client.values()):
        assert all(before[1] <= after[0] for before, after in pairwise(stays))


@pytest.mark.parametrize("policy", ["token_jsq", "kv_token_jsq", "mixed_pool"])
@pytest.mark.parametrize("batching", ["DEFAULT", "ORCA", "Splitwise", "vllm"])
def test_a_closed_loop_equals_a_trace_of_the_requests_that_it_sent(policy: str, batching: str) -> None:
    spec = worlds.spec(policy, batching, token_s=0.0391)
    think_s = [0.0137 + number / 64 for number in range(60)]  # no two send at one time, whose order would be the heap's
    loop, result = served(spec, closed(SIZES, 5, think_s=think_s, ramp_s=1.7))
    assert (result.completed, result.rejected, result.unfinished) == (60, 0, 0)
    assert columns(result) == columns(simulate(spec, loop.requests()))


def test_requests_are_numbered_as_they_are_sent() -> None:
    loop, _ = served(worlds.spec(), closed(SIZES, 5, think_s=[0.01, 0.9, 0.3]))
    sent = loop.requests()
    assert list(sent.request_id) == list(range(60))
    assert list(sent.arrival_s) == sorted(sent.arrival_s)
    assert [*zip(sent.prompt_tokens, sent.output_tokens, strict=True)] == SIZES


def test_clients_start_at_once_or_over_the_ramp() -> None:
    for ramp_s, starts in ((0.0, [0.0] * 4), (2.0, [0.0, 0.5, 1.0, 1.5])):
        result = simulate(alone(8), closed([(10, 20)] * 4, 4, ramp_s=ramp_s))
        assert sorted(result.requests["arrival_s"]) == starts


def test_a_front_end_takes_one_request_after_the_other_and_longer_prompts_longer() -> None:
    sizes = [(10, 20), (30, 20), (10, 20)]
    columns = simulate(alone(8), closed(sizes, 3, front_s=0.25, front_token_s=1 / 64)).requests
    order = sorted(range(3), key=lambda row: columns["request_id"][row])
    assert [columns["arrival_s"][row] for row in order] == [0.0] * 3  # times count from when they are sent
    passed_s = [0.25 + 10 / 64, 0.5 + 40 / 64, 0.75 + 50 / 64]
    assert columns["prompt_start_s"][order[0]] == passed_s[0]
    assert all(columns["prompt_start_s"][row] >= passed_s[row] for row in order)


def test_a_front_end_that_is_idle_begins_with_the_next_request() -> None:
    columns = simulate(alone(8), closed(ONE * 4, 1, front_s=0.25)).requests
    waits = [start - sent for start, sent in zip(columns["prompt_start_s"], columns["arrival_s"], strict=True)]
    assert waits == [0.25] * 4


def test_a_front_end_counts_in_the_facts_of_clients_and_none_does_not() -> None:
    plain, other = Clients(3, 9), Clients(3, 9, front_s=0.5)
    facts = {clients.facts() for clients in (plain, other, Clients(3, 9, front_token_s=0.5))}
    assert len(facts) == 3
    assert other.facts().startswith(plain.facts())


def test_clients_that_have_nothing_to_send_when_they_start_do_not_lengthen_the_run() -> None:
    assert simulate(alone(), closed(ONE * 10, 8, ramp_s=800.0)).end_s == 2.5


def test_more_clients_than_requests_send_one_each() -> None:
    assert list(simulate(alone(8), closed(ONE * 3, 9)).requests["arrival_s"]) == [0.0] * 3


def test_a_rejected_request_frees_its_client() -> None:
    sizes = [(20, 3) if number % 2 else (1000, 3) for number in range(30)]
    result = simulate(worlds.spec(kv_tokens=400), closed(sizes, 2))
    assert (result.completed, result.rejected, result.unfinished) == (15, 15, 0)
    assert result.unserved["prompt_tokens"] == [1000] * 15


def test_a_run_without_instances_rejects_all_requests() -> None:
    spec = replace(worlds.spec(), start_states=(StartStateSpec("unallocated"),))
    assert simulate(spec, closed(SIZES, 3)).rejected == 60


class TestWarmUp:
    def test_what_is_measured_begins_when_the_last_of_it_has_left_and_counts_it_nowhere(self) -> None:
        result = measured(alone(), closed(ONE * 10, 2, warmup=4))
        assert list(result.requests["request_id"]) == [4, 5, 6, 7, 8, 9]
        assert (result.completed, result.warmup, result.concurrency) == (6, 4, 2)
        assert (result.first_arrival_s, result.end_s, result.span_s) == (1.0, 2.5, 1.5)
        assert list(result.requests["arrival_s"]) == [1.0, 1.0, 1.25, 1.5, 1.75, 2.0]
        assert result.summary["throughput/requests_per_s"] == 4.0
        assert result.summary["run/completed"] == 6.0
        assert result.summary["closed/warmup_requests"] == 4.0
        assert result.instances["utilisation"] == [1.0]
        assert (result.instances["busy_s"], result.instances["iterations"]) == ([1.5], [6])

    def test_the_measured_requests_are_those_of_a_run_of_their_own_when_the_cluster_has_no_memory_of_it(self) -> None:
        spec = alone(4)
        short, long = simulate(spec, closed(SIZES[10:], 3)), simulate(spec, closed(SIZES, 3, warmup=10))
        since = [time_s - long.first_arrival_s for time_s in long.requests["end_s"]]
        assert since == pytest.approx(list(short.requests["end_s"]), abs=1e-9)

    def test_a_client_that_thinks_when_it_ends_sends_no_more_than_the_others(self) -> None:
        loop, result = served(alone(8), closed([(10, 40), *ONE * 9], 2, warmup=3, think_s=[0.0, 30.0]))
        assert result.completed == 7
        assert Counter(loop.client_of)[0] + Counter(loop.client_of)[1] == 10

    def test_one_that_does_not_drain_is_followed_without_a_gap(self) -> None:
        result = measured(alone(), closed(ONE * 10, 2, warmup=4, drains=False))
        assert list(result.requests["request_id"]) == [4, 5, 6, 7, 8, 9]
        assert list(result.requests["arrival_s"]) == [0.75, 1.0, 1.25, 1.5, 1.75, 2.0]
        assert (result.first_arrival_s, result.end_s, result.warmup) == (0.75, 2.5, 4)
        assert result.instances["utilisation"] == [1.0]
        assert result.summary["throughput/requests_per_s"] == 6 / 1.75

    def test_rejected_requests_of_it_are_in_no_count(self) -> None:
        result = simulate(worlds.spec(kv_tokens=400), closed([(1000, 1)] * 4 + SIZES, 2, warmup=4))
        assert (result.completed, result.rejected, result.warmup) == (60, 0, 4)

    def test_a_run_that_ends_in_it_has_measured_nothing(self) -> None:
        result = measured(replace(alone(), end_time_s=0.6), closed(ONE * 10, 1, warmup=4))
        assert (result.completed, result.unfinished, result.span_s) == (0, 0, 0.0)
        assert result.cut_at_s == 0.0


def test_the_end_time_ends_a_run_with_what_was_sent() -> None:
    result = simulate(replace(alone(), end_time_s=1.1), closed(ONE * 100, 3))
    assert (result.completed, result.unfinished, result.not_arrived) == (4, 3, 0)
    assert result.cut_at_s == 1.1


def test_a_run_that_the_end_time_ends_while_all_clients_think_is_cut() -> None:
    result = measured(replace(alone(), end_time_s=1.0), closed(ONE * 100, 1, think_s=[10.0]))
    assert (result.completed, result.unfinished, result.cut_at_s) == (1, 0, 1.0)


def test_the_end_time_of_a_run_that_is_done_before_changes_nothing() -> None:
    free = simulate(replace(alone(), end_time_s=None), closed(ONE * 4, 2))
    assert simulate(replace(alone(), end_time_s=5.0), closed(ONE * 4, 2)).cut_at_s is free.cut_at_s is None


def test_the_rule_for_unstable_runs_is_left_out_with_a_warning() -> None:
    spec = replace(alone(), stop_at_backlog_s=0.1)
    with pytest.warns(SpecWarning, match=NO_BACKLOG):
        result = simulate(spec, closed(ONE * 200, 50, ramp_s=5.0))
    assert (result.stopped_s, result.completed) == (None, 200)


def test_an_open_loop_with_the_rule_has_no_such_warning() -> None:
    with warnings.catch_warnings(action="error"):
        simulate(replace(alone(), stop_at_backlog_s=60.0), worlds.trace([(0.0, 5, 1)]))


def two_applications() -> SimSpec:
    spec = worlds.spec("jsq", count=4)
    state, first = spec.start_states[0], spec.applications[0]
    return replace(
        spec,
        applications=(first, replace(first, application_id=1)),
        start_states=tuple(replace(state, application_id=n, machines=(("box", 2),)) for n in (0, 1)),
    )


def test_groups_of_clients_send_to_their_own_applications() -> None:
    trace = together(closed(SIZES, 5, 6), closed(SIZES[:20], 2, 4, [0.25]))
    loop, result = served(two_applications(), trace)
    assert Counter(result.requests["application_id"]) == {0: 54, 1: 16}
    assert {loop.client_of[row] for row in range(80) if loop.requests().application_id[row]} == {5, 6}
    assert (result.concurrency, result.warmup) == (7, 10)
    assert max(loop.requests().arrival_s[:10]) < result.first_arrival_s == loop.requests().arrival_s[10]


def test_a_fast_group_waits_for_the_warm_up_of_a_slow_one() -> None:
    trace = together(closed(ONE * 3, 1, 1), closed([(10, 30)] * 3, 1, 2))
    loop, _ = served(two_applications(), trace)
    slow_s = 2 * (0.25 + 29 * 0.0625)
    assert sorted(loop.requests().arrival_s)[3:5] == [slow_s, slow_s]


def test_the_digest_of_a_trace_tells_its_clients() -> None:
    trace = closed(SIZES, 5)
    others = [closed(SIZES, 6), closed(SIZES, 5, 1), closed(SIZES, 5, 0, [1.0]), closed(SIZES, 5, 0, (), 1.0)]
    others.append(closed(SIZES, 5, 1, drains=False))
    assert len({trace.digest(), replace(trace, clients=()).digest(), *(other.digest() for other in others)}) == 7


def test_what_is_measured_of_a_trace_leaves_the_warm_up_out() -> None:
    trace = together(closed(SIZES, 5, 6), closed(SIZES[:20], 2, 4))
    assert (trace.measured, trace.concurrency) == (70, 7)
    assert (worlds.trace([]).measured, worlds.trace([]).concurrency) == (0, None)


def test_the_last_arrival_is_known_when_all_requests_have_been_sent() -> None:
    done, _ = served(alone(), closed(ONE * 4, 2))
    cut, _ = served(replace(alone(), end_time_s=0.3), closed(ONE * 4, 2))
    assert (done.last_arrival_s(), cut.last_arrival_s()) == (0.5, math.inf)
