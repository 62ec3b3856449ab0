"""trace.perfetto.json: valid whatever happens, true to the run, and without effect on results."""

from __future__ import annotations

from array import array
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from sim_core import SpecError
from sim_core.batching import BATCHING
from sim_core.scheduling import SCHEDULERS
from sim_core.simulation import Simulation
from sim_core.spec import ApplicationSpec, InstanceSpec, StartStateSpec
from sweep.single.debug import debug_outputs
from sync.files.perfetto.options import PerfettoOptions
from tests.runs import measured
from tests.sim_core import worlds
from tests.sim_core.drawn import (
    INSTANCES,
    MEMORY,
    POWER,
    QUEUE,
    REQUESTS,
    TOKENS,
    WATTS,
    crowd,
    draw,
    numbers,
    seconds_in_batches,
    seconds_of_requests,
    spans,
    us,
)
from tests.sim_core.trace_events import read

# -- by hand ---------------------------------------------------------------------------------------------------


def test_a_request_alone_is_drawn_as_worked_out_by_hand(tmp_path: Path) -> None:
    events, _ = draw(tmp_path, worlds.spec(count=1), worlds.trace([(1.0, 10, 5)]))
    assert spans(events.slices[INSTANCES, "box-gpu_0"]) == [("prompt 1", 1.0, 1.25), ("decode 1", 1.25, 1.5)]
    prompt, decode = (event["args"] for event in events.slices[INSTANCES, "box-gpu_0"])
    # 1000 bytes a token; 11 tokens for the prompt and its first, 4 more to decode; 400 there are
    assert prompt == {"batch_size": 1, "tokens": 10, "iterations": 1, "memory_bytes": 11_000, "memory_percent": 2.75}
    assert decode == {"batch_size": 1, "tokens": 1, "iterations": 4, "memory_bytes": 15_000, "memory_percent": 3.75}
    assert spans(events.slices[REQUESTS, "request 0"]) == [("prompt", 1.0, 1.25), ("decode", 1.25, 1.5)]
    assert events.counters[TOKENS, "box-gpu_0"] == [(1_000_000, 0), (1_000_000, 10), (1_250_000, 1), (1_500_000, 0)]
    assert events.counters[WATTS, "box-gpu_0"] == [(1_000_000, 10), (1_000_000, 100), (1_250_000, 40), (1_500_000, 10)]
    assert events.counters[MEMORY, "box-gpu_0"] == [
        (1_000_000, 0),
        (1_000_000, 2.75),
        (1_250_000, 3.75),
        (1_500_000, 0),
    ]
    assert events.counters[QUEUE, "box-gpu_0"] == [(1_000_000, 0)]


def test_a_split_request_shows_its_transfer_and_the_memory_it_leaves(tmp_path: Path) -> None:
    events, _ = draw(tmp_path, worlds.spec("kv_jsq"), worlds.trace([(1.0, 32, 3)]))
    assert spans(events.slices[REQUESTS, "request 0"]) == [
        ("prompt", 1.0, 1.25), ("transfer", 1.25, 1.28125), ("decode", 1.28125, 1.40625)
    ]  # fmt: skip
    assert (INSTANCES, "box-gpu_0 (prompt)") in events.tracks and (INSTANCES, "box-gpu_1 (token)") in events.tracks
    assert events.counters[MEMORY, "box-gpu_0"] == [(1_000_000, 0), (1_000_000, 8.25), (1_281_250, 0)]
    assert events.counters[MEMORY, "box-gpu_1"] == [(1_000_000, 0), (1_281_250, 8.75), (1_406_250, 0)]


def test_a_mixed_batch_and_who_waits_for_it_are_shown(tmp_path: Path) -> None:
    spec = worlds.spec(count=1, batch=worlds.instance(size=2))
    events, _ = draw(tmp_path, spec, worlds.trace([(0.0, 8, 9), (0.25, 8, 9), (0.3125, 8, 2)]))
    names = [event["name"] for event in events.slices[INSTANCES, "box-gpu_0"]]
    assert names[:2] == ["prompt 1", "mixed 1+1"]
    assert max(value for _, value in events.counters[QUEUE, "box-gpu_0"]) == 1
    assert events.counters[QUEUE, "box-gpu_0"][-1][1] == 0
    assert events.slices[REQUESTS, "request 2"][0]["name"] == "queue"


def test_who_comes_during_a_run_of_iterations_is_not_said_to_have_waited_before(tmp_path: Path) -> None:
    events, _ = draw(tmp_path, worlds.spec(count=1), worlds.trace([(0.0, 8, 17), (0.375, 8, 1)]))
    assert spans(events.slices[REQUESTS, "request 1"]) == [("queue", 0.375, 0.4375), ("prompt", 0.4375, 0.6875)]
    assert events.counters[QUEUE, "box-gpu_0"] == [(0, 0)]


