"""The batching policy `trtllm`: each rule in a schedule that was worked out by hand.

A step with prompts takes 1 s, one without 1/4 s. A block is a token, but where a test says otherwise.
"""

from __future__ import annotations

from random import Random

import pytest

from sim_core import SpecError
from tests.engine.serving import Ask, Served, serve

ROOM = 1000  # tokens of memory, more than any of these needs


def trtllm(kv_tokens: int, asked: list[Ask | tuple[float, int, int]], **options: object) -> Served:
    return serve("trtllm", kv_tokens, asked, **options)


# -- who is admitted -------------------------------------------------------------------------------------------------

RUNS = (0.0, 20, 40)  # holds 60 of 100 tokens from the start
ENDS_S = 1.0 + 39 * 0.25


@pytest.mark.parametrize(("output", "starts_s"), [(20, 1.0), (21, ENDS_S)])
def test_a_request_is_admitted_if_its_prompt_and_all_of_its_output_fit_beside_those_of_running_ones(
    output: int, starts_s: float
) -> None:
    assert trtllm(100, [RUNS, (0.5, 20, output)]).of("prompt_start_s") == [0.0, starts_s]


@pytest.mark.parametrize(("most", "starts_s"), [(60, 1.0), (61, 1.0 + 1.0)])
def test_the_most_outputs_that_a_request_may_have_are_reserved_and_not_those_that_it_has(
    most: int, starts_s: float
) -> None:
    # the first has five outputs, the last at 2.0, and may have more
    served = trtllm(100, [Ask(0.0, 20, 5, most=most), (0.5, 10, 10)])
    assert served.of("prompt_start_s") == [0.0, starts_s]


def test_more_outputs_than_memory_holds_are_as_many_as_it_holds() -> None:
    assert trtllm(100, [Ask(0.0, 20, 5, most=5000)]).of("token_end_s") == [2.0]


def test_blocks_are_reserved_whole() -> None:
    # of 12 blocks the first may need 8, for 58 tokens; the second may need 4, for 32, or 5, for 33
    fits = trtllm(96, [(0.0, 20, 38), (0.5, 12, 20)], tokens_per_block=8)
    assert fits.of("prompt_start_s") == [0.0, 1.0]
    does_not = trtllm(96, [(0.0, 20, 38), (0.5, 12, 21)], tokens_per_block=8)
    assert does_not.of("prompt_start_s") == [0.0, 1.0 + 37 * 0.25]


def test_the_first_without_room_stops_the_admission_of_smaller_ones_behind_it() -> None:
    assert trtllm(100, [RUNS, (0.5, 30, 20), (0.6, 1, 1)]).of("prompt_start_s") == [0.0, ENDS_S, ENDS_S]


def test_no_more_requests_run_than_max_batch_size() -> None:
    served = trtllm(ROOM, [(0.0, 4, 5), (0.1, 4, 5), (0.2, 4, 5)], max_batch_size=2)
    assert served.of("prompt_start_s") == [0.0, 1.0, 1.0 + 1.0 + 3 * 0.25]


# -- prompts that wait for others --------------------------------------------------------------------------------------

DECODES = (0.0, 4, 60)  # from 1.0 on
WAITS: dict[str, object] = {"max_num_tokens": 40, "max_batch_size": 8, "batch_wait_max_tokens_ratio": 0.5}


def test_prompts_wait_beside_decodes_until_they_have_the_share_of_a_step() -> None:
    served = trtllm(ROOM, [DECODES, (1.1, 8, 1), (2.1, 11, 1)], batch_wait_timeout_iters=100, **WAITS)
    assert served.of("prompt_start_s") == [0.0, 2.25, 2.25]  # 8 + 11 and a decode are half of 40
    less = trtllm(ROOM, [DECODES, (1.1, 8, 1), (2.1, 10, 1)], batch_wait_timeout_iters=100, **WAITS)
    assert less.of("prompt_start_s") == [0.0, 1.0 + 59 * 0.25, 1.0 + 59 * 0.25]  # until nothing decodes


def test_prompts_wait_no_longer_than_batch_wait_timeout_iters() -> None:
    served = trtllm(ROOM, [DECODES, (1.1, 8, 1), (1.6, 4, 1), (4.1, 8, 1)], batch_wait_timeout_iters=4, **WAITS)
    assert served.of("prompt_start_s") == [0.0, 2.25, 2.25, 4.25 + 4 * 0.25]  # a step with prompts ends at 3.25


def test_no_prompt_waits_for_others_where_nothing_decodes() -> None:
    served = trtllm(ROOM, [(0.0, 4, 1), (1.5, 4, 1)], batch_wait_timeout_iters=9, **WAITS)
    assert served.of("prompt_start_s") == [0.0, 1.5]


