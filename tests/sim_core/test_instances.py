"""Batching by hand: what one instance does with a few requests, worked out on paper."""

from __future__ import annotations

from array import array
from dataclasses import replace

import pytest

from configs.compose import CONFIG_DIR, Composer
from sim_core import spec_from_config
from sim_core.batching import BATCHING
from sim_core.batching.whole_prompts import WholePrompts
from sync.results.measure import MeasuredRun
from sync.results.verdict import judge
from tests.runs import measured
from tests.sim_core import worlds

WHOLE = [name for name, policy in BATCHING.items() if issubclass(policy, WholePrompts)]  # memory is taken at once


def alone(
    rows: list[tuple[float, int, int]], policy: str = "Splitwise", kv_tokens: int = 1000, **batch: int
) -> MeasuredRun:
    """One instance; a prompt iteration takes 1 s, a decode iteration 1/4 s."""
    spec = worlds.spec("round_robin", policy, count=1, kv_tokens=kv_tokens, prompt_s=1.0, token_s=0.25,
                       batch=worlds.instance(policy, **batch))  # fmt: skip
    return measured(spec, worlds.trace(rows))


def by_request(result: MeasuredRun, name: str) -> list[float]:
    return [value for _, value in sorted(zip(result.requests["request_id"], result.requests[name], strict=True))]


@pytest.mark.parametrize("policy", BATCHING)
def test_a_request_alone_takes_its_prompt_and_one_iteration_a_further_token(policy: str) -> None:
    result = alone([(2.0, 10, 5)], policy)
    assert by_request(result, "ttft_s") == [1.0]
    assert by_request(result, "e2e_s") == [1.0 + 4 * 0.25]
    assert by_request(result, "tbt_s") == [0.25]


@pytest.mark.parametrize("policy", ["ORCA", "Splitwise"])
def test_a_prompt_joins_at_the_next_iteration_boundary(policy: str) -> None:
    # the first decodes from 1.0; at 1.3 it is in its second iteration, which ends at 1.5
    result = alone([(0.0, 10, 9), (1.3, 10, 2)], policy)
    assert by_request(result, "prompt_start_s") == [0.0, 1.5]
    # the prompt's iteration takes 1 s and gives the first request its fourth token: five more of 1/4 s
    assert by_request(result, "token_end_s") == [2.5 + 5 * 0.25, 2.5 + 0.25]


def test_prompts_share_an_iteration_up_to_the_token_limit() -> None:
    result = alone([(0.0, 50, 1), (0.5, 40, 1), (0.6, 20, 1), (0.7, 30, 1)], tokens=64)
    # 40 + 20 fit in 64, 30 more do not
    assert by_request(result, "prompt_start_s") == [0.0, 1.0, 1.0, 2.0]


def test_a_prompt_above_the_token_limit_runs_alone() -> None:
    result = alone([(0.0, 100, 1), (0.0, 1, 1)], tokens=64)
    assert by_request(result, "prompt_start_s") == [0.0, 1.0]


def test_a_long_prompt_preempts_decodes_and_they_go_on_after_it() -> None:
    # at 1.0 the first decodes; the second's 64 tokens leave no room for it
    result = alone([(0.0, 10, 5), (1.1, 64, 1)], tokens=64)
    assert by_request(result, "preemptions") == [1, 0]
    assert by_request(result, "preempted_s")[0] == 1.0
    assert by_request(result, "token_end_s")[0] == 1.0 + 0.25 + 1.0 + 3 * 0.25


def test_a_task_that_waited_too_often_goes_first() -> None:
    # three prompts arrive while request 0 is in its first decode iteration, until 1.25; each takes 1 s and all tokens
    rows = [(0.0, 10, 3), (1.1, 64, 1), (1.12, 64, 1), (1.14, 64, 1)]
    patient, impatient = alone(rows, tokens=64, waits=100), alone(rows, tokens=64, waits=2)
    assert by_request(patient, "token_end_s")[0] == 1.25 + 3 * 1.0 + 0.25
    # two starts without it and it is in the next batch, where its one token leaves no room for the third prompt
    assert by_request(impatient, "token_end_s")[0] == 1.25 + 2 * 1.0 + 0.25


def test_orca_keeps_its_members_whatever_arrives() -> None:
    result = alone([(0.0, 10, 5), (1.1, 64, 1)], "ORCA")
    assert by_request(result, "preemptions") == [0, 0]


@pytest.mark.parametrize("policy", WHOLE)
def test_memory_admits_what_fits_and_the_rest_waits(policy: str) -> None:
    # each needs 10 + 1 tokens for its prompt and 9 more to decode: two do not fit into 35 at once
    result = alone([(0.0, 10, 10), (0.0, 10, 10)], policy, kv_tokens=35)
    assert result.completed == 2
    starts = sorted(by_request(result, "token_start_s"))
    assert starts[1] >= sorted(by_request(result, "token_end_s"))[0]
    assert result.summary["memory/peak_fraction"] <= 1.0