def test_a_window_within_one_run_of_iterations_shows_it(tmp_path: Path) -> None:
    rows = worlds.trace([(1.0, 10, 5), (1.0, 10, 129)])
    events, _ = draw(tmp_path, worlds.spec("round_robin"), rows, start_s=2.0, end_s=3.0)  # after the first arrival
    assert spans(events.slices[INSTANCES, "box-gpu_1"]) == [("decode 1", 1.25, 9.25)]
    assert events.counters[TOKENS, "box-gpu_0"] == [(3_000_000, 0)]
    assert events.counters[TOKENS, "box-gpu_1"] == [(3_000_000, 1)]
    assert events.counters[WATTS, "box-gpu_1"] == [(3_000_000, 40)]


# -- true to the run, whatever is simulated --------------------------------------------------------------------


@pytest.mark.parametrize("batching", BATCHING)
@pytest.mark.parametrize("policy", SCHEDULERS)
def test_the_trace_is_valid_and_says_what_the_result_says(policy: str, batching: str, tmp_path: Path) -> None:
    spec = worlds.spec(policy, count=3, kv_tokens=400, batch=worlds.instance(batching, 4, 16, 3))
    trace = crowd()
    events, result = draw(tmp_path, spec, trace)
    assert numbers(result) == numbers(measured(spec, trace))
    assert events.other["requests"]["left_out"] == events.other["iteration_runs"]["left_out"] == 0
    assert seconds_of_requests(events) == pytest.approx(seconds_in_batches(events), abs=0.01)
    columns = result.requests
    for row, number in enumerate(columns["request_id"]):
        track = events.slices[REQUESTS, f"request {number}"]
        assert track[0]["ts"] == us(columns["arrival_s"][row])
        for before, after in pairwise(track):
            assert before["ts"] + before["dur"] == after["ts"], "a life has no gaps"
        ended_s = columns["arrival_s"][row] + columns["e2e_s"][row]
        assert abs(track[-1]["ts"] + track[-1]["dur"] - us(ended_s)) <= 1
        paused = [event for event in track if event["name"] == "preempted"]
        assert sum(event["dur"] for event in paused) == pytest.approx(1e6 * columns["preempted_s"][row], abs=9)
        assert len(paused) == columns["preemptions"][row]
    for index, (name, busy_s) in enumerate(zip(result.instances["name"], result.instances["busy_s"], strict=True)):
        role = result.instances["role"][index]
        track = events.slices.get((INSTANCES, f"{name} ({role})" if role else str(name)), [])
        assert sum(event["dur"] for event in track) == pytest.approx(1e6 * float(str(busy_s)), abs=len(track) + 1)
        assert sum(event["args"]["iterations"] for event in track) == result.instances["iterations"][index]
        assert {group for group, counted in events.counters if counted == name} == {MEMORY, QUEUE, TOKENS, WATTS}
        assert all(0 <= value <= 100 for _, value in events.counters[MEMORY, str(name)])
        if not result.unfinished:
            last = [events.counters[group, str(name)][-1][1] for group in (MEMORY, QUEUE, TOKENS, WATTS)]
            assert last == [0, 0, 0, 10]


def test_the_crowd_is_one_that_preempts_transfers_queues_and_rejects(tmp_path: Path) -> None:
    spec = worlds.spec("mixed_pool", count=3, kv_tokens=400, batch=worlds.instance("Splitwise", 4, 16, 3))
    events, result = draw(tmp_path, spec, crowd())
    seen = {event["name"] for (group, _), track in events.slices.items() if group == REQUESTS for event in track}
    assert seen == {"queue", "prompt", "transfer", "decode", "preempted"}
    assert result.rejected == 1
    ((where, (instant,)),) = events.instants.items()
    assert where == (REQUESTS, "request 30") and instant["name"] == "rejected"
    assert "needs" in instant["args"]["reason"]


def test_all_who_are_unfinished_are_shown_up_to_the_end(tmp_path: Path) -> None:
    spec = worlds.spec("token_jsq", count=3, kv_tokens=400, batch=worlds.instance("Splitwise", 4, 16, 3))
    events, result = draw(tmp_path, replace(spec, end_time_s=4.9675), crowd())
    phases = set()
    for number, reason in zip(result.unserved["request_id"], result.unserved["reason"], strict=True):
        if (REQUESTS, f"request {number}") in events.slices:  # the others had not come yet
            track = events.slices[REQUESTS, f"request {number}"]
            assert track[-1]["ts"] + track[-1]["dur"] == us(result.end_s), reason
            phases.add(track[-1]["name"])
    assert phases == {"queue", "prompt", "decode", "preempted"}
    assert seconds_of_requests(events) == pytest.approx(seconds_in_batches(events), abs=0.01)


def engine(**options: Any) -> InstanceSpec:
    batch = worlds.instance("vllm", 4)
    return replace(batch, options=tuple({**dict(batch.options), **options}.items()))


