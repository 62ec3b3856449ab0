"""A workload that makes its requests during the run: clients that send the next one when the last one has left."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import replace

import pytest

from sim_core import simulate
from sim_core.engine import Call, Engine
from sim_core.event import Handler
from sim_core.request import Request
from sim_core.results import SimResult
from sim_core.simulation import Simulation
from sim_core.trace import Trace
from sim_core.workload import Workload
from tests.sim_core import worlds

THINK_S = 0.0137


class ClosedLoop(Workload):
    """Clients that send one request after another, `requests` in all, and think before each."""

    listens = True

    def __init__(self, clients: int, requests: int, prompts: tuple[int, ...] = (20, 7, 33), think_s: float = THINK_S):
        self.clients, self.prompts, self.think_s = clients, prompts, think_s
        self.to_come = requests
        self.sent = Trace.of([], "closed")
        self.present = self.most = 0

    def begin(self, engine: Engine, submit: Mapping[int, Handler]) -> None:
        self.engine, self.submit = engine, submit
        self.sends = Call(self.send)
        for client in range(self.clients):
            engine.at(client / 64, self.sends, None)

    def send(self, _nothing: None) -> None:
        if not self.to_come:
            return
        self.to_come -= 1
        self.present += 1
        self.most = max(self.most, self.present)
        row = len(self.sent)
        request = Request(row, self.engine.now, self.prompts[row % len(self.prompts)], 1 + row % 9, 1)
        self.sent.arrival_s.append(request.arrival_s)
        sizes = (row, 0, request.prompt_tokens, request.output_tokens, 1)
        columns = (
            self.sent.request_id, self.sent.application_id, self.sent.prompt_tokens, self.sent.output_tokens,
            self.sent.batch_size,
        )  # fmt: skip
        for column, value in zip(columns, sizes, strict=True):
            column.append(value)
        self.submit[0].fire(request)

    def requests(self) -> Trace:
        return self.sent

    def applications(self) -> Iterable[int]:
        return {0}

    def first_arrival_s(self) -> float:
        return 0.0

    def last_arrival_s(self) -> float:
        return math.inf if self.to_come else self.sent.arrival_s[-1]

    def left(self, request: Request) -> None:
        self.present -= 1
        think_s = self.think_s * (
            1 + request.index / 64
        )  # no two send at the same time: their order would be the heap's
        self.engine.at(self.engine.now + think_s, self.sends, None)


def columns(result: SimResult) -> dict[str, bytes]:
    return {name: array("d", column).tobytes() for name, column in result.requests.items()}


@pytest.mark.parametrize("batching", ["DEFAULT", "ORCA", "Splitwise"])
@pytest.mark.parametrize("policy", ["token_jsq", "kv_token_jsq"])
def test_a_closed_loop_keeps_so_many_requests_present_and_equals_a_trace_of_its_requests(
    policy: str, batching: str
) -> None:
    described = worlds.spec(policy, batching, token_s=0.0391)
    loop = ClosedLoop(clients=5, requests=60)
    closed = Simulation(described).serve(loop)
    assert (closed.completed, closed.rejected, closed.unfinished) == (60, 0, 0)
    assert loop.most == 5
    assert columns(closed) == columns(simulate(described, loop.sent))


def test_a_rejected_request_lets_its_client_send_the_next_one() -> None:
    loop = ClosedLoop(clients=2, requests=30, prompts=(20, 1000))
    result = Simulation(worlds.spec(kv_tokens=400)).serve(loop)
    assert (result.completed, result.rejected, result.unfinished) == (15, 15, 0)
    assert result.unserved["prompt_tokens"] == [1000] * 15


def test_without_think_time_the_next_request_finds_the_replica_with_its_next_steps() -> None:
    described = worlds.spec("round_robin", "ORCA", count=1, prompt_s=0.25, token_s=0.0625)
    loop = ClosedLoop(clients=1, requests=4, think_s=0.0)
    result = Simulation(described).serve(loop)
    assert result.end_s == 4 * 0.25 + (0 + 1 + 2 + 3) * 0.0625
    assert list(result.requests["prompt_start_s"]) == list(loop.sent.arrival_s)


@pytest.mark.parametrize("end_s", [None, 3.0])
def test_the_rule_that_ends_unstable_runs_ends_no_closed_loop(end_s: float | None) -> None:
    described = worlds.spec(count=1)
    loop = ClosedLoop(clients=8, requests=100)
    result = Simulation(replace(described, end_time_s=end_s, stop_at_backlog_s=0.5)).serve(loop)
    plain = Simulation(replace(described, end_time_s=end_s)).serve(ClosedLoop(clients=8, requests=100))
    assert result.stopped_s is None
    assert (columns(result), result.unserved, result.end_s) == (columns(plain), plain.unserved, plain.end_s)
    assert result.completed + result.unfinished == len(loop.sent)
    assert (result.unfinished == 0) == (end_s is None)
