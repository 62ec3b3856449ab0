"""Every overhead changes results by what it says, worked out on paper."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sim_core import SimSpec
from sync.results.measure import MeasuredRun
from tests.runs import measured
from tests.sim_core import worlds

PROMPT_S, TOKEN_S = 0.25, 0.0625
REQUEST = [(1.0, 16, 5)]  # its prompt, then four iterations
ALONE_S = PROMPT_S + 4 * TOKEN_S
TRANSFER_S = 16 / 1024


def one(spec: SimSpec) -> dict[str, float]:
    """The times of the only request."""
    result: MeasuredRun = measured(spec, worlds.trace(REQUEST))
    assert result.completed == 1
    return {name: column[0] for name, column in result.requests.items()}


@pytest.mark.parametrize("policy", ["token_jsq", "kv_round_robin"])
def test_without_overheads_there_is_nothing_but_work(policy: str) -> None:
    transfer_s = TRANSFER_S if policy == "kv_round_robin" else 0.0
    assert one(worlds.spec(policy))["e2e_s"] == pytest.approx(ALONE_S + transfer_s, abs=1e-12)


@pytest.mark.parametrize("policy", ["token_jsq", "kv_round_robin"])
def test_the_routing_delay_comes_before_the_queue(policy: str) -> None:
    plain, delayed = one(worlds.spec(policy)), one(replace(worlds.spec(policy), routing_delay_s=0.5))
    assert delayed["queue_s"] - plain["queue_s"] == 0.5
    assert delayed["ttft_s"] - plain["ttft_s"] == 0.5
    assert delayed["e2e_s"] - plain["e2e_s"] == pytest.approx(0.5, abs=1e-12)


def test_submitting_both_tasks_to_one_instance_takes_the_time_once() -> None:
    times = one(worlds.spec("token_jsq", delays={"submit_task_s": 0.5}))
    assert times["prompt_start_s"] == 1.5
    assert times["e2e_s"] == 0.5 + ALONE_S


def test_each_task_of_a_split_request_is_submitted_by_itself() -> None:
    times = one(worlds.spec("kv_round_robin", delays={"submit_task_s": 0.5}))
    assert times["prompt_start_s"] == 1.5
    assert times["token_start_s"] - times["transfer_end_s"] == 0.5


def test_submitting_a_transfer_takes_its_time_before_it() -> None:
    times = one(worlds.spec("kv_round_robin", delays={"submit_flow_s": 0.5}))
    assert times["transfer_start_s"] - times["prompt_end_s"] == 0.5
    assert times["e2e_s"] == pytest.approx(ALONE_S + 0.5 + TRANSFER_S, abs=1e-12)


def test_finishing_a_request_takes_its_time_after_the_last_token() -> None:
    times = one(worlds.spec("token_jsq", delays={"finish_request_s": 0.5}))
    assert times["token_end_s"] == 1.0 + ALONE_S
    assert times["e2e_s"] == ALONE_S + 0.5


@pytest.mark.parametrize("policy", ["ORCA", "Splitwise"])
def test_the_run_overhead_comes_with_every_iteration(policy: str) -> None:
    batch = replace(worlds.instance(policy), run_s=0.5)
    times = one(worlds.spec("token_jsq", batch=batch))
    assert times["ttft_s"] == 0.5 + PROMPT_S
    assert times["e2e_s"] == 5 * 0.5 + ALONE_S


def test_the_run_overhead_comes_once_a_task_that_runs_to_completion() -> None:
    batch = replace(worlds.instance("DEFAULT", size=1), run_s=0.5)
    assert one(worlds.spec("token_jsq", batch=batch))["e2e_s"] == 2 * 0.5 + ALONE_S


def test_requests_wait_until_the_instances_that_start_at_the_first_arrival_are_up_and_keep_their_order() -> None:
    spec = worlds.spec("round_robin", count=1, batch=worlds.instance("ORCA", size=1))
    spec = replace(spec, applications=(replace(spec.applications[0], spin_up_s=4.0),))
    result = measured(spec, worlds.trace([(1.0, 16, 1), (2.0, 16, 1), (6.0, 16, 1)]))
    by_request = sorted(zip(result.requests["request_id"], result.requests["prompt_start_s"], strict=True))
    assert by_request == [(0, 5.0), (1, 5.25), (2, 6.0)]