@pytest.mark.parametrize("policy", BATCHING)
def test_a_request_that_can_never_fit_is_rejected_at_once_with_its_reason(policy: str) -> None:
    result = alone([(0.0, 10, 10), (1.0, 30, 10), (2.0, 10, 10)], policy, kv_tokens=35)
    assert (result.completed, result.rejected, result.unfinished) == (2, 1, 0)
    assert result.unserved["request_id"] == [1]
    held = 34 if policy == "vllm" else 35  # vLLM never uses its first block
    assert result.unserved["reason"] == [f"needs 40 tokens of KV cache, the instance holds {held}"]
    assert not judge(result.summary).within


def test_the_end_of_time_leaves_requests_unfinished_and_says_where() -> None:
    spec = worlds.spec("round_robin", "ORCA", 1, 10_000, prompt_s=1.0, batch=worlds.instance("ORCA", size=1))
    spec = type(spec)(**{name: getattr(spec, name) for name in spec.__slots__} | {"end_time_s": 1.5})
    result = measured(spec, worlds.trace([(0.0, 10, 1000), (1.0, 10, 1), (9.0, 10, 1), (20.0, 10, 1)]))
    assert (result.completed, result.unfinished) == (0, 4)
    assert result.unserved["reason"] == [
        "decodes on box-gpu_0",
        "waits for its prompt on box-gpu_0",
        "the run ended before it reached its application",
        "the run ended before it reached its application",
    ]
    assert (result.end_s, result.not_arrived) == (1.5, 2)
    assert set(result.summary) == {
        "run/completed", "run/rejected", "run/unfinished", "run/events", "run/end_s",
        "run/cut_at_s", "run/not_arrived", "provenance/given",
    }  # fmt: skip


def test_a_transfer_waits_for_memory_and_is_tried_again_each_second() -> None:
    # the token machine holds 60: one request takes 20 + 1 + 30 while it decodes, so the second is sent after it
    spec = worlds.spec("kv_round_robin", count=2, kv_tokens=60, prompt_s=1.0, token_s=0.25)
    result = measured(spec, worlds.trace([(0.0, 20, 31), (0.0, 20, 31)]))
    first, second = by_request(result, "transfer_start_s")
    assert first == 1.0
    assert second - first == int(second - first) >= 30 * 0.25


def test_transfers_that_can_never_happen_end_the_run_with_a_report() -> None:
    # two prompts share an iteration; both caches arrive, and then neither can decode, nor can the third ever be sent
    spec = worlds.spec("kv_round_robin", count=2, kv_tokens=60)
    result = measured(spec, worlds.trace([(0.0, 1, 1), (0.1, 25, 34), (0.11, 25, 34), (0.12, 25, 34)]))
    assert (result.completed, result.unfinished) == (1, 3)
    assert result.end_s < 100
    assert sorted(set(map(str, result.unserved["reason"]))) == [
        "waits for memory on box-gpu_1 to send its KV cache there",
        "waits to decode on box-gpu_1",
    ]


def test_the_default_instance_runs_each_task_to_completion() -> None:
    # a decode of 8 iterations from 1.0 to 3.0, through which the second waits
    result = alone([(0.0, 10, 9), (1.3, 10, 2)], "DEFAULT")
    assert by_request(result, "prompt_start_s") == [0.0, 3.0]
    assert by_request(result, "token_end_s") == [3.0, 4.0 + 0.25]


@pytest.mark.parametrize("policy", ["ORCA", "Splitwise"])
def test_an_arrival_at_the_very_end_of_a_run_cuts_nothing(policy: str) -> None:
    # the first decodes from 1.0 to 2.0 exactly, when the second arrives
    result = alone([(0.0, 10, 5), (2.0, 10, 2)], policy)
    assert by_request(result, "token_end_s") == [2.0, 2.0 + 1.0 + 0.25]


def test_grouped_query_attention_shrinks_the_cache() -> None:
    composer = Composer()
    sizes = {}
    for name in ("llama2-70b", "llama2-70b-gqa"):
        overrides = [f"applications.0.model_architecture={name}", "applications.0.model_size=llama2-70b-fp16"]
        sizes[name] = spec_from_config(composer.resolved(overrides), CONFIG_DIR.parent).applications[0].model
    assert sizes["llama2-70b"].kv_bytes_per_token == 2 * 8192 * 80 * 2
    assert sizes["llama2-70b-gqa"].kv_bytes_per_token == 2 * 8192 * 80 * 2 // 8


def test_several_applications_that_are_stuck_end_the_run_too() -> None:
    alone = replace(worlds.spec("kv_round_robin", count=2, kv_tokens=60), end_time_s=5000.0)
    application, state, servers = alone.applications[0], alone.start_states[0], alone.servers[0]
    spec = replace(
        alone,
        servers=(replace(servers, count=4),),
        applications=(application, replace(application, application_id=1)),
        start_states=tuple(replace(state, application_id=number, machines=(("box", 2),)) for number in (0, 1)),
    )
    rows = [(0.0, 1, 1), (0.1, 25, 34), (0.11, 25, 34), (0.12, 25, 34)]
    both = worlds.trace(sorted([*rows, *((time + 0.5, prompt, output) for time, prompt, output in rows)]))
    result = measured(spec, replace(both, application_id=array("q", [0] * 4 + [1] * 4)))
    assert (result.completed, result.unfinished) == (2, 6)
    assert result.end_s < 100
