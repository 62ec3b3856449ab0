"""How much of a run goes into trace.perfetto.json, its power counters, and the settings of both."""

from __future__ import annotations

import math
from array import array
from dataclasses import replace
from pathlib import Path

import pytest

from configs.compose import CONFIG_DIR, compose, resolve
from configs.gpu_power import GpuPower, power_from_config
from sim_core import SpecError, spec_from_config
from sim_core.simulation import Simulation
from sync.files.perfetto.options import PerfettoOptions, options_from_config
from sync.files.perfetto.tracks import PerfettoTrace
from tests.runs import measured
from tests.sim_core import worlds
from tests.sim_core.drawn import INSTANCES, MEMORY, POWER, WATTS, crowd, draw, numbers, us, value_at
from tests.sim_core.test_single_run import BASELINE, run
from tests.sim_core.trace_events import read
from traces.workload import TraceRef, load

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


@pytest.mark.parametrize("shift_s", [10_000.0, 1.7e9])
def test_a_window_counts_from_the_first_arrival_wherever_time_starts(shift_s: float, tmp_path: Path) -> None:
    spec, trace = worlds.spec(), crowd()
    events, _ = draw(tmp_path, spec, trace, start_s=2.0, end_s=5.0)
    later = replace(trace, arrival_s=array("d", [time_s + shift_s for time_s in trace.arrival_s]))
    shifted, result = draw(tmp_path, spec, later, start_s=2.0, end_s=5.0)
    shift_us = us(shift_s - result.origin_s)
    assert shift_us in (0, 10_000_000_000)
    assert shifted.other == events.other
    for key, track in events.slices.items():
        assert shifted.slices[key] == [{**event, "ts": event["ts"] + shift_us} for event in track]
    for key, samples in events.counters.items():
        assert shifted.counters[key] == [(time_us + shift_us, value) for time_us, value in samples]


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
    assert numbers(result) == numbers(measured(spec, trace))


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