BATCHES = {
    "Splitwise": worlds.instance("Splitwise", 4),
    "vllm": engine(max_num_seqs=4, max_num_batched_tokens=16),
    "vllm, asynchronous": engine(max_num_seqs=4, max_num_batched_tokens=16, async_scheduling=True),
}


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("end_s", [0.5, 3.0, 7.03])
def test_a_run_cut_short_shows_what_was_under_way(end_s: float, batch: str, tmp_path: Path) -> None:
    spec = worlds.spec("mixed_pool", count=3, kv_tokens=150, batch=BATCHES[batch])
    spec = replace(spec, end_time_s=end_s)
    events, result = draw(tmp_path, spec, crowd())
    assert result.unfinished > 0
    open_ones = [track[-1] for track in events.slices.values() if track[-1].get("args", {}).get("unfinished")]
    assert open_ones and all(event["ts"] + event["dur"] == us(result.end_s) for event in open_ones)
    for name, busy_s in zip(result.instances["name"], result.instances["busy_s"], strict=True):
        own = [key for key in events.slices if key[0] == INSTANCES and key[1].startswith(f"{name} ")]
        drawn = sum(event["dur"] for key in own for event in events.slices[key])
        assert drawn == pytest.approx(1e6 * float(str(busy_s)), abs=99)


@pytest.mark.parametrize("is_async", [False, True])
def test_the_step_under_way_of_an_engine_is_drawn_from_its_own_start(is_async: bool, tmp_path: Path) -> None:
    spec = worlds.spec("jsq", count=1, prompt_s=1.0, token_s=0.25, batch=engine(async_scheduling=is_async))
    events, _ = draw(tmp_path, replace(spec, end_time_s=1.6), worlds.trace([(0.0, 10, 100)]))
    track = events.slices[INSTANCES, "box-gpu_0"]
    assert spans(track) == [("prompt 1", 0.0, 1.0), ("decode 1", 1.0, 1.5), ("decode 1", 1.5, 1.6)]
    assert track[-1]["args"]["tokens"] == 1
    assert [event["args"]["iterations"] for event in track] == [1, 2, 0]


@pytest.mark.parametrize("is_async", [False, True])
def test_a_prompt_that_is_preempted_at_the_end_waits(is_async: bool, tmp_path: Path) -> None:
    # the second request's prompt has room when it is admitted, and loses it to the first one's output
    batch = engine(async_scheduling=is_async, max_num_seqs=2, max_num_batched_tokens=5)
    spec = worlds.spec("jsq", count=1, kv_tokens=86, prompt_s=1.0, token_s=0.25, batch=batch)
    events, result = draw(tmp_path, replace(spec, end_time_s=22.1), worlds.trace([(0.0, 20, 60), (0.0, 60, 5)]))
    assert result.unfinished == 2
    names = [name for name, start_s, end_s in spans(events.slices[REQUESTS, "request 1"]) if end_s > start_s]
    assert names == ["queue", "prompt", "preempted"]
    assert len(events.slices[REQUESTS, "request 1"]) == 3
    assert seconds_of_requests(events) == pytest.approx(seconds_in_batches(events), abs=0.01)


def test_an_empty_run_is_valid(tmp_path: Path) -> None:
    events, _ = draw(tmp_path, worlds.spec(), worlds.trace([]))
    assert not events.slices and len(events.groups) == 6
    assert [track for _, track in events.tracks] == ["box-gpu_0", "box-gpu_1"]


def test_a_run_that_fails_leaves_a_valid_file(tmp_path: Path) -> None:
    trace = worlds.trace([(0.0, 1, 1)])
    trace.application_id[0] = 7
    simulation = Simulation(worlds.spec())
    with pytest.raises(SpecError), debug_outputs(tmp_path, simulation, trace, PerfettoOptions(), POWER):
        simulation.run(trace)
    assert not read(tmp_path / "trace.perfetto.json").slices


def test_tracks_of_two_applications_are_apart(tmp_path: Path) -> None:
    one = worlds.spec()
    second = ApplicationSpec(5, worlds.TINY_MODEL, worlds.scheduler("jsq"))
    states = tuple(
        StartStateSpec("baseline", number, machines=(("box", count),), instance=worlds.instance())
        for number, count in ((0, 1), (5, 1))
    )
    spec = replace(one, applications=(*one.applications, second), start_states=states)
    trace = replace(crowd(), application_id=array("q", [5 if row % 3 else 0 for row in range(61)]))
    events, result = draw(tmp_path, spec, trace)
    assert len(events.groups) == len(set(events.groups)) == 12
    for number in (0, 5):
        columns = (result.requests["request_id"], result.requests["application_id"])
        ran = [int(request) for request, application in zip(*columns, strict=True) if application == number]
        drawn = [int(track.split()[1]) for group, track in events.slices if group == f"application {number}: requests"]
        assert sorted(drawn) == sorted(ran) and ran
        assert events.slices[f"application {number}: instances", "box-gpu_0"]


def test_power_is_that_of_the_instances_own_processors_whatever_its_name(tmp_path: Path) -> None:
    spec = worlds.spec(count=1)
    box = replace(spec.servers[0], processors=spec.servers[0].processors * 4)
    events, _ = draw(tmp_path, replace(spec, servers=(box,)), worlds.trace([(1.0, 10, 5)]))
    assert [watts for _, watts in events.counters[WATTS, "box-gpu_0"]] == [4 * 10, 4 * 100, 4 * 40, 4 * 10]
