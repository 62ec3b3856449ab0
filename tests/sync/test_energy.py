"""The energy of runs: joules by phase, and power over time."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.gpu_power import GpuPower, PowerTable, power_from_config
from sim_core import SimSpec
from sim_core.batching import BATCHING
from sim_core.errors import SpecError
from sim_core.replica import IterationObserver, Replica
from sim_core.simulation import Simulation
from sweep.experiment.point import project_root
from sweep.launch.worker import run_point
from sync.__main__ import main
from sync.analysis.energy import energy_of_run
from sync.load import load_sweep
from sync.results.energy import Energy, Instance, energy_of
from sync.results.journal import Journal
from sync.results.measure import MeasuredRun, measure
from sync.results.outcome import Outcome
from tests.sim_core import worlds
from tests.sweep.points import points_of

ROOT = project_root()
POWER = GpuPower(1.0, 16.0, 4.0)


def columns(*rows: tuple[int, float, float, int, float, float]) -> dict[str, np.ndarray]:
    """Requests of application 0: instance, start and end of the prompt, and of the decode."""
    names = ("prompt_instance", "prompt_start_s", "prompt_end_s", "token_instance", "token_start_s", "token_end_s")
    table = {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    return {"application_id": np.zeros(len(rows), np.int64), **table}


# -- by hand ----------------------------------------------------------------------------------------------------------

NAN = float("nan")
# Instance 0 has prompts from 1 to 4 s, and a decode until 8 s; instance 1 a prompt and a decode from 2 to 4 s.
BY_HAND = columns((0, 11.0, 13.0, 0, 13.0, 18.0), (0, 12.0, 14.0, 0, NAN, NAN), (1, 12.0, 13.0, 1, 13.0, 14.0))


def by_hand(others_w: float = 0.0, busy_s: tuple[float, float] = (7.0, 2.0)) -> Energy:
    instances = [Instance(0, number, POWER, busy) for number, busy in enumerate(busy_s)]
    return energy_of(BY_HAND, instances, others_w, 10.0, 20.0)


def test_an_instance_draws_by_whether_prompts_are_under_way_decodes_alone_or_nothing() -> None:
    energy = by_hand()
    assert energy.prompt_j == (3 + 1) * 16.0
    assert energy.token_j == (4 + 1) * 4.0
    assert energy.idle_j == (3 + 8) * 1.0
    assert energy.by_instance_j.tolist() == [3 * 16 + 4 * 4 + 3, 16 + 4 + 8]
    assert energy.mean_w == (64 + 20 + 11) / 10


def test_power_over_time_is_that_of_all_instances() -> None:
    energy = by_hand(others_w=0.5)
    assert energy.times_s.tolist() == [0, 1, 2, 3, 4, 8, 10]
    assert energy.watts.tolist() == [2.5, 17.5, 32.5, 20.5, 5.5, 2.5]
    assert energy.peak_w == 32.5
    assert energy.over_time(4.0).tolist() == [(2.5 + 17.5 + 32.5 + 20.5) / 4, 5.5, 2.5]
    assert energy.over_time(100.0).tolist() == pytest.approx([energy.mean_w])


def test_the_99th_percentile_is_of_time_not_of_changes() -> None:
    rows = [(0, float(start), start + 0.001, 0, NAN, NAN) for start in range(10)]  # 0.1% of the time
    energy = energy_of(columns(*rows), [Instance(0, 0, POWER)], 0.0, 0.0, 10.0)
    assert (energy.p99_w, energy.peak_w) == (1.0, 16.0)


def test_work_for_requests_that_were_not_completed_counts_as_decodes() -> None:
    energy = by_hand(busy_s=(9.0, 2.0))
    assert energy.unexplained_s == 2.0
    assert energy.token_j == (4 + 1 + 2) * 4.0
    assert energy.idle_j == (1 + 8) * 1.0


def test_what_was_before_the_first_arrival_or_after_the_end_does_not_count() -> None:
    energy = energy_of(BY_HAND, [Instance(0, number, POWER) for number in (0, 1)], 0.0, 13.5, 15.0)
    assert (energy.prompt_j, energy.token_j, energy.idle_j) == (0.5 * 16, (1.0 + 0.5) * 4, 1.0)


intervals = st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(0, 20), st.integers(0, 2), st.integers(0, 30))


@settings(deadline=None, max_examples=200)
@given(st.lists(intervals, min_size=1, max_size=12), st.integers(1, 9))
def test_the_energy_is_the_integral_of_the_power_and_that_of_each_second_by_itself(
    drawn: list[tuple[int, int, int, int, int]], step_s: int
) -> None:
    rows = [(a, float(s), float(s + p), b, float(s + p), float(s + p + t)) for a, s, p, b, t in drawn]
    instances = [Instance(0, number, GpuPower(number + 1.0, 16.0 + number, 4.0)) for number in range(3)]
    energy = energy_of(columns(*rows), instances, 2.0, 0.0, 110.0)
    seconds = np.arange(110) + 0.5
    expected = np.full(110, 2.0)
    for number, instance in enumerate(instances):
        prompt, token = (
            np.any([(row[at] == number) & (row[at + 1] < seconds) & (seconds < row[at + 2]) for row in rows], axis=0)
            for at in (0, 3)
        )
        power = instance.power
        expected += np.where(prompt, power.prompt_w, np.where(token, power.token_w, power.idle_w))
    assert energy.total_j == pytest.approx(expected.sum())
    assert energy.peak_w == pytest.approx(expected.max())
    assert energy.over_time(1.0) == pytest.approx(expected)
    assert energy.over_time(step_s)[0] == pytest.approx(expected[:step_s].mean())


# -- against the simulator --------------------------------------------------------------------------------------------


class Watch(IterationObserver):
    """Sums the time of steps with prompts and of those without."""

    def __init__(self) -> None:
        self.prompt_s = self.token_s = 0.0

    def iterations_ended(self, replica: Replica) -> None:
        if replica.step.prompt_tokens:
            self.prompt_s += replica.length_s
        else:
            self.token_s += replica.length_s


def run(spec: SimSpec, watch: Watch | None = None) -> MeasuredRun:
    rows = [(row / 8, 20 + 7 * row % 40, 1 + 5 * row % 23) for row in range(60)]
    simulation = Simulation(spec)
    for replicas in simulation.replicas.values() if watch else ():
        for replica in replicas:
            replica.observe(watch)
    return measure(simulation.run(worlds.trace(rows)), spec)


@pytest.mark.parametrize("batching", BATCHING)
def test_what_requests_recorded_gives_the_time_of_steps_with_and_without_prompts(batching: str) -> None:
    spec = worlds.spec(count=2, kv_tokens=600, batch=worlds.instance(batching))
    watch = Watch()
    result = run(spec, watch)
    names = ("application_id", "index", "busy_s")
    instances = [
        Instance(application, number, GpuPower(0.0, 1.0, 1.0), busy_s)
        for application, number, busy_s in zip(*map(run(spec).instances.__getitem__, names), strict=True)
    ]
    energy = energy_of(result.requests, instances, 0.0, result.first_arrival_s, result.end_s)
    assert result.completed == 60
    assert energy.unexplained_s == pytest.approx(0.0, abs=1e-6)
    assert energy.prompt_j + energy.token_j == pytest.approx(watch.prompt_s + watch.token_s)
    assert energy.prompt_j == pytest.approx(watch.prompt_s)


# -- figures ----------------------------------------------------------------------------------------------------------

CONFIG = {
    "power_model": {
        "policy": "constant",
        "idle_power": {"a100-80gb": 60.0, "h100-80gb": 70.0},
        "prompt_power": {"a100-80gb": 390.0, "h100-80gb": 690.0},
        "token_power": {"a100-80gb": 240.0, "h100-80gb": 370.0},
    }
}


def test_measured_figures_come_before_those_of_the_power_model_and_these_before_estimates() -> None:
    table, given = PowerTable(ROOT), power_from_config(CONFIG)
    assert table.of(given, "a100-80gb", "llama2-70b", 8) == (GpuPower(60.0, 385.0, 174.0), "measured")
    assert table.of(given, "a100-80gb", "llama2-70b", 1) == (GpuPower(60.0, 390.0, 240.0), "given")
    assert table.of(given, "h100-80gb", "llama2-70b", 8) == (GpuPower(70.0, 690.0, 370.0), "given")
    assert table.of(given, "h100-80gb-pcap", "llama2-70b", 8) == (GpuPower(75.0, 350.0, 350.0), "estimated")


def test_figures_of_a_users_own_come_first(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "policy: constant\nidle_power: {a100-80gb: 1}\nprompt_power: {a100-80gb: 3}\ntoken_power: {a100-80gb: 2}\n"
    )
    table = PowerTable(ROOT, path)
    assert table.of(power_from_config(CONFIG), "a100-80gb", "llama2-70b", 8) == (GpuPower(1, 3, 2), "given")


def test_a_gpu_of_whose_power_nothing_is_known_is_one_line_that_says_how_to_give_it() -> None:
    with pytest.raises(SpecError, match=r"power_model='h100-80g': nothing is known .*'h100-80gb'.*--power FILE"):
        PowerTable(ROOT).of(power_from_config(CONFIG), "h100-80g")


# -- the command ------------------------------------------------------------------------------------------------------

EXPERIMENT = """\
name: x
overrides: {performance_model: db, trace.filename: rr_conv_4_20s}
systems:
  a100: {design: {baseline: dgx-a100}, axes: {machines: 2}}
  capped:
    design: {prompt: dgx-h100, token: dgx-h100-pcap}
    axes: {prompt_machines: 1, token_machines: 1}
    overrides: {applications.0.scheduler: kv_jsq}
