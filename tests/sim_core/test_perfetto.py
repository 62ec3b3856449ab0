"""trace.perfetto.json: valid whatever happens, true to the run, within its bounds, and without effect on results."""

from __future__ import annotations

import math
import random
from array import array
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from configs.compose import CONFIG_DIR, compose, resolve
from sim_core import SimResult, SimSpec, SpecError, Trace, simulate, spec_from_config
from sim_core.batching import BATCHING
from sim_core.debug import debug_outputs
from sim_core.perfetto import GpuPower, PerfettoOptions, PerfettoTrace, options_from_config, power_from_config
from sim_core.scheduling import SCHEDULERS
from sim_core.simulation import Simulation
from sim_core.spec import ApplicationSpec, StartStateSpec
from tests.sim_core import worlds
from tests.sim_core.test_single_run import BASELINE, run
from tests.sim_core.trace_events import TraceEvents, read
from traces.workload import TraceRef, load

POWER = {"box-gpu": GpuPower(10.0, 100.0, 40.0)}
INSTANCES, REQUESTS, MEMORY, QUEUE, TOKENS, WATTS = (
    f"application 0: {group}" for group in ("instances", "requests", "memory", "queue", "batch tokens", "power")
)


def draw(
    folder: Path, spec: SimSpec, trace: Trace, power: dict[str, GpuPower] = POWER, **options: Any
) -> tuple[TraceEvents, SimResult]:
    path = folder / "trace.perfetto.json"
    simulation = Simulation(spec)
    picture = PerfettoTrace(path, simulation, trace, PerfettoOptions(**options), power)
    result = simulation.run(trace)
    picture.close()
    return read(path), result


def numbers(result: SimResult) -> Any:
    columns = {name: column.tobytes() for name, column in result.requests.items()}
    return columns, result.unserved, result.instances, result.summary, result.events, result.end_s


