"""Worlds in which a run of the engine's loop once had no end: it ends, with each request served or a reason."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest

from sim_core.batching.vllm_step import VllmStep
from sim_core.engine_turns import EngineTurns, LoopObserver
from sim_core.errors import SpecError
from sim_core.network import NETWORKS
from sim_core.results import SimResult
from sim_core.scheduling import SCHEDULERS
from sim_core.simulation import Simulation
from sim_core.spec import SimSpec
from tests.engine.choices import CHOICES
from tests.engine.serving import engine
from tests.sim_core import worlds

Rows = list[tuple[float, int, int]]
ENGINES = list(CHOICES)
SPLIT = [name for name in SCHEDULERS if worlds.splits(name)]
MIXED = [name for name in SPLIT if name.startswith("mixed_pool")]


class StepWatch(LoopObserver):
    """Checks that a step has no request twice, and of a request that leaves with its first token the prompt alone."""

    def scheduled(self, replica: EngineTurns, step: VllmStep) -> None:
        assert len(set(step.sequences)) == len(step.sequences)
        assert all(sequence.computed <= sequence.prompt for sequence in step.sequences if sequence.leaves)


def served(
    scheduler: str, count: int, blocks: int, rows: Rows, prompt_s: float = 1.0, **options: object
) -> tuple[SimResult, list[EngineTurns]]:
    """A run on replicas with `blocks` blocks of a token, and vLLM's own one. A decode takes a quarter of a prompt."""
    batch = engine("vllm", enable_prefix_caching=False, scheduler_reserve_full_isl=False, max_num_seqs=8,
                   max_num_batched_tokens=8, **options)  # fmt: skip
    spec = worlds.spec(
        scheduler, count=count, kv_tokens=blocks + 1, prompt_s=prompt_s, token_s=prompt_s / 4, batch=batch
    )
    simulation = Simulation(spec)
    replicas = [replica for replica in simulation.replicas[0] if isinstance(replica, EngineTurns)]
    for replica in replicas:
        replica.loop_observer = StepWatch()
    return simulation.run(worlds.trace(rows)), replicas


def of(result: SimResult, name: str) -> list[float]:
    columns = result.requests
    return [value for _, value in sorted(zip(columns["request_id"], columns[name], strict=True))]


@pytest.mark.parametrize("policy", ["fcfs", "priority"])
def test_a_prompt_that_is_preempted_while_nothing_else_runs_is_computed_when_memory_was_freed(policy: str) -> None:
    # The third prompt has 11 blocks beside the cache that waits to leave, and needs 12. It tries in two steps, of which
    # the second finds no room, until the first request has ended: a transfer waits for that and not for a whole second.
    rows = [(0.0, 8, 10), (0.125, 8, 10), (0.25, 12, 2)]
    result, _ = served("kv_token_jsq", 2, 19, rows, policy=policy)
    assert (result.completed, result.standstill) == (3, None)
    assert of(result, "preemptions") == [0, 0, 1]
    ends = of(result, "token_end_s")
    assert of(result, "transfer_start_s") == [1.0, ends[0], ends[1]]
    assert of(result, "prompt_end_s") == [1.0, 2.0, pytest.approx(5.001)]


def test_a_prompt_that_lost_its_blocks_before_its_token_came_is_computed_again_and_sent() -> None:
    # The second step of the first prompt takes the blocks of the second one, whose only step is still under way.
    rows = [(0.0, 11, 1), (0.0, 2, 2)]
    options = {"async_scheduling": True, "long_prefill_token_threshold": 6}
    result, replicas = served("kv_token_jsq", 2, 12, rows, **options)
    assert of(result, "preemptions") == [0, 1]
    assert of(result, "prompt_end_s") == [2.0, pytest.approx(3.001)]
    assert [(replica.kv.tokens, replica.kv.holders, replica.requests) for replica in replicas] == [(0, 0, 0)] * 2


def test_a_prompt_that_is_to_leave_is_given_no_token_beyond_its_first() -> None:
    # With asynchronous scheduling a pass is made before the first token has come. In the one after the third prompt
    # the fourth one, which runs beside it, finds no room.
    rows = [(0.0, 8, 10), (0.125, 8, 10), (0.25, 8, 2), (0.375, 6, 2)]
    options = {"async_scheduling": True, "long_prefill_token_threshold": 3}
    result, _ = served("kv_token_jsq", 2, 19, rows, **options)
    assert (result.completed, result.standstill) == (4, None)
    assert of(result, "preemptions")[3] > 0


def test_requests_of_one_time_do_not_preempt_each_other_for_ever() -> None:
    # Each has room for 8 tokens alone. By vLLM's rule the first to run of the two is preempted, which was the other
    # one the last time.
    result, _ = served(
        "round_robin", 1, 8, [(0.0, 5, 3), (0.0, 5, 3)], policy="priority", long_prefill_token_threshold=2
    )
    assert (result.completed, result.standstill) == (2, None)