"""


@pytest.fixture(scope="module")
def outcomes() -> dict[str, Outcome]:
    return {point.system: run_point(point, ROOT) for point in points_of(EXPERIMENT)}


@pytest.fixture
def command(tmp_path: Path, outcomes: dict[str, Outcome]) -> Callable[..., int]:
    with Journal(tmp_path / "x") as journal:
        for outcome in outcomes.values():
            journal.write(outcome)
    return lambda *arguments: main(["--results", str(tmp_path), "energy", "x", *arguments])


def test_the_command_gives_joules_by_phase_a_request_and_a_token(
    command: Callable[..., int], outcomes: dict[str, Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("--format", "json") == 0
    runs: dict[str, Any] = {run["key"]: run for run in json.loads(capsys.readouterr().out)}
    for outcome in outcomes.values():
        energy = runs[outcome.key]
        assert energy["total_j"] == pytest.approx(energy["idle_j"] + energy["prompt_j"] + energy["token_j"])
        assert energy["mean_w"] * outcome.summary["run/end_s"] == pytest.approx(energy["total_j"])
        assert energy["mean_w"] < energy["p99_w"] <= energy["peak_w"] < energy["nameplate_w"]
        assert energy["joules_per_request"] * outcome.summary["run/completed"] == pytest.approx(energy["total_j"])
        assert sum(energy["joules_by_origin"].values()) == pytest.approx(energy["total_j"])
    kinds = {system: set(runs[outcome.key]["joules_by_origin"]) for system, outcome in outcomes.items()}
    assert kinds == {"a100": {"measured"}, "capped": {"given", "estimated"}}


def test_the_command_says_where_its_figures_come_from(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command() == 0
    text = capsys.readouterr().out
    for origin in ("measured: ", "given: ", "estimated: "):
        assert origin in text
    assert "Of GPUs alone" in text


def test_the_power_of_a_run_over_time_is_csv(
    command: Callable[..., int], outcomes: dict[str, Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(outcomes["a100"].key, "--over-time", "5") == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head == "start_s,watts"
    assert [float(row.partition(",")[0]) for row in rows[:3]] == [0, 5, 10]
    assert min(float(row.partition(",")[2]) for row in rows) >= 2 * 8 * 63


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--over-time", "5"), "--over-time=5.0: of one run; name it (2 are chosen)"),
        (("--over-time", "0"), "--over-time=0.0: must be a number of seconds above 0"),
        (("--power", "no.yaml"), "no.yaml: cannot be read: No such file"),
    ],
)
def test_a_mistake_is_one_line(
    command: Callable[..., int], capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert command(*arguments) == 2
    assert said in capsys.readouterr().err


def test_gpus_of_no_instance_draw_their_idle_power(tmp_path: Path, outcomes: dict[str, Outcome]) -> None:
    more = replace(outcomes["a100"], machines={"dgx-a100": 3})
    with Journal(tmp_path / "x") as journal:
        journal.write(more)
    sweep = load_sweep("x", tmp_path)
    both = [energy_of_run(sweep, outcome, PowerTable(ROOT)) for outcome in (outcomes["a100"], more)]
    used, with_one_more = (found.energy for found in both if not isinstance(found, str))
    assert with_one_more.idle_j - used.idle_j == pytest.approx(8 * 63 * used.span_s)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"config_yaml": ""}, "its results do not have its configuration"),
        ({"config_yaml": "a: 1"}, "is none of ours"),
        ({"summary": {}}, "it completed no request"),
    ],
)
def test_a_run_of_which_it_cannot_be_said_is_named_with_the_reason(
    tmp_path: Path, outcomes: dict[str, Outcome], changes: dict[str, Any], said: str
) -> None:
    with Journal(tmp_path / "x") as journal:
        journal.write(outcomes["a100"])
    changed = replace(outcomes["a100"], **changes)
    found = energy_of_run(load_sweep("x", tmp_path), changed, PowerTable(ROOT))
    assert isinstance(found, str)
    assert said in found
