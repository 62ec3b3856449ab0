"""Where prompts run with conditional disaggregation."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace

import pytest

from sim_core import SimSpec, simulate
from sim_core.prefixes import Prefixes
from tests.sim_core import worlds

TOKEN = 1  # the index of the first token machine, behind the one for prompts


def spec(most_tokens: int = 20, most_queued: int = 2, batching: str = "Splitwise", tokens: int = 1) -> SimSpec:
    """One machine for prompts, then those for decodes."""
    batch = worlds.instance(batching, 4, 64, 4)
    plain = worlds.spec("conditional_disagg", count=1 + tokens, kv_tokens=4000, batch=batch)
    state = replace(plain.start_states[0], prompt_machines=1, token_machines=tokens)
    application = plain.applications[0]
    options = {
        **dict(application.scheduler.options),
        "max_local_prefill_length": most_tokens,
        "max_prefill_queue_size": most_queued,
    }
    scheduler = replace(application.scheduler, options=tuple(options.items()))
    return replace(plain, start_states=(state,), applications=(replace(application, scheduler=scheduler),))


def instances(described: SimSpec, rows: Sequence[tuple[float, int, int]]) -> list[tuple[int, int]]:
    """By request, in order of arrival: the indices of the replicas of its prompt and of its decode."""
    requests = simulate(described, worlds.trace(rows)).requests
    pairs = zip(requests["request_id"], requests["prompt_instance"], requests["token_instance"], strict=True)
    return [(prompt, token) for _, prompt, token in sorted(pairs)]


@pytest.mark.parametrize("batching", ["Splitwise", "vllm", "sglang", "trtllm"])
def test_a_prompt_longer_than_the_limit_runs_on_a_prompt_machine_and_others_where_they_decode(batching: str) -> None:
    rows = [(0.0, 20, 3), (10.0, 21, 3), (20.0, 1, 3)]
    assert instances(spec(batching=batching), rows) == [(TOKEN, TOKEN), (0, TOKEN), (TOKEN, TOKEN)]


def test_a_long_prompt_runs_where_it_decodes_while_the_prompt_machine_has_a_full_queue() -> None:
    rows = [(0.0, 60, 3)] + [(0.01 + row / 1000, 60, 3) for row in range(3)] + [(30.0, 60, 3)]
    # the first one runs and two wait when the fourth comes
    assert instances(spec(), rows) == [(0, TOKEN), (0, TOKEN), (0, TOKEN), (TOKEN, TOKEN), (0, TOKEN)]
    assert instances(spec(most_queued=1), rows)[2:4] == [(TOKEN, TOKEN)] * 2


def test_decodes_go_to_the_token_machine_with_the_fewest_pending_tokens() -> None:
    rows = [(0.0, 30, 40), (0.5, 30, 40), (1.0, 30, 40)]
    assert [token for _, token in instances(spec(tokens=2), rows)] == [TOKEN, TOKEN + 1, TOKEN]


def test_tokens_that_are_cached_where_the_request_decodes_need_not_be_computed() -> None:
    trace = worlds.trace([(0.0, 20, 3), (10.0, 39, 3), (20.0, 41, 3), (30.0, 39, 3)])
    # the first two and the third begin with the same 19 tokens, and the last one has a text of its own
    prefixes = Prefixes(array("q", [0, 1, 2, 3, 3]), array("q", [0, 0, 0]), array("q", [19, 19, 19]), 1)
    for batching, local in (("vllm", True), ("Splitwise", False)):  # the latter has no prefix cache
        prompts = simulate(spec(batching=batching), replace(trace, prefixes=prefixes)).requests["prompt_instance"]
        assert list(prompts) == [TOKEN, TOKEN if local else 0, 0, 0]