def test_replicas_that_wait_for_each_other_while_one_computes_a_prompt_in_vain_all_go_on() -> None:
    # The prompt of 53 has 11 blocks beside the first cache, which has no room beside the third one, and the other way
    # round. Its replica computes the first tokens of it again and again, until the first request leaves without its
    # cache. Then the third one has room.
    rows = [(0.125, 44, 2), (0.1875, 53, 2), (0.5625, 32, 2)]
    result, replicas = served("mixed_pool_returning", 3, 55, rows, prompt_s=0.25)
    assert (result.completed, result.standstill) == (3, None)
    assert of(result, "preemptions")[0] == 1
    assert of(result, "preemptions")[2] == 0
    assert of(result, "transfer_start_s")[0] == of(result, "transfer_end_s")[0] == of(result, "transfer_start_s")[2]
    assert [(replica.kv.tokens, replica.kv.holders, replica.requests) for replica in replicas] == [(0, 0, 0)] * 3


@pytest.mark.parametrize("policy", ENGINES)
@pytest.mark.parametrize("network", NETWORKS)
def test_a_transfer_to_a_full_replica_starts_when_memory_is_freed(policy: str, network: str) -> None:
    # The first decode ends at no whole second after the second prompt has. Its 30 tokens are most of the memory.
    batch = engine(policy)
    spec = worlds.spec("kv_token_jsq", count=2, kv_tokens=41, prompt_s=0.3, token_s=0.07, batch=batch)
    simulation = Simulation(replace(spec, network=worlds.network(network)))
    result = simulation.run(worlds.trace([(0.0, 25, 6), (0.0625, 25, 6)]))
    assert (result.completed, result.standstill) == (2, None)
    first_end_s, second_start_s = of(result, "token_end_s")[0], of(result, "transfer_start_s")[1]
    assert of(result, "prompt_end_s")[1] < second_start_s == first_end_s


def drawn_split(seed: int) -> tuple[SimSpec, Rows]:
    """A world whose phases are split, with prompts of up to all memory."""
    dice = Random(seed)
    policy = dice.choice(ENGINES)
    options = {name: dice.choice(values) for name, values in CHOICES[policy].items()}
    scheduler = dice.choice([*SPLIT, *MIXED * 3])
    kv_tokens = dice.choice([40, 60, 100])
    spec = worlds.spec(scheduler, count=dice.randint(2, 5), kv_tokens=kv_tokens, prompt_s=dice.choice([0.25, 1.0]),
                       batch=engine(policy, **options))  # fmt: skip
    if not scheduler.startswith("overlap_"):  # which shared links refuse
        spec = replace(spec, network=worlds.network(dice.choice(list(NETWORKS))))
    rows = []
    for tick in sorted(dice.choices(range(160), k=dice.randint(10, 60))):
        prompt = dice.randint(1, kv_tokens - 6)
        rows.append((tick / 16, prompt, dice.randint(1, kv_tokens - 5 - prompt)))
    return spec, rows


@pytest.mark.parametrize("seeds", [range(first, first + 50) for first in range(0, 200, 50)], ids=str)
def test_no_split_world_of_these_engines_stands_still(seeds: range) -> None:
    for seed in seeds:
        spec, rows = drawn_split(seed)
        simulation = Simulation(spec)
        result = simulation.run(worlds.trace(rows))
        assert (seed, result.unfinished, result.standstill) == (seed, 0, None)
        assert (seed, result.completed + result.rejected) == (seed, len(rows))
        for replica in simulation.replicas[0]:
            kv = replica.kv
            assert (seed, kv.tokens, kv.holders, kv.in_transit, replica.requests) == (seed, 0, 0, 0, 0)


def test_without_chunks_a_step_that_could_not_compute_a_preempted_request_is_refused() -> None:
    # Without chunks 8 tokens fit in a step. The second request would be preempted when it has more, and wait for ever.
    rows = [(0.0, 7, 9), (0.0625, 6, 9)]
    with pytest.raises(SpecError, match=r"max_num_batched_tokens=8: .* of 20 tokens .* set max_model_len to it"):
        served("round_robin", 1, 20, rows, enable_chunked_prefill=False)
    with pytest.raises(SpecError, match=r"max_num_batched_tokens=8: .* of 9 tokens \(max_model_len\)"):
        served("round_robin", 1, 20, rows, enable_chunked_prefill=False, max_model_len=9)
    result, _ = served("round_robin", 1, 20, rows, enable_chunked_prefill=False, max_model_len=8)
    assert (result.completed, result.standstill) == (2, None)


def test_without_chunks_a_preempted_request_runs_again_where_a_step_holds_the_longest_sequence() -> None:
    batch = engine("vllm", enable_prefix_caching=False, enable_chunked_prefill=False, max_num_seqs=8,
                   max_num_batched_tokens=20)  # fmt: skip
    spec = worlds.spec("round_robin", count=1, kv_tokens=21, prompt_s=1.0, token_s=0.25, batch=batch)
    result = Simulation(spec).run(worlds.trace([(0.0, 7, 9), (0.0625, 6, 9)]))
    assert (result.completed, result.standstill) == (2, None)
    assert of(result, "preemptions") == [0, 1]
