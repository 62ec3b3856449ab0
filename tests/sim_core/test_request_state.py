"""What is said of requests that were not served: states as data, words made of them."""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from sim_core.request_state import RequestState
from sync.files.splitwisesim import write_outputs
from sync.results.measure import MeasuredRun
from tests.runs import measured
from tests.sim_core import worlds


def situations(result: MeasuredRun) -> list[tuple[object, object, object]]:
    return list(zip(*(result.unserved[name] for name in ("outcome", "state", "instance")), strict=True))


def test_the_values_of_the_states_are_those_of_stored_tables() -> None:
    assert [str(state) for state in RequestState] == [
        "never_fits", "prompt_too_long", "no_instance", "not_reached", "waits_for_prompt", "prompt_running",
        "waits_to_send", "in_transfer", "waits_to_decode", "decoding", "last_token_on_its_way",
    ]  # fmt: skip


@pytest.mark.parametrize("state", RequestState)
def test_every_state_has_a_sentence_and_an_outcome(state: RequestState) -> None:
    assert state.sentence("box_0") and "{" not in state.sentence()
    assert state.outcome == ("rejected" if state in ("never_fits", "prompt_too_long", "no_instance") else "unfinished")


def test_states_and_instances_of_requests_that_the_end_of_time_cuts_off_and_of_one_that_never_fits() -> None:
    spec = worlds.spec("round_robin", "ORCA", 1, 10_000, prompt_s=1.0, batch=worlds.instance("ORCA", size=1))
    rows = [(0.0, 10, 1000), (0.5, 20_000, 2), (1.0, 10, 1), (9.0, 10, 1), (20.0, 10, 1)]
    assert situations(measured(replace(spec, end_time_s=1.5), worlds.trace(rows))) == [
        ("rejected", "never_fits", ""),
        ("unfinished", "decoding", "box-gpu_0"),
        ("unfinished", "waits_for_prompt", "box-gpu_0"),
        ("unfinished", "not_reached", ""),
        ("unfinished", "not_reached", ""),
    ]


def test_every_state_of_a_split_cluster_is_seen_at_some_end_of_time() -> None:
    spec = worlds.spec("kv_round_robin", count=2, kv_tokens=60, delays={"finish_request_s": 0.5})
    trace = worlds.trace([(0.0, 20, 31), (0.1, 20, 31), (3.0, 20, 31)])
    seen: Counter[tuple[object, object]] = Counter()
    for sixteenth in range(1, 240):
        result = measured(replace(spec, end_time_s=sixteenth / 16), trace)
        seen.update((state, instance) for _, state, instance in situations(result))
    assert set(seen) == {
        ("prompt_running", "box-gpu_0"),
        ("waits_for_prompt", "box-gpu_0"),
        ("waits_to_send", "box-gpu_1"),
        ("in_transfer", "box-gpu_1"),
        ("decoding", "box-gpu_1"),
        ("last_token_on_its_way", ""),
        ("not_reached", ""),
    }


def test_the_file_of_unserved_requests_has_the_states_behind_its_older_columns(tmp_path: Path) -> None:
    spec = worlds.spec("round_robin", count=1, kv_tokens=35)
    write_outputs(measured(spec, worlds.trace([(0.0, 30, 10)])), tmp_path)
    with (tmp_path / "unserved.csv").open(newline="") as file:
        header, row = csv.reader(file)
    assert header[5:] == ["outcome", "reason", "state", "instance"]
    assert row[5:] == ["rejected", "needs 40 tokens of KV cache, the instance holds 35", "never_fits", ""]
