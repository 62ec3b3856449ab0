"""The batching policy `sglang`: each rule in a schedule that was worked out by hand.

A step with prompts takes 1 s, one without 1/4 s. A page is a token.
"""

from __future__ import annotations

import pytest

from sim_core import SpecError
from tests.engine.serving import Ask, Served, serve

ROOM = 1000  # tokens of memory, more than any of these needs


def sglang(kv_tokens: int, asked: list[Ask | tuple[float, int, int]], **options: object) -> Served:
    return serve("sglang", kv_tokens, asked, **options)


# -- which prompts and decodes a step has ----------------------------------------------------------------------------


def test_a_prompt_runs_before_decodes_go_on_and_not_beside_them() -> None:
    # at 1.3 the first is in its second step of decodes, which ends at 1.5 with its third token
    served = sglang(ROOM, [(0.0, 10, 5), (1.3, 10, 2)])
    assert served.prompts == [(1.0, 10, 0), (2.5, 10, 0)]
    assert served.of("token_end_s") == [2.5 + 2 * 0.25, 2.5 + 0.25]
    assert (served.of("preemptions"), served.of("preempted_s")) == ([1, 0], [1.0, 0.0])


def test_with_enable_mixed_chunk_decodes_run_beside_prompts() -> None:
    served = sglang(ROOM, [(0.0, 10, 5), (1.3, 10, 2)], enable_mixed_chunk=True)
    assert served.prompts == [(1.0, 10, 0), (2.5, 10, 1)]
    assert served.of("token_end_s") == [2.5 + 0.25, 2.5 + 0.25]


def test_decodes_beside_a_prompt_take_of_the_chunk() -> None:
    served = sglang(ROOM, [(0.0, 8, 9), (1.3, 16, 1)], enable_mixed_chunk=True, chunked_prefill_size=8)
    assert served.prompts == [(1.0, 8, 0), (2.5, 7, 1), (3.5, 7, 1), (4.5, 2, 1)]


def test_one_prompt_is_in_its_middle_at_a_time_and_goes_first_in_the_next_step() -> None:
    served = sglang(ROOM, [(0.0, 20, 1), (0.0, 20, 1), (0.0, 4, 1)], chunked_prefill_size=16)
    # 16 of the first; its last 4 and 12 of the second; the last 8 of that and the third
    assert served.prompts == [(1.0, 16, 0), (2.0, 16, 0), (3.0, 12, 0)]
    assert served.of("prompt_end_s") == [2.0, 3.0, 3.0]


def test_new_requests_are_seen_once_in_scheduler_recv_interval_steps_of_decodes() -> None:
    served = sglang(ROOM, [(0.0, 10, 40), (1.3, 10, 1), (4.1, 10, 1)], scheduler_recv_interval=4)
    # it looks when the first prompt ends at 1.0, at 2.0, when the second ends at 3.0, at 4.0 and 5.0
    assert served.of("prompt_start_s") == [0.0, 2.0, 5.0]


def test_new_requests_are_seen_after_a_step_with_prompts_and_where_nothing_runs() -> None:
    served = sglang(ROOM, [(0.0, 10, 4), (0.5, 10, 1), (9.0, 10, 1)], scheduler_recv_interval=100)
    assert served.of("prompt_start_s") == [0.0, 1.0, 9.0]


def test_a_prompt_that_had_waited_for_room_lets_the_scheduler_look_behind_it() -> None:
    asked: list[Ask | tuple[float, int, int]] = [(0.0, 10, 60), (0.0, 10, 3), (0.5, 10, 1), (2.1, 10, 1)]
    served = sglang(ROOM, asked, scheduler_recv_interval=100, max_running_requests=2)
    # the second leaves at 2.5, and a step of decodes later the third runs, after which the fourth is seen
    assert served.of("prompt_start_s") == [0.0, 1.0, 2.75, 3.75]


def test_requests_that_are_not_seen_are_seen_when_the_decodes_have_ended() -> None:
    assert sglang(ROOM, [(0.0, 10, 4), (1.1, 10, 1)], scheduler_recv_interval=100).of("prompt_start_s") == [0.0, 1.75]


def test_without_chunks_prompts_run_whole_and_the_first_one_may_pass_the_limit() -> None:
    rows: list[Ask | tuple[float, int, int]] = [(0.0, 1, 1), (0.1, 30, 1), (0.2, 5, 1), (0.3, 15, 1)]
    served = sglang(ROOM, rows, chunked_prefill_size=0, max_prefill_tokens=20)
    assert served.prompts == [(1.0, 1, 0), (2.0, 30, 0), (3.0, 5, 0), (4.0, 15, 0)]  # 5 and 15 reach 20: too many


def test_no_more_requests_run_than_max_running_requests() -> None:
    served = sglang(ROOM, [(0.0, 4, 5), (0.1, 4, 5), (0.2, 4, 5)], max_running_requests=2)
    # two run until 3.0; then the third is alone, and waits for no decode
    assert served.of("prompt_start_s") == [0.0, 1.0, 3.0]


# -- who is admitted -------------------------------------------------------------------------------------------------

