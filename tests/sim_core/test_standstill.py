"""Memory-tight clusters: whoever can go on goes on, and what stands still is found, ends the run and is said first."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from configs.compose import CONFIG_DIR, Composer
from sim_core import spec_from_config
from sim_core.batching import BATCHING
from sim_core.batching.standstill import able_to_go_on
from sim_core.batching.whole_prompts import WholePrompts
from sim_core.replica import Replica
from sim_core.simulation import Simulation
from sim_core.spec import SimSpec
from sim_core.standstill import StillInstance
from sweep.single.summary import one_line_summary, text_summary
from sync.results.measure import MeasuredRun
from tests.runs import measured
from tests.sim_core import worlds

Rows = list[tuple[float, int, int]]
# two prompts share an iteration from 0.25 to 0.5; each cache takes 26 tokens, and the decodes need as many as they say
TWO_CACHES: Rows = [(0.0, 1, 1), (0.1, 25, 34), (0.11, 25, 5)]
NEITHER_GROWS: Rows = [(0.0, 1, 1), (0.1, 25, 34), (0.11, 25, 34), (0.12, 25, 34)]


def could_go_on(replica: Replica) -> bool:
    """Whether a task waits that could run. Where blocks are taken as tokens come, none waits at the end."""
    batcher = replica.batcher
    return bool(able_to_go_on(batcher)) if isinstance(batcher, WholePrompts) else batcher.has_waiting()


def by_request(result: MeasuredRun, name: str) -> list[float]:
    return [value for _, value in sorted(zip(result.requests["request_id"], result.requests[name], strict=True))]


def configured(*overrides: str) -> SimSpec:
    return spec_from_config(Composer().resolved(["performance_model=db", *overrides]), CONFIG_DIR.parent)


def one_h100(start_state: str) -> SimSpec:
    machines = ("cluster=half_half", "cluster.servers.0.count=0", "cluster.servers.1.count=1")
    return configured(*machines, f"start_state={start_state}")


@pytest.mark.parametrize("start_state", ["baseline", "orca"])
def test_twelve_long_requests_on_one_machine_are_all_served_and_leave_it_no_idle_second(start_state: str) -> None:
    result = measured(one_h100(start_state), worlds.trace([(float(row), 60_000, 100) for row in range(12)]))
    assert (result.completed, result.unfinished, result.standstill) == (12, 0, None)
    (busy_s,) = result.instances["busy_s"]
    assert busy_s == pytest.approx(result.end_s)


@pytest.mark.parametrize("policy", BATCHING)
def test_requests_that_fit_one_at_a_time_are_served_one_after_the_other(policy: str) -> None:
    spec = worlds.spec("round_robin", policy, count=1, kv_tokens=90, prompt_s=1.0, token_s=0.25)
    result = measured(spec, worlds.trace([(float(row), 60, 10) for row in range(12)]))
    assert result.completed == 12
    assert result.end_s == 12 * (1.0 + 9 * 0.25)


@pytest.mark.parametrize("policy", ["ORCA", "Splitwise"])
def test_a_decode_that_fits_runs_although_an_older_one_does_not(policy: str) -> None:
    result = measured(worlds.spec("round_robin", policy, count=1, kv_tokens=60), worlds.trace(TWO_CACHES))
    # 52 of 60 tokens are held at 0.5: 4 more of the second request fit, 33 more of the first do not
    assert by_request(result, "token_start_s")[1:] == [0.75, 0.5]
    assert by_request(result, "token_end_s")[1:] == [0.75 + 33 / 16, 0.75]


@pytest.mark.parametrize("policy", ["ORCA", "Splitwise"])
def test_a_cache_that_has_arrived_decodes_although_an_older_one_does_not_fit(policy: str) -> None:
    result = measured(worlds.spec("kv_round_robin", policy, count=2, kv_tokens=60), worlds.trace(TWO_CACHES))
    arrived_s = 0.5 + 25 / 1024
    assert by_request(result, "token_start_s")[1:] == [arrived_s + 0.25, arrived_s]
    assert by_request(result, "token_end_s")[1:] == [arrived_s + 0.25 + 33 / 16, arrived_s + 0.25]


def test_a_prompt_runs_whole_beside_caches_of_which_none_can_grow() -> None:
    # 52 of 60 tokens are held for ever; the last request needs 6, and returns them
    spec = worlds.spec("round_robin", count=1, kv_tokens=60)
    result = measured(spec, worlds.trace([*NEITHER_GROWS, (20.0, 4, 2), (20.0, 4, 5)]))
    assert sorted(result.requests["request_id"]) == [0, 4]
    assert by_request(result, "token_end_s")[1] == 20.0 + 0.25 + 1 / 16
    assert result.standstill is not None
    assert (result.standstill.requests, result.standstill.since_s) == (4, 0.5)


def test_after_a_standstill_no_prompt_takes_the_memory_that_a_decode_waits_for() -> None:
    # a Splitwise instance takes prompts first: the fourth prompt of 25 would take what the second decode waits for
    spec = worlds.spec("round_robin", count=1, kv_tokens=60)
    rows = [*TWO_CACHES, *((0.2 + row / 16, 25, 34) for row in range(4))]
    result = measured(spec, worlds.trace(rows))
    assert by_request(result, "token_start_s")[1] == 0.75


@pytest.mark.parametrize("policy", ["ORCA", "Splitwise"])
def test_caches_that_fill_a_decode_machine_so_that_none_can_grow_are_a_standstill_with_its_facts(policy: str) -> None:
    result = measured(worlds.spec("kv_round_robin", policy, count=2, kv_tokens=60), worlds.trace(NEITHER_GROWS))
    arrived_s = 0.5 + 25 / 1024
    assert result.standstill is not None
    (still,) = result.standstill.instances
    assert still == StillInstance(
        application_id=0, name="box-gpu_1", since_s=arrived_s, requests=3, kv_tokens=52, kv_capacity=60,
        needed_tokens=26,
    )  # fmt: skip
    assert (result.summary["run/standstill_requests"], result.summary["run/standstill_s"]) == (3.0, arrived_s)
    assert result.unserved["state"] == ["waits_to_decode", "waits_to_decode", "waits_to_send"]
    assert result.unserved["instance"] == ["box-gpu_1"] * 3
    assert result.end_s == arrived_s + 0.25  # the third prompt, which waited for the memory of the two that were sent


def test_a_run_without_a_standstill_has_no_figures_of_one() -> None:
    result = measured(worlds.spec(), worlds.trace([(0.0, 10, 5)]))
    assert result.standstill is None
    assert not [name for name in result.summary if "standstill" in name]


def test_a_standstill_is_the_first_thing_said_with_instances_requests_reason_and_remedy() -> None:
    spec, trace = worlds.spec("kv_round_robin", count=2, kv_tokens=60), worlds.trace(NEITHER_GROWS)
    result = measured(spec, trace)
    lines = text_summary(spec, trace, result, 1.0, "out").splitlines()
    since = "0.5 s after the first arrival"
    assert lines[0] == f"STANDSTILL 3 of 4 requests can never be served: box-gpu_1 has stood still since {since}"
    assert " ".join(lines[1].split()) == (
        "box-gpu_1: 3 wait for its memory, of which KV caches hold 87%; 8 tokens are free, "
        "each needs 26 or more at once"
    )
    assert "instances with more memory" in lines[2] and "lower rate" in lines[2]
    assert one_line_summary(result).startswith("STANDSTILL of box-gpu_1: 1 completed, 0 rejected, 3 unfinished")


def test_transfers_that_can_never_start_are_not_tried_for_as_long_as_requests_arrive() -> None:
    spec = worlds.spec("kv_round_robin", count=2, kv_tokens=60)
    spec = replace(spec, end_time_s=1e9)
    short = measured(spec, worlds.trace(NEITHER_GROWS))
    long = measured(spec, worlds.trace([*NEITHER_GROWS, (1e6, 1, 1)]))
    assert (long.completed, long.unfinished, long.end_s) == (2, 3, 1e6 + 0.25)
    assert long.events <= short.events + 3


def test_an_instance_whose_caches_can_never_leave_serves_what_fits_beside_them() -> None:
    # the decode machine is full; the cache of request 3 stays at the prompt machine, and the prompt of 40 never fits
    spec = worlds.spec("kv_round_robin", count=2, kv_tokens=60)
    result = measured(spec, worlds.trace([*NEITHER_GROWS, (3.0, 40, 1), (3.1, 20, 1), (3.2, 20, 1)]))
    assert sorted(result.requests["request_id"]) == [0, 5, 6]
    assert by_request(result, "e2e_s")[1:] == pytest.approx([0.25, 0.25 + 0.25 - 0.1])


def test_instances_that_wait_for_each_other_run_what_they_can() -> None:
    spec = worlds.spec("mixed_pool", "DEFAULT", count=3, kv_tokens=97, prompt_s=0.75, token_s=0.125)
    rows = [(0.875, 65, 7), (0.9375, 50, 1), (1.0, 64, 3), (1.0625, 74, 6), (1.125, 10, 4), (1.125, 13, 5),
            (1.125, 59, 7), (1.125, 29, 1), (1.1875, 22, 7)]  # fmt: skip
    result = measured(spec, worlds.trace(rows))
    assert result.standstill is not None
    assert (result.completed, result.standstill.requests) == (5, 4)  # four without it


@pytest.mark.parametrize("seed", range(60))
def test_at_the_end_of_any_run_nothing_could_go_on_and_every_request_left_belongs_to_a_standstill(seed: int) -> None:
    dice = random.Random(seed)
    scheduler = dice.choice(["round_robin", "token_jsq", "kv_jsq", "kv_round_robin", "mixed_pool"])
    batch = worlds.instance(dice.choice(list(BATCHING)), dice.randint(1, 12), dice.randint(1, 120), dice.randint(1, 5))
    delays: dict[str, float] = dice.choice([{}, {"submit_task_s": 0.125}, {"submit_flow_s": 0.25}])
    spec = worlds.spec(scheduler, count=dice.randint(2, 4), kv_tokens=dice.randint(60, 200), batch=batch, delays=delays)
    rows = sorted((dice.randint(0, 100) / 16, dice.randint(1, 60), dice.randint(1, 60)) for _ in range(40))
    simulation = Simulation(spec)
    result = simulation.run(worlds.trace(rows))
    assert result.completed + result.rejected + result.unfinished == len(rows)
    assert result.unfinished == (result.standstill.requests if result.standstill else 0)
    for replica in simulation.replicas[0]:
        assert replica.stands_still() and not could_go_on(replica)
        if not result.unfinished:
            assert (replica.kv.in_transit, replica.kv.given_up, replica.kv.tokens) == (0, 0, 0)


def test_long_prompts_on_sixteen_machines_leave_no_request_while_one_could_go_on(tmp_path: Path) -> None:
    # as in Mooncake's traces: prompts up to the memory of a machine, at a rate that fills all of them
    dice = random.Random(7)
    sizes = [(min(int(dice.lognormvariate(9.2, 1.1)) + 1, 80_000), dice.randint(1, 900)) for _ in range(1500)]
    rows = [(row * 0.15, prompt, output) for row, (prompt, output) in enumerate(sizes)]
    machines = ("cluster=half_half", "cluster.servers.0.count=0", "cluster.servers.1.count=16")
    simulation = Simulation(configured(*machines, "start_state=baseline", "applications.0.scheduler=round_robin"))
    result = simulation.run(worlds.trace(rows))
    assert not any(could_go_on(replica) for replica in simulation.replicas[0])
    assert result.unfinished == (result.standstill.requests if result.standstill else 0)
    assert result.completed > 1400


# With each of these seeds a prompt once took no time: its instance chose a batch while it still ended the last one.
@pytest.mark.parametrize("seed", [449, 495, 1052, 1172])
def test_no_prompt_takes_less_than_its_iteration_where_transfers_are_given_up(seed: int) -> None:
    draw = random.Random(seed)
    scheduler = draw.choice(["kv_token_jsq", "overlap_kv_jsq", "mixed_pool", "kv_jsq", "kv_round_robin"])
    batch = worlds.instance(
        draw.choice(["ORCA", "Splitwise"]), draw.randint(2, 8), draw.randint(1, 100), draw.randint(1, 5)
    )
    count, tokens = draw.randint(2, 4), draw.randint(60, 200)
    spec = worlds.spec(scheduler, count=count, kv_tokens=tokens, prompt_s=0.25, token_s=0.0625, batch=batch)
    outputs = [1, 1, 2, 40, 80]
    rows = sorted(
        (draw.randint(0, 100) / 16, draw.randint(1, 60), draw.choice(outputs)) for _ in range(draw.randint(5, 40))
    )
    requests = measured(spec, worlds.trace(rows)).requests
    took_s = [end - start for start, end in zip(requests["prompt_start_s"], requests["prompt_end_s"], strict=True)]
    assert min(took_s) >= 0.25
