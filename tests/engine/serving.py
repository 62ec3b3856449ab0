"""One replica with an engine's policy, requests with a text and a most of outputs, and all steps that it ran."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sim_core.engine import Engine
from sim_core.event import Handler
from sim_core.kv.content import Content
from sim_core.kv.paged import PagedKv
from sim_core.replica import IterationObserver, Replica
from sim_core.request import Request
from sim_core.results import SimResult
from sim_core.simulation import Simulation
from sim_core.spec import InstanceSpec
from sim_core.trace import Trace
from sim_core.workload import Workload
from tests.sim_core import worlds

PROMPT_S, TOKEN_S = 1.0, 0.25


@dataclass(frozen=True)
class Ask:
    """A request. `shared`: tokens that its prompt begins with, and all others with the same `text`. `most`: outputs
    that it may have, where these are more than it has."""

    at_s: float
    prompt: int
    output: int
    most: int = 0
    shared: int = 0
    text: int = 0


class Asked(Workload):
    """The given requests, each at its own time."""

    def __init__(self, asked: Sequence[Ask]) -> None:
        self._asked = asked
        self._trace = worlds.trace([(ask.at_s, ask.prompt, ask.output) for ask in asked])

    def begin(self, engine: Engine, submit: Mapping[int, Handler]) -> None:
        for index, ask in enumerate(self._asked):
            request = Request(index, ask.at_s, ask.prompt, ask.output, 1)
            request.max_tokens = max(ask.most, ask.output)
            if ask.shared:
                own = (1000 + 2 * index, 0, ask.prompt - ask.shared)
                request.content = Content([(ask.text, 0, ask.shared), own], 1001 + 2 * index)
            engine.at(ask.at_s, submit[0], request)

    def requests(self) -> Trace:
        return self._trace

    def applications(self) -> Iterable[int]:
        return [0]

    def first_arrival_s(self) -> float:
        return self._asked[0].at_s

    def last_arrival_s(self) -> float:
        return self._asked[-1].at_s


class _Steps(IterationObserver):
    """Notes the steps: those of prompts by their tokens, and the decodes beside them."""

    def __init__(self) -> None:
        self.prompts: list[tuple[float, int, int]] = []  # end, tokens, decodes in the same step

    def iterations_ended(self, replica: Replica) -> None:
        step = replica.step
        if step.prompt_tokens:
            self.prompts.append((replica.engine.now, step.prompt_tokens, step.decodes))


@dataclass(frozen=True)
class Served:
    """What has happened. `prompts` are the steps with prompts: when they ended, their tokens, the decodes in them."""

    result: SimResult
    replica: Replica
    prompts: list[tuple[float, int, int]]

    def of(self, name: str) -> list[float]:
        """A column by request."""
        columns = self.result.requests
        return [value for _, value in sorted(zip(columns["request_id"], columns[name], strict=True))]


def engine(policy: str, /, **options: object) -> InstanceSpec:
    """An instance with other options than those of the configuration."""
    instance = worlds.instance(policy)
    return replace(instance, options=tuple({**dict(instance.options), **options}.items()))


def serve(policy: str, kv_tokens: int, asked: Sequence[Ask | tuple[float, int, int]], **options: object) -> Served:
    """Serve requests on one replica: a step with prompts takes 1 s, one without 1/4 s. All of its memory is free again
    at the end."""
    spec = worlds.spec("round_robin", count=1, kv_tokens=kv_tokens, prompt_s=PROMPT_S, token_s=TOKEN_S,
                       batch=engine(policy, **options))  # fmt: skip
    simulation, steps = Simulation(spec), _Steps()
    (replica,) = simulation.replicas[0]
    replica.observe(steps)
    result = simulation.serve(Asked([ask if isinstance(ask, Ask) else Ask(*ask) for ask in asked]))
    assert result.completed + result.rejected == len(asked)
    kv = replica.kv
    assert isinstance(kv, PagedKv)
    assert (kv.tokens, kv.free, kv.holders, replica.requests) == (0, kv.usable, 0, 0)
    return Served(result, replica, steps.prompts)