def crowd(count: int = 60, seed: int = 1) -> Trace:
    """More than the worlds here can serve at once: queues, full memory, preemptions; and one that can never run."""
    dice = random.Random(seed)
    rows = sorted((dice.randrange(160) / 16, dice.randint(1, 60), dice.randint(1, 30)) for _ in range(count))
    rows.insert(count // 2, (rows[count // 2][0], 9_000, 2))
    return worlds.trace(rows)


def spans(track: list[dict[str, Any]]) -> list[tuple[str, float, float]]:
    return [(event["name"], event["ts"] / 1e6, (event["ts"] + event["dur"]) / 1e6) for event in track]


def value_at(time_us: int, samples: list[tuple[int, float]]) -> float:
    return [value for time, value in samples if time <= time_us][-1]


def us(time_s: float) -> int:
    return round(time_s * 1e6)


# -- by hand ---------------------------------------------------------------------------------------------------


def test_a_request_alone_is_drawn_as_worked_out_by_hand(tmp_path: Path) -> None:
    events, _ = draw(tmp_path, worlds.spec(count=1), worlds.trace([(1.0, 10, 5)]))
    assert spans(events.slices[INSTANCES, "box-gpu_0"]) == [("prompt 1", 1.0, 1.25), ("decode 1", 1.25, 1.5)]
    prompt, decode = (event["args"] for event in events.slices[INSTANCES, "box-gpu_0"])
    # 1000 bytes a token; 11 tokens for the prompt and its first, 4 more to decode; 400 there are
    assert prompt == {"batch_size": 1, "tokens": 10, "iterations": 1, "memory_bytes": 11_000, "memory_percent": 2.75}
    assert decode == {"batch_size": 1, "tokens": 1, "iterations": 4, "memory_bytes": 15_000, "memory_percent": 3.75}
    assert spans(events.slices[REQUESTS, "request 0"]) == [("prompt", 1.0, 1.25), ("decode", 1.25, 1.5)]
    assert events.counters[TOKENS, "box-gpu_0"] == [(0, 0), (1_000_000, 10), (1_250_000, 1), (1_500_000, 0)]
    assert events.counters[WATTS, "box-gpu_0"] == [(0, 10), (1_000_000, 100), (1_250_000, 40), (1_500_000, 10)]
    assert events.counters[MEMORY, "box-gpu_0"] == [(0, 0), (1_000_000, 2.75), (1_250_000, 3.75), (1_500_000, 0)]
    assert events.counters[QUEUE, "box-gpu_0"] == [(0, 0)]


def test_a_split_request_shows_its_transfer_and_the_memory_it_leaves(tmp_path: Path) -> None:
    events, _ = draw(tmp_path, worlds.spec("kv_jsq"), worlds.trace([(1.0, 32, 3)]))
    assert spans(events.slices[REQUESTS, "request 0"]) == [
        ("prompt", 1.0, 1.25), ("transfer", 1.25, 1.28125), ("decode", 1.28125, 1.40625)
    ]  # fmt: skip
    assert (INSTANCES, "box-gpu_0 (prompt)") in events.tracks and (INSTANCES, "box-gpu_1 (token)") in events.tracks
    assert events.counters[MEMORY, "box-gpu_0"] == [(0, 0), (1_000_000, 8.25), (1_281_250, 0)]
    assert events.counters[MEMORY, "box-gpu_1"] == [(0, 0), (1_281_250, 8.75), (1_406_250, 0)]


def test_a_mixed_batch_and_who_waits_for_it_are_shown(tmp_path: Path) -> None:
    spec = worlds.spec(count=1, batch=worlds.instance(size=2))
    events, _ = draw(tmp_path, spec, worlds.trace([(0.0, 8, 9), (0.25, 8, 9), (0.3125, 8, 2)]))
    names = [event["name"] for event in events.slices[INSTANCES, "box-gpu_0"]]
    assert names[:2] == ["prompt 1", "mixed 1+1"]
    assert max(value for _, value in events.counters[QUEUE, "box-gpu_0"]) == 1
    assert events.counters[QUEUE, "box-gpu_0"][-1][1] == 0
    assert events.slices[REQUESTS, "request 2"][0]["name"] == "queue"


# -- true to the run, whatever is simulated --------------------------------------------------------------------


@pytest.mark.parametrize("batching", BATCHING)
@pytest.mark.parametrize("policy", SCHEDULERS)
def test_the_trace_is_valid_and_says_what_the_result_says(policy: str, batching: str, tmp_path: Path) -> None:
    spec = worlds.spec(policy, count=3, kv_tokens=400, batch=worlds.instance(batching, 4, 16, 3))
    trace = crowd()
    events, result = draw(tmp_path, spec, trace)
    assert numbers(result) == numbers(simulate(spec, trace))
    assert events.other["requests"]["left_out"] == events.other["iteration_runs"]["left_out"] == 0
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


@pytest.mark.parametrize("end_s", [0.5, 3.0, 7.03])
def test_a_run_cut_short_shows_what_was_under_way(end_s: float, tmp_path: Path) -> None:
    spec = worlds.spec("mixed_pool", count=3, kv_tokens=150, batch=worlds.instance("Splitwise", 4))
    spec = replace(spec, end_time_s=end_s)
    events, result = draw(tmp_path, spec, crowd())
    assert result.unfinished > 0
    open_ones = [track[-1] for track in events.slices.values() if track[-1].get("args", {}).get("unfinished")]
    assert open_ones and all(event["ts"] + event["dur"] == us(result.end_s) for event in open_ones)
    for name, busy_s in zip(result.instances["name"], result.instances["busy_s"], strict=True):
        own = [key for key in events.slices if key[0] == INSTANCES and key[1].startswith(f"{name} ")]
        drawn = sum(event["dur"] for key in own for event in events.slices[key])
        assert drawn == pytest.approx(1e6 * float(str(busy_s)), abs=99)


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


# -- sampling --------------------------------------------------------------------------------------------------


def test_max_requests_keeps_the_first_to_arrive_and_the_file_says_so(tmp_path: Path) -> None:
    events, result = draw(tmp_path, worlds.spec(), crowd(), max_requests=7)
    group = "application 0: requests (sample: 7 of the run's 61)"
    assert sorted(track for where, track in events.tracks if where == group) == [f"request {n}" for n in range(7)]
    assert events.other["requests"] == {"written": 7, "left_out": 54}
    assert events.other["iteration_runs"]["left_out"] == 0
    assert result.completed == 60


def test_a_window_keeps_what_overlaps_it(tmp_path: Path) -> None:
    spec, trace = worlds.spec(), crowd()
    (tmp_path / "whole").mkdir()
    whole, _ = draw(tmp_path / "whole", spec, trace)
    events, _ = draw(tmp_path, spec, trace, start_s=2.0, end_s=5.0)
    for key, track in whole.slices.items():
        if key[0] == INSTANCES:
            inside = [event for event in track if event["ts"] + event["dur"] >= 2e6 and event["ts"] <= 5e6]
            assert events.slices[key] == inside and 0 < len(inside) < len(track)
    arrived = [row for row, time_s in enumerate(trace.arrival_s) if 2.0 <= time_s <= 5.0]
    assert events.other["requests"] == {"written": len(arrived), "left_out": 61 - len(arrived)}
    for key, samples in events.counters.items():
        assert samples[0][0] == 2_000_000 and samples[-1][0] <= 5_000_000
        for time in (*range(2_000_000, 5_000_000, 10_000), *(time for time, _ in samples)):
            assert value_at(time, samples) == value_at(time, whole.counters[key])


def test_the_file_ends_at_its_limit_and_says_where(tmp_path: Path) -> None:
    spec, trace = worlds.spec(kv_tokens=5_000), crowd(400)
    events, result = draw(tmp_path, spec, trace, max_megabytes=0.05)
    assert 40_000 < (tmp_path / "trace.perfetto.json").stat().st_size <= 50_000
    cut_s = events.other["cut_at_s"]
    assert 0 < cut_s < result.end_s
    assert events.other["iteration_runs"]["left_out"] > 0 and events.other["requests"]["left_out"] > 0
    ends = [event["ts"] + event["dur"] for track in events.slices.values() for event in track]
    assert max(ends) <= us(cut_s)
    (instant,) = (event for track in events.instants.values() for event in track if event["name"] != "rejected")
    assert instant["ts"] == us(cut_s) and instant["s"] == "g" and "max_megabytes" in instant["name"]
    assert numbers(result) == numbers(simulate(spec, trace))


def test_a_limit_below_everything_still_gives_a_valid_file(tmp_path: Path) -> None:
    spec, path = worlds.spec(), tmp_path / "trace.perfetto.json"
    simulation, trace = Simulation(spec), crowd()
    picture = PerfettoTrace(path, simulation, trace, PerfettoOptions(max_megabytes=1e-6), POWER)
    simulation.run(trace)
    picture.close()
    assert '"written": 0' in path.read_text()


def test_the_file_is_written_in_portions(tmp_path: Path) -> None:
    path, trace = tmp_path / "trace.perfetto.json", crowd(2_000)
    simulation = Simulation(worlds.spec(kv_tokens=20_000))
    picture = PerfettoTrace(path, simulation, trace, PerfettoOptions(), POWER)
    simulation.run(trace)
    before = path.stat().st_size
    picture.close()
    assert path.stat().st_size - before < 600_000 < before


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    contents = []
    for _ in range(2):
        draw(tmp_path, worlds.spec("mixed_pool", count=4), crowd())
        contents.append((tmp_path / "trace.perfetto.json").read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.slow
@pytest.mark.parametrize("scheduler", ["token_jsq", "mixed_pool"])
def test_ten_thousand_requests_stay_under_50_megabytes(scheduler: str, tmp_path: Path) -> None:
    """On four machines where fifty are needed: everybody queues, and decodes are preempted all the time."""
    start = ["start_state=baseline"] if scheduler == "token_jsq" else [
        "start_state=splitwise", "start_state.split_type=heterogeneous"
    ]  # fmt: skip
    resolved = resolve(compose(["cluster=half_half", "cluster.servers.0.count=2", "cluster.servers.1.count=2", *start,
                                f"applications.0.scheduler={scheduler}", "performance_model=db"]))  # fmt: skip
    trace = load(TraceRef("rr_conv_70_145s", "traces/samples", 0), CONFIG_DIR.parent)
    assert len(trace) > 10_000
    options = options_from_config(resolved)
    spec = spec_from_config(resolved, CONFIG_DIR.parent)
    simulation = Simulation(spec)
    path = tmp_path / "trace.perfetto.json"
    picture = PerfettoTrace(path, simulation, trace, options, power_from_config(resolved))
    result = simulation.run(trace)
    picture.close()
    events = read(path)
    assert path.stat().st_size < 50_000_000
    assert events.other["cut_at_s"] is None
    assert events.other["requests"]["written"] == 10_000
    assert sum(result.requests["preemptions"]) > 0


# -- power and configuration -----------------------------------------------------------------------------------


def test_power_is_that_of_all_processors_and_absent_where_unknown(tmp_path: Path) -> None:
    resolved = resolve(compose(["cluster=hhcap_half_half", "start_state=baseline", "performance_model=db",
                                "cluster.servers.0.count=1", "cluster.servers.1.count=1",
                                "applications.0.scheduler=round_robin"]))  # fmt: skip
    power = power_from_config(resolved)
    assert power["h100-80gb"] == GpuPower(75.0, 700.0, 380.0)
    spec = spec_from_config(resolved, CONFIG_DIR.parent)
    events, result = draw(tmp_path, spec, worlds.trace([(0.0, 1000, 3), (0.0, 1000, 3)]), power)
    known = [str(name) for name in result.instances["name"] if "pcap" not in str(name)]
    unknown = [str(name) for name in result.instances["name"] if "pcap" in str(name)]
    assert known and unknown
    assert {track for group, track in events.counters if group == WATTS} == set(known)
    assert {track for group, track in events.counters if group == MEMORY} == {*known, *unknown}
    watts = [value for _, value in events.counters[WATTS, known[0]]]
    assert watts == [8 * 75, 8 * 700, 8 * 380, 8 * 75]


def test_a_processor_with_a_figure_missing_is_unknown() -> None:
    resolved = {"power_model": {"policy": "constant", "idle_power": {"a": 1, "b": 1}, "prompt_power": {"a": 2, "b": 2},
                                "token_power": {"a": 3}}}  # fmt: skip
    assert power_from_config(resolved) == {"a": GpuPower(1.0, 2.0, 3.0)}


def test_the_options_of_the_configuration_are_the_defaults_of_the_code() -> None:
    assert options_from_config(resolve(compose([]))) == PerfettoOptions()
    chosen = options_from_config(resolve(compose(["perfetto.start_s=3", "perfetto.end_s=4.5"])))
    assert (chosen.start_s, chosen.end_s) == (3.0, 4.5)
    assert chosen.described()["perfetto.end_s"] == 4.5 and PerfettoOptions().end_s == math.inf


BAD = {
    "perfetto.max_requests=-1": "at least 0",
    "perfetto.max_requests=0.5": "whole number",
    "perfetto.start_s=-2": "at least 0",
    "perfetto.start_s=1e90000": "finite",
    "perfetto.end_s=0": "more than 0",
    "perfetto.max_megabytes=0": "more than 0",
    "+perfetto.max_request=3": "did you mean 'max_requests'",
    "power_model.idle_power.a100-80gb=low": "finite number",
    "power_model.token_power.a100-80gb=-1": "at least 0",
}


@pytest.mark.parametrize("override", BAD)
def test_a_mistake_is_refused_with_its_key(override: str) -> None:
    resolved = resolve(compose([override]))
    with pytest.raises(SpecError) as error:
        options_from_config(resolved)
        power_from_config(resolved)
    assert BAD[override] in str(error.value) and override.lstrip("+").split("=")[0] in str(error.value)


def test_the_command_writes_the_trace_with_debug_alone(tmp_path: Path) -> None:
    assert run(tmp_path / "debug", *BASELINE, "perfetto.max_requests=2").returncode == 0
    events = read(tmp_path / "debug" / "trace.perfetto.json")
    assert events.other["requests"] == {"written": 2, "left_out": 1}
    assert (tmp_path / "debug" / "instances" / "0" / "0.csv").exists()
    assert run(tmp_path / "plain", *BASELINE, "debug=False").returncode == 0
    assert not (tmp_path / "plain" / "trace.perfetto.json").exists()
    bad = run(tmp_path / "bad", *BASELINE, "perfetto.end_s=-1")
    assert bad.returncode == 2 and len(bad.stderr.splitlines()) == 1 and "perfetto.end_s" in bad.stderr
