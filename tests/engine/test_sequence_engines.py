"""What holds for every policy whose requests are sequences of tokens, on random worlds."""

from __future__ import annotations

from array import array
from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.compose import CONFIG_DIR, Composer
from sim_core import spec_from_config
from sim_core.batching import BATCHING
from sim_core.batching.base import Batcher
from sim_core.batching.sequence_batcher import SequenceBatcher
from sim_core.engine import Call
from sim_core.kv.paged import PagedKv
from sim_core.kv.reserving import ReservingKv
from sim_core.performance import PERFORMANCE_MODELS
from sim_core.prefixes import Prefixes
from sim_core.scheduling import SCHEDULERS
from sim_core.simulation import Simulation
from sim_core.spec import PerformanceSpec
from sim_core.step import Step
from sweep.single.summary import text_summary
from tests.engine.choices import CHOICES
from tests.engine.serving import Ask, Asked, engine, serve
from tests.runs import measured
from tests.sim_core import worlds
from tests.sim_core.chunked import Affine

POLICIES = [name for name, policy in BATCHING.items() if issubclass(policy, SequenceBatcher)]
COLUMNS = ("prompt_start_s", "prompt_end_s", "token_start_s", "token_end_s", "preemptions", "preempted_s")


def drawn(policy: str, dice: Random) -> dict[str, object]:
    return {name: dice.choice(values) for name, values in CHOICES[policy].items()}


def asked(dice: Random, count: int = 40, most: int = 60) -> list[Ask]:
    """Requests of which many begin alike. No two come at the same time, which have no order of their own."""
    made = []
    for tick in sorted(dice.sample(range(160), count)):
        prompt, output = dice.randint(1, most), dice.randint(1, most)
        shared = dice.choice([0, 0, dice.randint(1, prompt)])
        made.append(Ask(tick / 16, prompt, output, output + dice.choice([0, 5, 50]), shared, dice.randint(0, 2)))
    return made


def stepping(base: type[Batcher]) -> type[Batcher]:
    """The policy without jumps."""

    class Stepping(base):  # type: ignore[misc, valid-type]
        def next_step(self) -> Step | None:
            step: Step | None = super().next_step()
            if step is not None:
                step.repeat = 1
            return step

    return Stepping


def test_every_policy_of_this_kind_is_tried() -> None:
    assert sorted([*POLICIES, "vllm"]) == sorted(CHOICES)