# 20 of 100 tokens are held, and 0.7 of 39 more expected: less than 52.7 may be a prompt, all of its output, and a page.
RUNS = (0.0, 20, 40)
ENDS_S = 1.0 + 39 * 0.25


@pytest.mark.parametrize(("output", "starts_s"), [(21, 1.0), (22, ENDS_S)])
def test_a_request_is_admitted_if_all_of_its_output_fits_beside_what_running_ones_are_expected_to_need(
    output: int, starts_s: float
) -> None:
    assert sglang(100, [RUNS, (0.5, 30, output)]).of("prompt_start_s") == [0.0, starts_s]


@pytest.mark.parametrize(("most", "starts_s"), [(21, 1.0), (22, ENDS_S)])
def test_the_most_outputs_that_a_request_may_have_count_and_not_those_that_it_has(most: int, starts_s: float) -> None:
    assert sglang(100, [RUNS, Ask(0.5, 30, 2, most=most)]).of("prompt_start_s") == [0.0, starts_s]


def test_of_very_many_outputs_only_a_part_counts() -> None:
    served = sglang(100, [RUNS, Ask(0.5, 30, 2, most=90)], clip_max_new_tokens_estimation=10)
    assert served.of("prompt_start_s") == [0.0, 1.0]  # 30 + 10 + 1 < 80 - 0.7 * 10


def test_a_prompt_of_all_memory_runs_where_nothing_else_does() -> None:
    assert sglang(100, [(0.0, 99, 1), (0.0, 50, 50)]).of("prompt_start_s") == [0.0, 1.0]


def test_the_first_without_room_stops_the_admission_until_one_has_left_and_a_step_of_decodes_has_run() -> None:
    # at 2.0 the third needs 51, and 75 - 0.7 * (39 + 2) are left; the second leaves at 2.5; a step later 51.9 are left,
    # and then 0.9 for the last, which needs 3: it waits in its turn until the third has left at 8.5
    served = sglang(100, [RUNS, (0.1, 5, 3), (1.5, 30, 20), (1.6, 1, 1)])
    assert served.of("prompt_start_s") == [0.0, 1.0, 2.75, 2.75 + 1.0 + 19 * 0.25 + 0.25]


@pytest.mark.parametrize(("output", "starts_s"), [(27, 1.0), (28, 2.0 + 9 * 0.25)])
def test_all_of_the_output_of_those_admitted_in_the_same_step_counts(output: int, starts_s: float) -> None:
    # the second holds 20 and may need 10 and a page: 69 are left, and the third must need less
    served = sglang(100, [(0.0, 1, 1), (0.1, 20, 10), (0.2, 40, output)])
    assert served.of("prompt_start_s") == [0.0, 1.0, starts_s]


def test_a_request_that_leaves_with_its_first_token_makes_room_for_the_next_step() -> None:
    # beside the second 20.7 are left, and when it has left at 2.0, 52.7; the third needs 26
    assert sglang(100, [RUNS, (0.1, 30, 1), (0.2, 15, 10)]).of("prompt_start_s") == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(("steps", "starts_s"), [(2, 1.5), (600, ENDS_S)])
def test_the_expected_part_falls_to_its_least_within_so_many_steps_of_decodes(steps: int, starts_s: float) -> None:
    # at 1.5 there were two steps; 53 are needed, and 78 - 37 * 0.098, or 78 - 37 * 0.698, are left
    served = sglang(100, [RUNS, (1.3, 30, 22)], new_token_ratio_decay_steps=steps)
    assert served.of("prompt_start_s") == [0.0, starts_s]


def test_the_expected_part_is_the_first_one_again_when_nothing_is_left_to_do() -> None:
    rows: list[Ask | tuple[float, int, int]] = [RUNS, (20.0, 20, 40), (20.5, 30, 22)]
    served = sglang(100, rows, new_token_ratio_decay_steps=2)
    assert served.of("prompt_start_s") == [0.0, 20.0, 20.0 + ENDS_S]  # with the least part it would begin at 21.0


def test_a_cautious_scheduler_expects_more() -> None:
    assert sglang(100, [RUNS, (0.5, 30, 21)], schedule_conservativeness=1.1).of("prompt_start_s") == [0.0, ENDS_S]


# -- retraction ------------------------------------------------------------------------------------------------------

# Two are admitted, and have 18 of 40 tokens at 2.0. Each step takes two more, so that none is left at 4.75.
FULL: list[Ask | tuple[float, int, int]] = [(0.0, 10, 20), (0.5, 8, 18)]
FULL_S = 2.0 + 11 * 0.25


