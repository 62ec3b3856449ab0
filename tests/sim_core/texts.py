"""Workloads whose requests share texts: turns of sessions, which begin with one of some system prompts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any

from sim_core.engine import Call, Engine
from sim_core.event import Handler
from sim_core.kv.content import Content, Run
from sim_core.request import Request
from sim_core.spec import InstanceSpec, SimSpec
from sim_core.trace import Trace
from sim_core.workload import Workload
from tests.sim_core import worlds

Row = tuple[float, Sequence[Run], int]  # arrival, runs of the prompt, output tokens
LONGEST = 300  # tokens of a request with its output
OUTPUTS = 10**6  # the stream of the first request's output; that of the next one is the next


class Texts(Workload):
    """The requests of some rows, with their texts. Each row's output has a stream of its own, from OUTPUTS on."""

    def __init__(self, rows: Sequence[Row], has_texts: bool = True) -> None:
        self.rows, self.has_texts = rows, has_texts
        self.trace = worlds.trace([(at_s, sum(run[2] for run in runs), output) for at_s, runs, output in rows])

    def begin(self, engine: Engine, submit: Mapping[int, Handler]) -> None:
        self.submit = submit
        engine.at_each(self.trace.arrival_s, Call(self.send))

    def request(self, row: int) -> Request:
        at_s, runs, output = self.rows[row]
        request = Request(row, at_s, sum(run[2] for run in runs), output, 1)
        request.content = Content(runs, OUTPUTS + row) if self.has_texts else None
        return request

    def send(self, row: int) -> None:
        self.submit[0].fire(self.request(row))

    def requests(self) -> Trace:
        return self.trace

    def applications(self) -> Iterable[int]:
        return {0}

    def first_arrival_s(self) -> float:
        return self.rows[0][0]

    def last_arrival_s(self) -> float:
        return self.rows[-1][0]


def sessions(seed: int, count: int = 200, rate: float = 4.0, users: int = 20, systems: int = 3) -> list[Row]:
    """Turns of `users` sessions: one of some system prompts, all that was said, and something new."""
    dice = Random(seed)
    said: dict[int, list[Run]] = {}
    rows: list[Row] = []
    at_s = 0.0
    for row in range(count):
        at_s += dice.expovariate(rate)
        user = dice.randrange(users)
        new = (row + 10, 0, dice.randint(1, 30))
        output = dice.randint(1, 25)
        runs = [*said.get(user, [(user % systems, 0, 20 + 10 * (user % systems))]), new]
        if sum(run[2] for run in runs) + output >= LONGEST:
            runs = [*runs[:1], new]
        rows.append((at_s, runs, output))
        said[user] = [*runs, (OUTPUTS + row, 0, output)]
    return rows


def vllm(**options: Any) -> InstanceSpec:
    """An engine with a prefix cache, and blocks of 4 tokens where nothing else is said."""
    instance = worlds.instance("vllm")
    small = {"block_size": 4, "max_num_batched_tokens": 64, "max_num_seqs": 16, "max_model_len": LONGEST}
    return replace(instance, options=tuple({**dict(instance.options), **small, **options}.items()))


def world(policy: str, count: int = 4, kv_tokens: int = 804, seed: int = 0, **options: Any) -> SimSpec:
    """`count` engines."""
    return worlds.spec(policy, count=count, kv_tokens=kv_tokens, batch=vllm(**options), seed=seed, token_s=0.0391)