@pytest.mark.plain
@pytest.mark.parametrize("policy", POLICIES)
@settings(deadline=None, max_examples=100)
@given(seed=st.integers(0, 10**9))
def test_a_jump_equals_its_single_steps(policy: str, seed: int) -> None:
    dice = Random(seed)
    spec = worlds.spec(
        "round_robin", count=1, kv_tokens=dice.randint(124, 240), batch=engine(policy, **drawn(policy, dice))
    )
    spec = replace(spec, performance=PerformanceSpec("affine"))
    requests = asked(dice)

    def run() -> tuple[Any, Any]:
        simulation = Simulation(spec)
        result = simulation.serve(Asked(requests))
        (replica,) = simulation.replicas[0]
        kv = replica.kv
        assert isinstance(kv, ReservingKv)
        columns = result.requests
        rows = sorted(zip(*(columns[name] for name in ("request_id", *COLUMNS)), strict=True))
        return (result.completed, result.instances["iterations"], kv.evicted), rows

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(PERFORMANCE_MODELS, "affine", Affine)
        jumped = run()
        patch.setitem(BATCHING, policy, stepping(BATCHING[policy]))
        single = run()
    assert jumped[0] == single[0]
    for row, other in zip(jumped[1], single[1], strict=True):
        assert row == pytest.approx(other, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("seed", range(100))
def test_every_request_is_served_and_its_blocks_are_free_again_whatever_the_scheduler_does(
    policy: str, seed: int
) -> None:
    dice = Random(seed)
    scheduler = dice.choice(list(SCHEDULERS))
    delays: dict[str, float] = dice.choice([{}, {"submit_task_s": 0.125}, {"submit_flow_s": 0.25}])
    spec = worlds.spec(scheduler, count=dice.randint(2, 4), kv_tokens=dice.randint(124, 300),
                       batch=engine(policy, **drawn(policy, dice)), delays=delays)  # fmt: skip
    simulation = Simulation(spec)
    requests = asked(dice, 60)
    result = simulation.serve(Asked(requests))
    assert (result.completed, result.standstill) == (len(requests), None)
    for replica in simulation.replicas[0]:
        kv = replica.kv
        assert isinstance(kv, ReservingKv)
        assert (kv.tokens, kv.holders, kv.in_transit, kv.free, kv.reserved) == (0, 0, 0, kv.usable, 0)
        assert (replica.requests, replica.batcher.queue_length(), replica.batcher.has_waiting()) == (0, 0, False)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("seed", range(20))
def test_requests_that_leave_before_their_end_leave_nothing_behind(policy: str, seed: int) -> None:
    dice = Random(seed)
    spec = worlds.spec("round_robin", count=1, kv_tokens=150, batch=engine(policy, **drawn(policy, dice)))
    simulation = Simulation(spec)
    (replica,), application = simulation.replicas[0], simulation.applications[0]
    gone: set[int] = set()

    def leave(_nothing: None) -> None:
        here = [request for request in application.unfinished() if request.index not in gone]
        if here:
            request = dice.choice(here)
            gone.add(request.index)
            replica.evict(request)

    for tick in range(20):
        simulation.engine.at(tick / 3, Call(leave), None)
    requests = asked(dice)
    result = simulation.serve(Asked(requests))
    assert gone
    assert (result.completed, result.unfinished) == (len(requests) - len(gone), len(gone))
    kv = replica.kv
    assert isinstance(kv, ReservingKv)
    assert (kv.tokens, kv.holders, kv.free, kv.reserved, replica.requests) == (0, 0, kv.usable, 0, 0)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_configuration_has_the_engines_defaults(policy: str) -> None:
    config = Composer().resolved(["performance_model=db", f"start_state={policy}"])
    instance = spec_from_config(config, CONFIG_DIR.parent).start_states[0].instance
    assert instance is not None
    declared = BATCHING[policy].Options
    assert declared(**dict(instance.options)) == declared()


@pytest.mark.parametrize("scheduler", [name for name in SCHEDULERS if worlds.splits(name)])
@pytest.mark.parametrize("policy", ["vllm", *POLICIES])
def test_a_cache_of_several_sequences_that_moves_leaves_no_block_behind(policy: str, scheduler: str) -> None:
    # A request is one sequence where it runs, and its cache that of `batch_size` ones while it moves.
    spec = worlds.spec(scheduler, count=2, kv_tokens=200, prompt_s=1.0, token_s=0.25, batch=engine(policy))
    trace = replace(worlds.trace([(0.0, 20, 10), (0.5, 7, 5), (1.0, 11, 1)]), batch_size=array("q", [3, 2, 4]))
    simulation = Simulation(spec)
    result = simulation.run(trace)
    assert result.completed == 3
    for replica in simulation.replicas[0]:
        kv = replica.kv
        assert isinstance(kv, PagedKv)
        assert (kv.tokens, kv.free, kv.holders, kv.in_transit, replica.requests) == (0, kv.usable, 0, 0, 0)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("seed", range(12))
def test_what_steps_compute_is_what_prompts_lacked_and_what_was_lost(policy: str, seed: int) -> None:
    dice = Random(seed)
    requests = asked(dice, most=30)
    served = serve(policy, dice.choice([70, 200]), requests, **drawn(policy, dice))
    counts = served.replica.kv.counts
    assert counts is not None
    assert counts.prompts == sum(ask.prompt for ask in requests)
    if counts.prefix_cache:
        assert sum(served.of("cached_tokens")) == counts.hits <= counts.prompts
    # who is admitted again computes, beside what was lost, its last token
    computed = sum(tokens for _, tokens, _ in served.prompts)
    assert computed == counts.prompts - counts.hits + counts.recomputed + counts.preemptions


@pytest.mark.parametrize("policy", POLICIES)
def test_the_text_of_a_run_says_what_the_cache_hit(policy: str) -> None:
    spec = worlds.spec("round_robin", count=1, batch=engine(policy))
    begins, runs = array("q", [0, 1, 2]), array("q", [0, 0])
    prefixes = Prefixes(begins, runs, array("q", [16, 16]), 1)
    trace = replace(worlds.trace([(0.0, 16, 2), (10.0, 16, 2)]), prefixes=prefixes)
    result = measured(spec, trace)
    assert (result.summary["cache/hit_tokens"], result.summary["cache/prompt_tokens"]) == (15, 32)
    text = text_summary(spec, trace, result, 1.0, "")
    assert "cache      46.9% of the prompts' tokens hit (with endless memory 46.9%), 0 blocks evicted\n" in text
    assert "preempted " not in text


def test_retractions_are_told_apart_from_waits_for_prompts() -> None:
    served = serve("sglang", 60, [(0.0, 10, 30), (0.25, 10, 30), (3.0, 4, 3)], init_new_token_ratio=0.05)
    counts = served.replica.kv.counts
    assert counts is not None
    assert 0 < counts.preemptions < sum(served.of("preemptions"))