@pytest.mark.parametrize(("disable_radix_cache", "computed"), [(False, 12), (True, 22)])
def test_where_memory_runs_out_the_longest_prompt_of_those_with_equal_outputs_is_computed_again(
    disable_radix_cache: bool, computed: int
) -> None:
    served = sglang(40, FULL, init_new_token_ratio=0.1, disable_radix_cache=disable_radix_cache)
    # the second goes on alone to its 18th token; the first has 12, keeps them, and finds its prompt in the cache
    second_ends_s = FULL_S + 6 * 0.25
    assert served.of("preemptions") == [1, 0]
    assert served.prompts == [(1.0, 10, 0), (2.0, 8, 0), (second_ends_s + 1.0, computed, 0)]
    assert served.of("preempted_s") == [second_ends_s - FULL_S, 0.0]
    assert served.of("token_end_s") == [second_ends_s + 1.0 + 7 * 0.25, second_ends_s]


def test_the_one_with_the_fewest_outputs_is_retracted_before_a_longer_prompt() -> None:
    # at 2.75 they have 13 and 8 tokens; nine steps later the second has 10 outputs, and the first 13
    served = sglang(40, [(0.0, 10, 20), (1.6, 8, 14)], init_new_token_ratio=0.1)
    assert served.of("preemptions") == [1, 1]  # the first only waits for the prompt of the second
    assert served.of("preempted_s") == [1.0, served.prompts[-1][0] - 1.0 - (2.75 + 9 * 0.25)]
    assert served.of("token_end_s")[0] == 2.75 + 9 * 0.25 + 7 * 0.25


def test_a_retracted_request_waits_at_the_end_of_the_queue() -> None:
    served = sglang(40, [*FULL, (3.0, 30, 5)], init_new_token_ratio=0.1)
    third_ends_s = FULL_S + 6 * 0.25 + 1.0 + 4 * 0.25
    assert served.of("token_end_s")[2] == third_ends_s
    assert served.of("preempted_s")[0] == third_ends_s - FULL_S


@pytest.mark.parametrize(("prompt", "starts_s"), [(19, FULL_S + 0.25), (20, FULL_S + 8 * 0.25)])
def test_after_a_retraction_the_expected_part_is_what_those_left_have_and_twenty_more_of_what_they_may_have(
    prompt: int, starts_s: float
) -> None:
    # it would fall at once, but the step of the retraction does not lower it;
    # the second is left with 12 of 40 outputs, so (12 + 20) / 41 of 10, the most that counts, are expected; 30 are free
    rows = [(0.0, 20, 40), Ask(0.5, 18, 20, most=90), (FULL_S - 0.1, prompt, 2)]
    served = sglang(60, rows, new_token_ratio_decay_steps=1, clip_max_new_tokens_estimation=10)
    assert served.of("preemptions")[0] == 1
    assert served.of("prompt_start_s")[2] == starts_s


# -- the prefix cache ------------------------------------------------------------------------------------------------


def test_a_prompt_skips_what_is_cached_when_it_is_admitted_and_computes_one_token_at_least() -> None:
    served = sglang(ROOM, [Ask(0.0, 12, 1, shared=8), Ask(0.1, 14, 1, shared=8), Ask(0.2, 8, 1, shared=8)])
    # the second and the third are admitted when the first is computed
    assert served.prompts == [(1.0, 12, 0), (2.0, 14 - 8 + 1, 0)]


def test_what_is_computed_of_a_prompt_in_its_middle_is_cached() -> None:
    asked = [(0.0, 1, 1), Ask(0.1, 40, 1, shared=38), Ask(0.2, 36, 1, shared=36)]
    # when 32 of the second are computed, its last 8 and the 4 that the third lacks are
    assert sglang(ROOM, asked, chunked_prefill_size=32).prompts == [(1.0, 1, 0), (2.0, 32, 0), (3.0, 8 + 4, 0)]


def test_equal_tokens_that_two_requests_of_a_step_have_computed_are_held_once() -> None:
    served = sglang(ROOM, [(0.0, 1, 1), Ask(0.1, 12, 5, shared=8), Ask(0.2, 14, 5, shared=8)])
    assert served.prompts == [(1.0, 1, 0), (2.0, 12 + 14, 0)]
    # 12 + 14 tokens at first; then 8 of them are given back, and four steps take two each
    assert served.replica.kv.peak == 12 + 14
    tight = sglang(27, [(0.0, 1, 1), Ask(0.1, 12, 5, shared=8), Ask(0.2, 14, 5, shared=8)], init_new_token_ratio=0.01)
    assert tight.of("preemptions") == [0, 0, 0]


def test_a_cached_prefix_that_nobody_uses_is_evicted_when_memory_is_needed() -> None:
    rows = [Ask(0.0, 20, 1, shared=20), (2.0, 90, 1), Ask(4.0, 20, 1, shared=20)]
    assert sglang(100, rows).prompts == [(1.0, 20, 0), (3.0, 90, 0), (5.0, 20 - 10, 0)]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"page_size": 0}, "must be at least 1"),
        ({"max_running_requests": 0}, "must be at least 1"),
        ({"page_size": 64, "chunked_prefill_size": 96}, r"must be a multiple of page_size \(64\), or 0"),
        ({"mem_fraction_static": 1.5}, "must be from 0 to 1"),
        ({"mem_fraction_static": 0.0}, "no memory is left for the KV cache"),
    ],
)
def test_settings_that_sglang_would_refuse_are_errors(options: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        sglang(100, [], **options)