@pytest.mark.parametrize("seed", range(8))
def test_no_request_ever_loses_its_memory(seed: int) -> None:
    dice = Random(seed)
    asked: list[Ask | tuple[float, int, int]] = []
    for tick in sorted(dice.randint(0, 200) for _ in range(60)):
        output = dice.randint(1, 30)
        asked.append(Ask(tick / 16, dice.randint(1, 50), output, most=output + dice.randint(0, 40)))
    served = trtllm(128, asked, tokens_per_block=dice.choice([1, 4]), enable_chunked_prefill=dice.random() < 0.5,
                    max_batch_size=8, max_num_tokens=dice.choice([64, 8192]))  # fmt: skip
    assert served.of("preemptions") == [0] * len(asked)
    assert served.replica.kv.peak > 64


# -- what a step has -------------------------------------------------------------------------------------------------


def test_prompts_run_beside_decodes() -> None:
    served = trtllm(ROOM, [(0.0, 10, 5), (1.3, 10, 2)])
    assert served.prompts == [(1.0, 10, 0), (2.5, 10, 1)]
    assert served.of("token_end_s") == [2.5 + 0.25, 2.5 + 0.25]


def test_a_whole_prompt_that_exceeds_what_decodes_leave_waits_for_their_end_with_all_behind_it() -> None:
    served = trtllm(ROOM, [(0.0, 4, 10), (0.1, 16, 1), (0.2, 2, 1)], max_batch_size=8, max_num_tokens=16)
    ends_s = 1.0 + 9 * 0.25
    assert served.of("prompt_start_s") == [0.0, ends_s, ends_s + 1.0]


@pytest.mark.parametrize(("enable_chunked_prefill", "rejected"), [(False, 1), (True, 0)])
def test_a_prompt_of_more_than_max_num_tokens_is_rejected_unless_it_may_run_in_chunks(
    enable_chunked_prefill: bool, rejected: int
) -> None:
    served = trtllm(ROOM, [(0.0, 16, 2), (0.1, 17, 2)], max_batch_size=8, max_num_tokens=16,
                    enable_chunked_prefill=enable_chunked_prefill)  # fmt: skip
    assert served.result.rejected == rejected
    assert served.result.unserved["request_id"] == [1] * rejected


def test_prompts_share_a_step_up_to_max_num_tokens() -> None:
    served = trtllm(ROOM, [(0.0, 1, 1), (0.1, 10, 1), (0.2, 6, 1), (0.3, 1, 1)], max_batch_size=8, max_num_tokens=16)
    assert served.prompts == [(1.0, 1, 0), (2.0, 16, 0), (3.0, 1, 0)]


def test_with_chunked_prefill_a_prompt_takes_what_decodes_leave_in_whole_blocks() -> None:
    served = trtllm(ROOM, [(0.0, 4, 10), (0.1, 40, 1)], max_batch_size=8, max_num_tokens=16, tokens_per_block=4,
                    enable_chunked_prefill=True)  # fmt: skip
    # of 15 tokens 12, three times, and the last 4
    assert served.prompts == [(1.0, 4, 0), (2.0, 12, 1), (3.0, 12, 1), (4.0, 12, 1), (5.0, 4, 1)]


def test_a_prompt_in_its_middle_goes_before_those_that_wait() -> None:
    served = trtllm(ROOM, [(0.0, 20, 1), (0.1, 20, 1)], max_batch_size=8, max_num_tokens=16, tokens_per_block=4,
                    enable_chunked_prefill=True)  # fmt: skip
    assert served.prompts == [(1.0, 16, 0), (2.0, 16, 0), (3.0, 8, 0)]
    assert served.of("prompt_end_s") == [2.0, 3.0]


# -- blocks that are used again --------------------------------------------------------------------------------------


def test_a_prompt_waits_while_another_computes_the_first_block_that_it_lacks_and_lets_others_pass() -> None:
    asked = [(0.0, 1, 1), Ask(0.1, 12, 1, shared=8), Ask(0.2, 14, 1, shared=8), (0.3, 3, 1)]
    served = trtllm(ROOM, asked)
    # the third finds the 8 tokens that it shares with the second, which are computed at 2.0
    assert served.prompts == [(1.0, 1, 0), (2.0, 12 + 3, 0), (3.0, 14 - 8, 0)]
    assert served.of("prompt_start_s") == [0.0, 1.0, 2.0, 1.0]


def test_without_block_reuse_prompts_that_begin_alike_are_computed_each() -> None:
    asked = [(0.0, 1, 1), Ask(0.1, 12, 1, shared=8), Ask(0.2, 14, 1, shared=8)]
    assert trtllm(ROOM, asked, enable_block_reuse=False).prompts == [(1.0, 1, 0), (2.0, 12 + 14, 0)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tokens_per_block": 0}, "must be at least 1"),
        ({"max_batch_size": 0}, "must be at least 1"),
        ({"max_num_tokens": 100}, r"must be at least max_batch_size \(2048\)"),
        (
            {"max_num_tokens": 16, "max_batch_size": 8, "tokens_per_block": 32, "enable_chunked_prefill": True},
            r"must be at least tokens_per_block \(32\)",
        ),
        ({"free_gpu_memory_fraction": 1.5}, "must be from 0 to 1"),
        ({"free_gpu_memory_fraction": 0.0}, "the KV cache has no block of 1 tokens"),
    ],
)
def test_settings_that_cannot_work_are_errors(options: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        trtllm(100, [], **options)
