"""The phases of a request for Perfetto, where it was preempted before its first token."""

from __future__ import annotations

from sim_core.request import Request
from sync.files.perfetto.phases import phases


def test_a_prompt_that_was_preempted_goes_on_after_the_pause_and_a_decode_after_its_own() -> None:
    request = Request(0, 0.0, 100, 5, 1)
    request.prompt_start_s, request.prompt_end_s, request.token_start_s, request.token_end_s = 1.0, 5.0, 5.0, 9.0
    assert list(phases(request, 9.0, [(2.0, 3.0), (6.0, 8.0)])) == [
        ("queue", 0.0, 1.0),
        ("prompt", 1.0, 2.0),
        ("preempted", 2.0, 3.0),
        ("prompt", 3.0, 5.0),
        ("decode", 5.0, 6.0),
        ("preempted", 6.0, 8.0),
        ("decode", 8.0, 9.0),
    ]


def test_a_prompt_whose_pause_lasts_is_not_drawn_as_running() -> None:
    request = Request(0, 0.0, 100, 5, 1)
    request.prompt_start_s = 1.0
    assert list(phases(request, 4.0, [(2.0, 4.0)])) == [
        ("queue", 0.0, 1.0),
        ("prompt", 1.0, 2.0),
        ("preempted", 2.0, 4.0),
    ]


def test_a_prompt_whose_step_begins_after_the_end_still_waits() -> None:
    request = Request(0, 0.0, 100, 5, 1)
    request.prompt_start_s = 3.0
    assert list(phases(request, 2.0, [])) == [("queue", 0.0, 2.0)]
