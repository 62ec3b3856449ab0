"""The scheduler that sends a request to where its prefix is cached."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from array import array
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sim_core import SpecError
from sim_core.application import Application
from sim_core.batching.vllm_sequence import Sequence
from sim_core.batching.vllm_step import VllmStep
from sim_core.compilation import PURE
from sim_core.engine_turns import EngineTurns, LoopObserver
from sim_core.kv.block_queue import Holding
from sim_core.kv.content import Content
from sim_core.kv.paged import PagedKv
from sim_core.request import Request
from sim_core.results import SimResult
from sim_core.scheduling.base import Placement, Start
from sim_core.scheduling.prefix_affinity import FEW, PrefixAffinity
from sim_core.scheduling.view import View
from sim_core.simulation import Simulation
from sim_core.spec import SimSpec
from tests.sim_core import texts, worlds
from tests.sim_core.texts import Texts, sessions, vllm, world

ROOT = Path(__file__).resolve().parents[2]
LONG = [(1, 0, 100)]  # a text


def columns(result: SimResult) -> dict[str, bytes]:
    return {name: array("d", column).tobytes() for name, column in sorted(result.requests.items())}


def instances(result: SimResult) -> list[int]:
    """The instance of each request."""
    pairs = zip(result.requests["request_id"], result.requests["prompt_instance"], strict=True)
    return [int(instance) for _, instance in sorted(pairs)]


def served(spec: SimSpec, rows: list[texts.Row], has_texts: bool = True) -> list[int]:
    return instances(Simulation(spec).serve(Texts(rows, has_texts)))


# -- single decisions --------------------------------------------------------------------------------------------------


def test_a_request_goes_where_its_prefix_is_cached_and_others_to_the_least_loaded() -> None:
    rows: list[texts.Row] = [(0.0, LONG, 2), (10.0, [(2, 0, 100)], 2), (20.0, [(2, 0, 100), (3, 0, 9)], 2)]
    assert served(world("prefix_affinity"), rows) == [0, 0, 0]
    rows[1] = (0.125, [(2, 0, 100)], 2)  # while the first one is open, so on another instance
    assert served(world("prefix_affinity"), rows) == [0, 1, 1]


def test_a_cached_prefix_is_worth_as_many_tokens_of_load_as_it_has() -> None:
    prompt: list[texts.Run] = [*LONG, (5, 0, 8)]

    def third(tokens: int) -> int:
        """Where the text of 100 tokens goes on, whose instance 0 has 25 cached blocks and a prompt of `tokens`."""
        rows: list[texts.Row] = [(0.0, LONG, 1), (9.0, [(2, 0, tokens)], 150), (12.0, prompt, 1)]
        return served(world("prefix_affinity", count=2, kv_tokens=1000), rows)[2]

    # the open request has its first token, so its prompt counts as held alone, by full blocks
    assert [third(96), third(99), third(104)] == [0, 0, 1]


def test_of_equal_costs_the_least_loaded_instance_counts_and_then_the_first() -> None:
    # instance 0: 100 tokens held, 100 cached. Instance 1: nothing.
    rows: list[texts.Row] = [(0.0, LONG, 1), (9.0, [(2, 0, 100)], 150), (12.0, [*LONG, (5, 0, 8)], 1)]
    assert served(world("prefix_affinity", count=2, kv_tokens=1000), rows)[2] == 1
    assert served(world("prefix_affinity", count=3), [(9.0 * row, [(row, 0, 9)], 2) for row in range(3)]) == [0, 0, 0]


def test_blocks_of_several_open_requests_count_once() -> None:
    rows: list[texts.Row] = [(0.0, [(7, 0, 64)], 1)]
    rows += [(9.0 + 0.1 * row, [(7, 0, 64), (row + 20, 0, 4)], 100) for row in range(6)]
    # with the first of them, one of 64 + 4 tokens is open. A second one adds 4 there, and 68 elsewhere.
    assert served(world("prefix_affinity", count=2), rows) == [0] * 7
    apart = [(at_s, [(row + 90, 0, 64), *runs[1:]], output) for row, (at_s, runs, output) in enumerate(rows)]
    assert set(served(world("prefix_affinity", count=2), apart)[1:]) == {0, 1}


def test_a_smaller_credit_sends_fewer_requests_to_their_prefix() -> None:
    rows: list[texts.Row] = [(0.0, LONG, 1), (9.0, [(2, 0, 60)], 150), (12.0, [*LONG, (5, 0, 8)], 1)]
    spec = world("prefix_affinity", count=2, kv_tokens=1000)
    chosen = []
    for credit in (1.0, 0.5):
        (application,) = spec.applications
        options = (("overlap_score_credit", credit), ("prefill_load_scale", 1.0))
        described = replace(application, scheduler=replace(application.scheduler, options=options))
        chosen.append(served(replace(spec, applications=(described,)), rows)[2])
    assert chosen == [0, 1]


def test_a_credit_above_one_is_an_error() -> None:
    application = world("prefix_affinity").applications[0]
    scheduler = replace(application.scheduler, options=(("overlap_score_credit", 1.5),))
    with pytest.raises(SpecError, match="must be at most 1") as caught:
        Simulation(replace(world("prefix_affinity"), applications=(replace(application, scheduler=scheduler),)))
    assert (caught.value.key, caught.value.value) == ("overlap_score_credit", 1.5)


def test_instances_with_blocks_of_unlike_size_are_an_error() -> None:
    spec = world("kv_jsq", count=2)
    state = replace(spec.start_states[0], token=vllm(block_size=8))
    application = replace(spec.applications[0], scheduler=worlds.scheduler("prefix_affinity"))
    with pytest.raises(SpecError, match="an instance has blocks of 8 tokens where others have 4"):
        Simulation(replace(spec, start_states=(state,), applications=(application,)))


# -- whole runs --------------------------------------------------------------------------------------------------------


def blocks_of(request: Request, size: int) -> set[tuple[int, ...]]:
    """The full blocks of a prompt, each by all tokens up to its end."""
    count = request.prompt_tokens // size
    if request.content is None:
        return {(-1, request.index, place) for place in range(count)}
    return {request.content.block(0, (place + 1) * size) for place in range(count)}


class Looking(PrefixAffinity):
    """Compares each choice with that of a look at all replicas, at all open requests, and at each of their blocks."""

    weights = (1.0, 1.0)

    def set_up(self, application: Application) -> Looking:
        self.application = application
        self.placed: dict[Request, tuple[int, int]] = {}  # replica, and tokens that were not cached
        self.blocks: dict[Request, set[tuple[int, ...]]] = {}
        self.hits = 0  # decisions for a replica that had cached a part
        return self

    def place(self, request: Request, view: View) -> Placement:
        size = view.replicas[0].kv.block_size()
        is_open = [other for other in self.placed if other in self.application.open]
        self.blocks[request] = own = blocks_of(request, size)
        best: Any = None
        for replica in view.replicas:
            here = [other for other in is_open if self.placed[other][0] == replica.index]
            compute = sum(self.placed[other][1] for other in here if other.prompt_end_s is None)
            held: set[tuple[int, ...]] = set().union(*(self.blocks[other] for other in here))
            cached = 0
            if request.content is not None:
                cached = replica.kv.cached_tokens(request.content, request.prompt_tokens)
            credit, scale = self.weights
            load = scale * compute + size * len(held)
            with_it = size * len(held | own)
            cost = scale * (compute + request.prompt_tokens - credit * cached) + with_it
            key = (cost, load, replica.index, cached)
            best = key if best is None else min(best, key)
        placement = super().place(request, view)
        assert placement.prompt.index == best[2]
        self.placed[request] = (best[2], request.prompt_tokens - best[3])
        self.hits += best[3] > 0
        return placement


def put(simulation: Simulation, scheduler: type[PrefixAffinity]) -> Any:
    """Let a simulation decide by another scheduler. Returns it."""
    application = simulation.applications[0]
    before = application.scheduler
    application.scheduler = made = scheduler(Start(before.spec, application.view, before.stream))
    return made


@pytest.mark.parametrize(("seed", "count"), [(seed, 2 + seed % 3) for seed in range(9)] + [(9, 48), (10, 48)])
def test_the_choice_is_that_of_a_look_at_everything(seed: int, count: int) -> None:
    dice = Random(seed)
    spec = world(
        "prefix_affinity",
        count=count,
        kv_tokens=dice.choice([404, 804, 4000]),
        async_scheduling=dice.random() < 0.5,
        block_size=dice.choice([1, 4, 16]),
    )
    weights = dice.choice([(1.0, 1.0), (1.0, 1.0), (0.5, 2.0), (0.25, 0.5)])
    application = spec.applications[0]
    options = (("overlap_score_credit", weights[0]), ("prefill_load_scale", weights[1]))
    described = replace(application, scheduler=replace(application.scheduler, options=options))
    simulation = Simulation(replace(spec, applications=(described,)))
    looking = put(simulation, Looking).set_up(simulation.applications[0])
    looking.weights = weights
    if count > FEW:
        rows = sessions(seed, count=400, rate=200.0, users=150, systems=1)
    else:
        rows = sessions(seed, rate=dice.choice([2.0, 10.0, 40.0]), users=dice.choice([5, 20, 60]))
    result = simulation.serve(Texts(rows))
    assert result.completed == len(rows)
    assert looking.hits > 50
    loads = looking._loads
    assert loads.at == [0] * len(loads.replicas)
    assert not loads._own and not loads._to_compute
    loads.stems.find(Content([(0, 0, 20)], 0))
    assert (len(loads.stems.path[0].parts) > FEW) == (count > FEW)  # both ways to look at replicas were used


class Asking(PrefixAffinity):
    """Asks all replicas, and chooses as ever."""

    def place(self, request: Request, view: View) -> Placement:
        assert request.content is not None
        for replica in view.replicas:
            for tokens in (request.prompt_tokens, 10**6):
                replica.kv.cached_tokens(request.content, tokens)
        return super().place(request, view)


@pytest.mark.parametrize("is_async", [False, True])
def test_asking_for_cached_tokens_changes_nothing(is_async: bool) -> None:
    rows = sessions(3, rate=8.0)
    results = []
    for scheduler in (PrefixAffinity, Asking):
        simulation = Simulation(world("prefix_affinity", kv_tokens=604, async_scheduling=is_async))
        put(simulation, scheduler)
        result = simulation.serve(Texts(rows))
        kvs = [replica.kv for replica in simulation.replicas[0]]
        assert all(isinstance(kv, PagedKv) and kv.evicted > 100 for kv in kvs)
        results.append((columns(result), result.events, result.instances))
    assert results[0] == results[1]


class Comparing(PrefixAffinity):
    """Compares what a cache says of a text with what its engine would find, which looks at its own time."""

    found = 0

    def place(self, request: Request, view: View) -> Placement:
        for replica in view.replicas:
            kv = replica.kv
            assert isinstance(kv, PagedKv) and isinstance(replica, EngineTurns) and request.content is not None
            cached = kv.cached_tokens(request.content, request.prompt_tokens)
            replica.catch_up()
            holding = Holding()
            kv.enter(holding, request.content)
            assert cached == kv.look_up(holding, request.prompt_tokens // kv.size).blocks * kv.size
            kv.leave(holding)
            self.found += cached
        return super().place(request, view)


@pytest.mark.parametrize("seed", range(6))
def test_cached_tokens_are_those_that_the_engine_would_find(seed: int) -> None:
    dice = Random(seed)
    spec = world("prefix_affinity", count=2, kv_tokens=504, async_scheduling=dice.random() < 0.5,
                 block_size=dice.choice([1, 4]))  # fmt: skip
    simulation = Simulation(spec)
    comparing = put(simulation, Comparing)
    simulation.serve(Texts(sessions(seed, rate=dice.choice([2.0, 8.0, 20.0]))))
    assert comparing.found > 1000


def test_texts_that_no_cache_has_any_more_are_forgotten() -> None:
    simulation = Simulation(world("prefix_affinity", count=1, kv_tokens=304))
    loads = put(simulation, PrefixAffinity)._loads
    rows = sessions(2)
    rows.append((rows[-1][0] + 99.0, [(999, 0, 299)], 1))  # needs all blocks
    simulation.serve(Texts(rows))
    assert [stem.content.streams[0] for stem in loads.stems._root.forks.values()] == [999]


class Hits(LoopObserver):
    """Counts tokens that were found in the prefix cache."""

    def __init__(self) -> None:
        self.tokens = 0

    def scheduled(self, replica: EngineTurns, step: VllmStep) -> None:
        self.tokens += sum(step.cached)

    def ended(self, replica: EngineTurns, step: VllmStep, ended: list[Sequence]) -> None:
        pass


def hits(policy: str, rows: list[texts.Row]) -> int:
    simulation, observer = Simulation(world(policy, kv_tokens=1504)), Hits()
    for replica in simulation.replicas[0]:
        assert isinstance(replica, EngineTurns)
        replica.loop_observer = observer
    assert simulation.serve(Texts(rows)).completed == len(rows)
    return observer.tokens


def test_sessions_hit_the_cache_more_often_than_with_schedulers_that_do_not_know_it() -> None:
    rows = sessions(1, count=300)
    found = {policy: hits(policy, rows) for policy in ("prefix_affinity", "jsq", "token_jsq", "round_robin")}
    assert found["prefix_affinity"] > 1.3 * max(found["jsq"], found["token_jsq"], found["round_robin"])


@pytest.mark.parametrize("batching", ["Splitwise", "ORCA", "vllm"])
def test_without_a_prefix_cache_texts_make_no_difference(batching: str) -> None:
    rows = sessions(5)
    batch = vllm(enable_prefix_caching=False) if batching == "vllm" else worlds.instance(batching)
    spec = worlds.spec("prefix_affinity", count=4, kv_tokens=804, batch=batch)
    assert served(spec, rows) == served(spec, rows, has_texts=False)


def test_without_texts_the_least_loaded_replica_is_chosen() -> None:
    simulation = Simulation(world("prefix_affinity"))
    looking = put(simulation, Looking).set_up(simulation.applications[0])
    result = simulation.serve(Texts(sessions(6), has_texts=False))
    assert (result.completed, looking.hits) == (200, 0)
    assert len(set(instances(result))) == 4


# -- the same bytes ----------------------------------------------------------------------------------------------------


def digests() -> list[str]:
    """Runs that differ in all that matters here."""
    found = []
    for seed, is_async in ((0, False), (1, True)):
        result = Simulation(world("prefix_affinity", kv_tokens=604, async_scheduling=is_async)).serve(
            Texts(sessions(seed, rate=8.0))
        )
        found.append(sha256(repr(columns(result)).encode()).hexdigest())
    return found


@pytest.mark.parametrize("environment", [{PURE: "1"}, {"PYTHONHASHSEED": "7"}])
def test_plain_python_and_other_hashes_give_the_same_bytes(environment: dict[str, str]) -> None:
    code = "import json; from tests.sim_core.test_prefix_affinity import digests; print(json.dumps(digests()))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=os.environ | environment, text=True, capture_output=True, check=True
    )
    assert json.loads(done.stdout) == digests()
