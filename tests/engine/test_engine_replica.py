"""A replica that runs an engine's loop: its clock, and what a user may configure."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest

from benchmarks.engine_cases import REQUEST, STEP, Case
from configs.compose import CONFIG_DIR, Composer
from sim_core import SpecError, spec_from_config
from sim_core.engine import Call
from sim_core.kv.paged import PagedKv
from sim_core.scheduling import SCHEDULERS
from sim_core.simulation import Simulation
from sim_core.spec import InstanceSpec, SimSpec
from tests.engine import random_cases
from tests.engine.block_by_block import PlainCase
from tests.runs import measured
from tests.sim_core import worlds

TIMES = ("sched_ns", "start_ns", "end_ns", "first_token_ns", "finish_ns")


def uneven(seed: int) -> dict[str, Any]:
    """A random case whose times are no whole numbers of anything, so that sums of them depend on their order."""
    case = random_cases.case(seed)
    case["timing"] = {name: value * 1e6 * 4 / 3 for name, value in case["timing"].items()}
    for request in case["requests"]:
        for name in ("arrival_ns", "abort_ns"):
            request[name] = request[name] and request[name] * 1e6 * 9 / 7
    return case


def near(value: Any, other: Any) -> bool:
    if value is None or other is None:
        return value is other
    return abs(value - other) <= 1e-12 * abs(other)


def close(row: dict[str, Any], other: dict[str, Any], columns: tuple[str, ...]) -> bool:
    return all(near(row[name], other[name]) if name in TIMES else row[name] == other[name] for name in columns)


@pytest.mark.parametrize("seed", range(1000, 1010))
def test_skipped_turns_end_when_single_ones_would_to_a_trillionth(seed: int) -> None:
    skipping, single = Case(uneven(seed)).run(), PlainCase(uneven(seed)).run()
    assert len(skipping["steps"]) == len(single["steps"])
    for part, columns in (("steps", STEP), ("requests", REQUEST)):
        for row, other in zip(skipping[part], single[part], strict=True):
            assert close(row, other, columns), (row, other)


def vllm(**options: Any) -> InstanceSpec:
    instance = worlds.instance("vllm")
    return replace(instance, options=tuple({**dict(instance.options), **options}.items()))


def test_a_prompt_of_max_model_len_is_refused_and_a_shorter_one_served_up_to_it() -> None:
    spec = worlds.spec("round_robin", count=1, kv_tokens=400, batch=vllm(max_model_len=50))
    result = measured(spec, worlds.trace([(0.0, 50, 2), (0.0, 49, 2), (0.0, 40, 3)]))
    assert (result.completed, result.rejected) == (2, 1)
    assert result.unserved["request_id"] == [0]
    assert result.unserved["reason"] == ["has a prompt of 50 tokens, the instance takes 49 at most"]


SPLIT = [name for name, policy in SCHEDULERS.items() if policy.splits]
SHORT = [(0.0, 40, 3), (0.5, 30, 3), (1.0, 20, 9)]


def loads(simulation: Simulation) -> list[int]:
    """All loads of all replicas."""
    return [load for counted in simulation.applications[0].view.counted() for load in counted.at]


@pytest.mark.parametrize("delay_s", [0.0, 0.125])
@pytest.mark.parametrize("scheduler", SPLIT)
def test_a_prompt_that_is_too_long_counts_no_load_where_phases_are_split(scheduler: str, delay_s: float) -> None:
    delays = {"submit_task_s": delay_s}
    simulation = Simulation(worlds.spec(scheduler, kv_tokens=400, batch=vllm(max_model_len=50), delays=delays))
    result = simulation.run(worlds.trace([(0.0, 50, 2), (0.0, 60, 1)]))
    assert (result.rejected, result.unserved["request_id"]) == (2, [0, 1])
    assert loads(simulation) == [0] * len(loads(simulation))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_prompt_that_is_too_long_changes_no_placement_of_others(scheduler: str) -> None:
    spec = worlds.spec(scheduler, count=4, kv_tokens=400, batch=vllm(max_model_len=50))
    alone = measured(spec, worlds.trace(SHORT)).requests
    beside = measured(spec, worlds.trace([*SHORT[:1], (0.25, 50, 2), *SHORT[1:]])).requests
    for name in ("prompt_instance", "token_instance", "ttft_s", "e2e_s"):
        assert alone[name].tolist() == beside[name].tolist()


@pytest.mark.parametrize(("prompt", "token"), [(0, 50), (50, 0)])
def test_where_instances_differ_the_one_with_the_shorter_limit_decides(prompt: int, token: int) -> None:
    spec = worlds.spec("kv_token_jsq", kv_tokens=400, batch=vllm())
    roles = {"prompt": vllm(max_model_len=prompt), "token": vllm(max_model_len=token)}
    simulation = Simulation(replace(spec, start_states=(replace(spec.start_states[0], **roles),)))
    result = simulation.run(worlds.trace([(0.0, 50, 2), (0.0, 49, 2)]))
    assert (result.completed, result.unserved["request_id"]) == (1, [0])
    assert result.unserved["reason"] == ["has a prompt of 50 tokens, the instance takes 49 at most"]
    assert loads(simulation) == [0] * len(loads(simulation))


def test_what_runs_is_under_way_also_among_skipped_turns() -> None:
    simulation = Simulation(worlds.spec("jsq", count=1, prompt_s=1.0, token_s=0.25, batch=vllm()))
    (replica,) = simulation.replicas[0]
    seen: list[tuple[int, float, float] | None] = []

    def look(_nothing: None) -> None:
        found = replica.under_way()
        seen.append(None if found is None else (found.step.tokens, found.start_s, found.end_s))

    for time_s in (0.5, 1.6, 20.0):
        simulation.engine.at(time_s, Call(look), None)
    result = simulation.run(worlds.trace([(0.0, 10, 9)]))
    assert seen == [(10, 0.0, 1.0), (1, 1.5, 1.75), None]
    assert list(result.requests["token_end_s"]) == [3.0]


def test_memory_that_cannot_hold_one_sequence_is_an_error_with_what_to_do() -> None:
    with pytest.raises(SpecError, match=r"99 blocks of 1 tokens, and a sequence of max_model_len \(100\) needs 100"):
        measured(worlds.spec("jsq", count=1, kv_tokens=100, batch=vllm(max_model_len=100)), worlds.trace([]))


def test_a_pass_without_work_costs_an_asynchronous_engine_a_millisecond() -> None:
    rows = [(0.0, 10, 2), (0.0, 10, 2)]
    spec = worlds.spec("jsq", count=1, prompt_s=1.0, token_s=0.25, batch=vllm(async_scheduling=True, max_num_seqs=1))
    requests = measured(spec, worlds.trace(rows)).requests
    assert sorted(requests["token_end_s"]) == [1.25, 1.25 + 0.001 + 1.25]


@pytest.mark.parametrize("seed", range(20))
def test_every_request_is_served_and_its_blocks_are_free_again_whatever_the_scheduler_does(seed: int) -> None:
    dice = Random(seed)
    scheduler = dice.choice(list(SCHEDULERS))
    options = {"async_scheduling": dice.random() < 0.7, "block_size": dice.choice([1, 4]), "max_num_batched_tokens": 64,
               "max_num_seqs": dice.choice([2, 64]), "scheduler_reserve_full_isl": dice.random() < 0.5}  # fmt: skip
    delays: dict[str, float] = dice.choice([{}, {"submit_task_s": 0.125}, {"submit_flow_s": 0.25}])
    count, kv_tokens = dice.randint(2, 4), dice.randint(124, 300)
    spec = worlds.spec(scheduler, count=count, kv_tokens=kv_tokens, batch=vllm(**options), delays=delays)
    rows = sorted((dice.randint(0, 100) / 16, dice.randint(1, 60), dice.randint(1, 59)) for _ in range(60))
    simulation = Simulation(spec)
    result = simulation.run(worlds.trace(rows))
    assert (result.completed, result.standstill) == (len(rows), None)
    for replica in simulation.replicas[0]:
        kv = replica.kv
        assert isinstance(kv, PagedKv)
        assert (kv.tokens, kv.holders, kv.in_transit, kv.free, replica.requests) == (0, 0, 0, kv.usable, 0)


@pytest.mark.parametrize("is_async", [False, True])
def test_a_run_that_ends_among_skipped_turns_has_counted_those_before(is_async: bool) -> None:
    spec = worlds.spec("jsq", count=1, prompt_s=1.0, token_s=0.25, batch=vllm(async_scheduling=is_async))
    result = measured(replace(spec, end_time_s=10.1), worlds.trace([(0.0, 10, 100)]))
    assert result.instances["iterations"] == [1 + 36]
    assert result.instances["busy_s"] == [10.1]
    assert result.unfinished == 1


def configured(*overrides: str) -> SimSpec:
    config = Composer().resolved(["performance_model=db", "start_state=vllm", *overrides])
    return spec_from_config(config, CONFIG_DIR.parent)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("policy=lifo", "must be fcfs or priority"),
        ("max_num_batched_tokens=100", r"must be at least max_num_seqs \(1024\)"),
        ("block_size=0", "must be at least 1"),
        ("watermark=1.0", "must be from 0 to less than 1"),
        ("max_num_active_seqs=1025", r"must be at most max_num_seqs \(1024\)"),
    ],
)
def test_settings_that_vllm_would_refuse_are_errors(override: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        configured(f"start_state.instance.{override}")


def test_a_threshold_beyond_the_longest_sequence_is_an_error() -> None:
    with pytest.raises(SpecError, match=r"long_prefill_token_threshold=9: must be at most max_model_len \(8\)"):
        configured("start_state.instance.max_model_len=8", "start_state.instance.long_prefill_token_threshold=9")


def test_the_configuration_has_vllms_defaults() -> None:
    instance = configured().start_states[0].instance
    assert instance is not None
    assert (instance.policy, instance.max_batch_size, instance.tensor_parallelism) == ("vllm", 1024, 8)
