"""The energy of runs: joules by phase, and power over time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from configs.catalogue import Machine, machines
from configs.compose import Composer
from configs.figure import figure
from configs.gpu_power import GpuPower, GpuUse, PowerFigures, PowerTable, own_power
from sim_core import SimSpec
from sim_core.batching import BATCHING
from sim_core.errors import SpecError
from sim_core.replica import IterationObserver, Replica
from sim_core.simulation import Simulation
from sim_core.spec import ProcessorSpec
from sweep.experiment.point import project_root
from sweep.launch.worker import run_point
from sweep.service import renamed
from sync.__main__ import main
from sync.analysis.energy import energy_of_run
from sync.load import load_sweep
from sync.results.energy import ENERGY_FIGURES, energy_figures, gpu_rows, use_of, with_own, with_power
from sync.results.figures import provisioned
from sync.results.journal import Journal
from sync.results.measure import MeasuredRun, measure
from sync.results.outcome import Outcome
from sync.results.power_curve import Instance, PowerCurve, power_curve
from tests.sim_core import worlds
from tests.sweep.points import points_of
from tests.sync.energy_rows import ROWS

ROOT = project_root()
POWER = GpuPower(1.0, 16.0, 4.0)


def columns(*rows: tuple[int, float, float, int, float, float]) -> dict[str, np.ndarray]:
    """Requests of application 0: instance, start and end of the prompt, and of the decode."""
    names = ("prompt_instance", "prompt_start_s", "prompt_end_s", "token_instance", "token_start_s", "token_end_s")
    table = {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    return {"application_id": np.zeros(len(rows), np.int64), **table}


WATTS = ("idle_w", "prompt_w", "token_w")

# -- by hand ----------------------------------------------------------------------------------------------------------

NAN = float("nan")
# Instance 0 has prompts from 1 to 4 s, and a decode until 8 s; instance 1 a prompt and a decode from 2 to 4 s.
BY_HAND = columns((0, 11.0, 13.0, 0, 13.0, 18.0), (0, 12.0, 14.0, 0, NAN, NAN), (1, 12.0, 13.0, 1, 13.0, 14.0))


def by_hand(others_w: float = 0.0) -> PowerCurve:
    return power_curve(BY_HAND, [Instance(0, number, POWER) for number in (0, 1)], others_w, 10.0, 20.0)


def test_power_over_time_is_that_of_all_instances() -> None:
    curve = by_hand(others_w=0.5)
    assert curve.times_s.tolist() == [0, 1, 2, 3, 4, 8, 10]
    assert curve.watts.tolist() == [2.5, 17.5, 32.5, 20.5, 5.5, 2.5]
    assert curve.peak_w == 32.5
    assert curve.explained_s == 7 + 2
    assert curve.over_time(4.0).tolist() == [(2.5 + 17.5 + 32.5 + 20.5) / 4, 5.5, 2.5]
    assert curve.over_time(100.0).tolist() == pytest.approx([(2.5 + 17.5 + 32.5 + 20.5 + 4 * 5.5 + 2 * 2.5) / 10])


def test_the_99th_percentile_is_of_time_not_of_changes() -> None:
    rows = [(0, float(start), start + 0.001, 0, NAN, NAN) for start in range(10)]  # 0.1% of the time
    curve = power_curve(columns(*rows), [Instance(0, 0, POWER)], 0.0, 0.0, 10.0)
    assert (curve.p99_w, curve.peak_w) == (1.0, 16.0)


def test_what_was_before_the_first_arrival_or_after_the_end_does_not_count() -> None:
    curve = power_curve(BY_HAND, [Instance(0, number, POWER) for number in (0, 1)], 0.0, 13.5, 15.0)
    assert curve.times_s.tolist() == [0, 0.5, 1.5]
    assert curve.watts.tolist() == [16.0 + 4.0, 4.0 + 1.0]


intervals = st.tuples(st.integers(0, 2), st.integers(0, 60), st.integers(0, 20), st.integers(0, 2), st.integers(0, 30))


@settings(deadline=None, max_examples=200)
@given(st.lists(intervals, min_size=1, max_size=12), st.integers(1, 9))
def test_the_power_of_each_second_is_that_of_the_second_by_itself(
    drawn: list[tuple[int, int, int, int, int]], step_s: int
) -> None:
    rows = [(a, float(s), float(s + p), b, float(s + p), float(s + p + t)) for a, s, p, b, t in drawn]
    instances = [Instance(0, number, GpuPower(number + 1.0, 16.0 + number, 4.0)) for number in range(3)]
    curve = power_curve(columns(*rows), instances, 2.0, 0.0, 110.0)
    seconds = np.arange(110) + 0.5
    expected = np.full(110, 2.0)
    for number, instance in enumerate(instances):
        prompt, token = (
            np.any([(row[at] == number) & (row[at + 1] < seconds) & (seconds < row[at + 2]) for row in rows], axis=0)
            for at in (0, 3)
        )
        power = instance.power
        expected += np.where(prompt, power.prompt_w, np.where(token, power.token_w, power.idle_w))
    assert curve.peak_w == pytest.approx(expected.max())
    assert curve.over_time(1.0) == pytest.approx(expected)
    assert curve.over_time(step_s)[0] == pytest.approx(expected[:step_s].mean())


# -- against the simulator --------------------------------------------------------------------------------------------


class Watch(IterationObserver):
    """Keeps when steps ran, and whether with prompts."""

    def __init__(self) -> None:
        self.steps: list[tuple[float, float, bool]] = []

    def iterations_ended(self, replica: Replica) -> None:
        self.steps.append((replica.end_s - replica.length_s, replica.end_s, replica.step.prompt_tokens > 0))

    def seconds(self, until_s: float, *kinds: bool) -> float:
        return sum(
            max(min(end, until_s) - start, 0.0) for start, end, has_prompts in self.steps if has_prompts in kinds
        )


def run(spec: SimSpec, watch: Watch | None = None) -> MeasuredRun:
    rows = [(row / 8, 20 + 7 * row % 40, 1 + 5 * row % 23) for row in range(60)]
    simulation = Simulation(spec)
    for replicas in simulation.replicas.values() if watch else ():
        for replica in replicas:
            replica.observe(watch)
    return measure(simulation.run(worlds.trace(rows)), spec)


def busy(result: MeasuredRun, name: str) -> float:
    return sum(float(str(seconds)) for seconds in result.instances[name])


@pytest.mark.parametrize("batching", BATCHING)
def test_an_instance_counts_the_time_of_its_steps_with_prompts_also_where_the_run_is_cut(batching: str) -> None:
    spec = worlds.spec(count=2, kv_tokens=600, batch=worlds.instance(batching))
    watch = Watch()
    result = run(spec, watch)
    assert (result.completed, len(watch.steps) > 10) == (60, True)
    assert busy(run(spec), "prompt_busy_s") == pytest.approx(watch.seconds(result.end_s, True))
    assert busy(run(spec), "busy_s") == pytest.approx(watch.seconds(result.end_s, True, False))
    for share in (0.1, 0.37, 0.5, 0.83):
        cut = run(replace(spec, end_time_s=share * result.span_s))
        assert cut.cut_at_s is not None
        assert busy(cut, "prompt_busy_s") == pytest.approx(watch.seconds(cut.end_s, True))


@pytest.mark.parametrize("batching", BATCHING)
def test_what_requests_recorded_gives_the_time_of_steps_with_and_without_prompts(batching: str) -> None:
    spec = worlds.spec(count=2, kv_tokens=600, batch=worlds.instance(batching))
    result = run(spec)
    names = ("application_id", "index")
    pairs = list(zip(*map(result.instances.__getitem__, names), strict=True))
    span = result.first_arrival_s, result.end_s
    with_prompts, both = (
        power_curve(result.requests, [Instance(*pair, GpuPower(0.0, 1.0, token_w)) for pair in pairs], 0.0, *span)
        for token_w in (0.0, 1.0)
    )
    assert with_prompts.over_time(result.span_s)[0] * result.span_s == pytest.approx(busy(result, "prompt_busy_s"))
    assert both.over_time(result.span_s)[0] * result.span_s == pytest.approx(busy(result, "busy_s"))
    assert both.explained_s == pytest.approx(busy(result, "busy_s"))


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
    model, gpus = (
        replace(worlds.TINY_MODEL, measured_as="llama2-70b"),
        ("a100-80gb", "h100-80gb", "h100-80gb-pcap", "x"),
    )
    spec = worlds.spec(count=1, batch=replace(worlds.instance("ORCA"), tensor_parallelism=8))
    servers = tuple(replace(spec.servers[0], processors=(ProcessorSpec(gpu, 1),) * 8) for gpu in gpus)
    spec = replace(spec, servers=servers, applications=(replace(spec.applications[0], model=model),))
    assert PowerTable(ROOT).of_spec(spec, CONFIG) == {
        GpuUse("a100-80gb"): (GpuPower(60.0, 390.0, 240.0), "given"),
        GpuUse("h100-80gb"): (GpuPower(70.0, 690.0, 370.0), "given"),
        GpuUse("h100-80gb-pcap"): (GpuPower(75.0, 350.0, 350.0), "estimated"),
        GpuUse("a100-80gb", 0, 8): (GpuPower(60.0, 385.0, 174.0), "measured"),
        GpuUse("h100-80gb", 0, 8): (GpuPower(70.0, 690.0, 370.0), "given"),
        GpuUse("h100-80gb-pcap", 0, 8): (GpuPower(75.0, 350.0, 350.0), "estimated"),
    }
    assert PowerTable(ROOT).of_spec(spec, {}).keys() == {GpuUse("h100-80gb-pcap"), GpuUse("h100-80gb-pcap", 0, 8)}


@pytest.mark.parametrize("machine", machines(), ids=lambda machine: machine.name)
def test_of_every_gpu_that_the_project_has_the_power_is_known(machine: Machine) -> None:
    given = Composer().resolved([])
    spec = worlds.spec(count=1)
    servers = (replace(spec.servers[0], processors=(ProcessorSpec(machine.gpu, 1),)),)
    figures = PowerTable(ROOT).of_spec(replace(spec, servers=servers), given)[GpuUse(machine.gpu)].power
    assert 0 < figures.idle_w < figures.token_w <= figures.prompt_w <= machine.watts / machine.gpus


def test_energy_is_the_seconds_of_the_gpus_times_their_power() -> None:
    summary = {"run/end_s": 10.0, "run/completed": 4.0, "throughput/output_tokens_per_s": 2.0}
    assert energy_figures(ROWS, summary) == {
        "energy/joules": 50.0 + 20.0 + 18.0,
        "energy/idle_share": 50 / 88,
        "energy/prompt_share": 20 / 88,
        "energy/decode_share": 18 / 88,
        "energy/estimated_share": 40 / 88,
        "energy/mean_watts": 8.8,
        "energy/joules_per_request": 22.0,
        "energy/joules_per_output_token": 4.4,
    }
    assert energy_figures(ROWS, summary).keys() == set(ENERGY_FIGURES)


def test_there_are_no_figures_of_energy_where_the_power_of_some_gpu_is_not_known() -> None:
    unknown = with_power(ROWS, {GpuUse("a", 0, 2): PowerFigures(GpuPower(1.0, 5.0, 3.0), "measured")})
    assert ["origin" in row for row in unknown] == [True, False]
    assert energy_figures(unknown, {"run/end_s": 10.0, "run/completed": 4.0}) == {}


def test_figures_of_a_users_own_come_first(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("policy: constant\nidle_power: {a: 1}\nprompt_power: {a: 3}\ntoken_power: {a: 2}\n")
    mine = with_own(ROWS, own_power(path))
    assert [(row["prompt_w"], row["origin"]) for row in mine] == [(3, "given"), (5.0, "estimated")]


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


def test_gpus_of_no_instance_draw_their_idle_power() -> None:
    used = worlds.spec(count=2, kv_tokens=600, batch=worlds.instance("ORCA"))
    (state,), (group,) = used.start_states, used.servers
    with_one_more = replace(
        used,
        servers=(replace(group, count=3),),
        start_states=(replace(state, machines=((group.sku, 2),)),),
    )
    gpu, power = group.processors[0].name, PowerFigures(POWER, "given")
    powers = dict.fromkeys((GpuUse(gpu), GpuUse(gpu, 0, 1)), power)
    two, three = (gpu_rows(run(spec), spec, powers) for spec in (used, with_one_more))
    span_s = run(used).span_s
    assert [use_of(row) for row in three] == [GpuUse(gpu, 0, 1), GpuUse(gpu)]
    assert three[:1] == two
    spent_s = sum(row["idle_s"] + row["prompt_s"] + row["token_s"] for row in three)
    assert spent_s == pytest.approx(3 * len(group.processors) * span_s)
    more = [energy_figures(rows, {"run/end_s": span_s})["energy/joules"] for rows in (two, three)]
    assert more[1] - more[0] == pytest.approx(POWER.idle_w * len(group.processors) * span_s)


def test_the_power_of_a_point_is_that_of_the_experiment_as_it_is_now() -> None:
    point = next(iter(points_of(EXPERIMENT)))
    outcome = run_point(point, ROOT)
    changed = replace(point, gpu_power={use: PowerFigures(POWER, "given") for use in point.gpu_power})
    (row,) = renamed(outcome, changed).gpus
    assert (row["idle_w"], row["prompt_w"], row["token_w"], row["origin"]) == (*astuple(POWER), "given")
    assert row["prompt_s"] == outcome.gpus[0]["prompt_s"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gpus": []}, "it was made by an older version"),
        ({"gpus": with_power(ROWS, {})}, "nothing is known of the power of a and b; --power FILE gives it"),
        ({"gpus": [{**row, **dict.fromkeys(WATTS, 0.0)} for row in ROWS]}, "its GPUs drew nothing"),
        ({"summary": {}}, "it completed no request"),
    ],
)
def test_a_run_of_which_it_cannot_be_said_is_named_with_the_reason(
    tmp_path: Path, outcomes: dict[str, Outcome], changes: dict[str, Any], said: str
) -> None:
    with Journal(tmp_path / "x") as journal:
        journal.write(outcomes["a100"])
    changed = replace(outcomes["a100"], **changes)
    found = energy_of_run(load_sweep("x", tmp_path), changed, {})
    assert isinstance(found, str)
    assert said in found


def test_without_energy_there_is_no_power_over_time(
    tmp_path: Path, outcomes: dict[str, Outcome], capsys: pytest.CaptureFixture[str]
) -> None:
    with Journal(tmp_path / "x") as journal:
        journal.write(replace(outcomes["a100"], gpus=[]))
    assert main(["--results", str(tmp_path), "energy", "x", outcomes["a100"].key, "--over-time", "5"]) == 2
    assert "--over-time=5.0: " in (said := capsys.readouterr()).err
    assert "it was made by an older version" in said.err


def test_a_misspelt_key_of_the_power_model_is_refused_before_anything_runs() -> None:
    with pytest.raises(SpecError, match=r"power_model.idle_powr: unknown key"):
        points_of(
            EXPERIMENT.replace("performance_model: db,", "performance_model: db, +power_model.idle_powr: {a: 1},")
        )


def test_a_single_run_tells_its_energy(tmp_path: Path, outcomes: dict[str, Outcome]) -> None:
    settings = [*outcomes["a100"].overrides, f"output_dir={tmp_path}"]
    done = subprocess.run([sys.executable, "-m", "sim_core", *settings], cwd=ROOT, capture_output=True, text=True)
    figures = provisioned(outcomes["a100"])
    assert done.returncode == 0, done.stderr
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("energy "))
    assert f"GPUs drew {figure(figures['energy/mean_watts'] / 1000)} kW on average" in line
    assert f"{figure(figures['energy/joules_per_request'])} J a request" in line
