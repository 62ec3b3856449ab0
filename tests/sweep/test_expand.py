from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest

from configs.compose import Composer
from sim_core import spec_from_config
from sim_core.errors import SimError
from sim_core.performance.measurements import read_curves
from sim_core.spec import NetworkSpec
from sweep.experiment.expand import Grid, expand
from sweep.experiment.file import parse_experiment, read_experiment
from sweep.experiment.point import project_root
from tests.sweep.points import error_of, points_of
from traces.reader import TraceNote

ROOT = project_root()
QUICKSTART = ROOT / "experiments" / "quickstart.yaml"

# The paper's iso-cost grid: every system has an axis of its own, all share rates and workloads.
ISOCOST = """\
name: isocost
overrides:
  cluster: half_half
  performance_model: db
  start_state: splitwise
  applications.0.scheduler: mixed_pool
  trace.filename: rr_${workload}_${rate}
axes: {workload: "code, conv", rate: "range(50, 181, 10)"}
systems:
  splitwise-hh:
    axes: {token: "range(5, 40, 5)"}
    overrides:
      cluster.servers.0.count: 0
      cluster.servers.1.count: 40
      start_state.prompt.num_instances: ${eval:'(40 - ${token})'}
      start_state.token.num_instances: ${token}
  splitwise-ha:
    axes: {h: "range(5, 40, 5)"}
    overrides:
      cluster.servers.0.count: ${eval:'int(4.76 * (40 - ${h}) // 2.21)'}
      cluster.servers.1.count: ${h}
      start_state.split_type: heterogeneous
"""


def test_systems_with_axes_of_their_own_share_the_rest_of_the_grid() -> None:
    points = points_of(ISOCOST)
    assert [p.system for p in points] == ["splitwise-hh"] * 196 + ["splitwise-ha"] * 196
    assert [p.index for p in points] == list(range(392))
    assert len({p.key for p in points}) == len({p.name for p in points}) == 392
    ha = {p.machines["dgx-h100"]: p.machines["dgx-a100"] for p in points[196:]}
    assert ha == {h: int(4.76 * (40 - h) // 2.21) for h in range(5, 40, 5)}


def test_the_last_axis_varies_fastest_and_the_systems_own_come_last() -> None:
    axes = [p.axes for p in points_of(ISOCOST, "rate=50,60", "workload=conv", "h=5,10", "token=5")]
    assert axes[1:] == [
        {"workload": "conv", "rate": 60, "token": 5},
        {"workload": "conv", "rate": 50, "h": 5},
        {"workload": "conv", "rate": 50, "h": 10},
        {"workload": "conv", "rate": 60, "h": 5},
        {"workload": "conv", "rate": 60, "h": 10},
    ]


def test_a_point_is_named_for_people_and_priced() -> None:
    (point,) = [p for p in points_of(ISOCOST, "rate=70", "workload=conv", "h=25") if p.system == "splitwise-ha"]
    assert point.name == "splitwise-ha 25P+32T conv 70 rps"
    assert point.machines == {"dgx-a100": 32, "dgx-h100": 25}
    assert point.cost == pytest.approx(32 * 17.68 + 25 * 38.08)
    assert point.power == pytest.approx(32 * 24.8 + 25 * 44)
    assert point.rate == 70


def test_the_same_experiment_has_the_same_keys_in_another_process(tiny: str) -> None:
    script = "import sys; from pathlib import Path; from sweep.experiment.expand import expand;"
    script += "from sweep.experiment.file import parse_experiment;"
    script += "print(*[p.key for p in expand(parse_experiment(sys.stdin.read(), ''), [], Path.cwd())])"
    printed = subprocess.run(
        [sys.executable, "-c", script],
        input=tiny,
        cwd=ROOT,
        env={"PYTHONHASHSEED": "7", "PATH": ""},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert printed.split() == [p.key for p in points_of(tiny)]


def test_names_and_descriptions_are_no_part_of_a_key_but_seed_and_machines_are(tiny: str) -> None:
    key = points_of(tiny)[0].key
    assert points_of(tiny.replace("one-h100", "other").replace("name: tiny", "name: b"))[0].key == key
    assert points_of(tiny, "seed=1")[0].key != key
    assert points_of(tiny, "cluster.servers.1.count=2")[0].key != key
    assert points_of(tiny, "rate=5")[0].key != key


def test_a_points_overrides_make_the_same_point_again(tiny: str) -> None:
    again = "name: again\nsystems: {one-h100: {overrides: {performance_model: db}}}"
    for point in points_of(tiny):
        assert [p.key for p in points_of(again, *point.overrides)] == [point.key]


def test_points_that_would_share_a_name_are_told_apart_by_their_axes(tiny: str) -> None:
    points = points_of(tiny, "rate=1", "seed=0,1")
    assert [p.name for p in points] == ["one-h100 1xH100 conv 1 rps seed=0", "one-h100 1xH100 conv 1 rps seed=1"]


def test_a_setting_from_the_command_line_wins_over_the_files(tiny: str) -> None:
    assert {p.machines["dgx-h100"] for p in points_of(tiny, "cluster.servers.1.count=3")} == {3}


def test_an_axis_that_a_setting_from_the_command_line_leaves_without_effect_is_dropped(tiny: str) -> None:
    (point,) = points_of(tiny, "trace.filename=test_trace")
    assert (point.name, point.rate, point.axes) == ("one-h100 1xH100 test_trace", None, {})


def test_variables_may_use_one_another_in_any_order(tiny: str) -> None:
    text = tiny + "    variables: {b: \"${eval:'${a} * 2'}\", a: 2}\n"
    points = points_of(text.replace("servers.1.count: 1", "servers.1.count: '${b}'"))
    assert points[0].machines == {"dgx-h100": 4}


SLIPS = [
    ("rate", "rat", "systems.one-h100: trace.filename: ${rate} is not defined; did you mean 'rat'?"),
    ("axes:\n", "axes:\n  sed: 1, 2\n", "axes.sed: neither a setting of the configuration nor used as ${sed}; did"),
    ("axes:\n", "variables: {x: 1}\naxes:\n", "variables.x: no system uses ${x}"),
    ("axes:\n", "variables: {seed: 1}\naxes:\n", "variables.seed: is a setting of the configuration"),
    ("cluster: half_half", "cluster: half_hal", "did you mean 'half_half'?"),
    ("performance_model: db", "performance_mode: db", "did you mean 'performance_model'?"),
    ("token_jsq", "token_jsk", "applications.0.scheduler='token_jsk': "),
    ("servers.1.count: 1", "servers.1.count: -1", "cluster.servers.1.count=-1"),
    ("servers.1.count: 1", "servers.1.count: 0", "no machine"),
    ("servers.1.count: 1", "servers.7.count: 1", "cluster.servers.7.count"),
    ("start_state: baseline", "start_state: splitwise", "x.yaml: system one-h100 (rate=1): "),
    ("_5s", "_0s", "duration"),
    ("rr_conv", "rr_cnov", "did you mean 'conv'?"),
    ("rr_conv_${rate}_5s", "no_such_${rate}", "no such file"),
    ("rate: 1, 2, 3, 4", "rate: 1, 2, 1", "points 0 and 2 are the same run"),
    ("overrides:\n", "overrides:\n  hydra.run.dir: x\n", "hydra.run.dir: is about how single runs are started"),
    ("axes:\n", "axes:\n  debug: true, false\n", "debug: is for single runs"),
    (
        "servers.1.count: 1",
        "servers.1.count: \"${eval:'1 // 0'}\"",
        "=\"${eval:'1 // 0'}\": eval: cannot evaluate '1 // 0'",
    ),
]


@pytest.mark.parametrize(("right", "wrong", "said"), SLIPS, ids=[slip[1].strip() for slip in SLIPS])
def test_a_slip_is_one_line_before_anything_runs(tiny: str, right: str, wrong: str, said: str) -> None:
    text = tiny.replace("rate: 1", "rat: 1") if right == "rate" else tiny.replace(right, wrong)
    message = error_of(text)
    assert said in message
    assert message.startswith("x.yaml: ")


def test_a_split_cluster_without_a_machine_for_a_role_is_refused() -> None:
    assert "token" in error_of(ISOCOST, "rate=50", "h=40", "workload=conv")


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        (["token=5,10,40"], "needs an instance for the prompt phase"),  # none is left
        (["token=5,10,41"], "must be at least 0"),
        (["token=5,10", "start_state.prompt.num_instances=30,36"], "36 prompt + 5 token machines are asked for"),
        (["token=5,10", "performance_model=constant", "start_state.token.tensor_parallelism=8,1"], "does not fit"),
        (["token=5,10", "start_state.token.tensor_parallelism=8,3"], "tensor parallelism 3"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused_after_others_of_its_kind_that_can(extra: list[str], said: str) -> None:
    assert said in error_of(ISOCOST, "rate=50", "workload=conv", "h=5", *extra)


def test_measurements_are_read_once_and_what_cannot_differ_is_built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    read, built = [], []

    def counted(path: Path, source: str) -> object:
        read.append(source)
        return read_curves(path, source)

    monkeypatch.setattr("sim_core.performance.measurements.read_curves", counted)
    monkeypatch.setattr("sweep.experiment.builder.Simulation", built.append)
    points = points_of(ISOCOST)
    assert (len(points), len(read), len(built)) == (392, 1, 2)  # one split of H100 machines, one with A100 machines


def test_the_text_that_a_key_is_made_of_is_that_of_all_fields(tiny: str) -> None:
    # fields that specs have gained are left out at the value that stands for a spec of before
    gained = {
        ("SimSpec", "plugins"): (),
        ("SimSpec", "network"): NetworkSpec(),
        ("StartStateSpec", "fill_machine"): False,
        ("PerformanceSpec", "steps"): (),
        ("PerformanceSpec", "grids"): (),
        ("ModelSpec", "kv_elements_per_layer"): None,
        ("ModelSpec", "kv_parts"): 0,
        ("ModelSpec", "precision"): "",
        ("ModelSpec", "replicated_bytes"): 0,
        ("InstanceSpec", "data_parallelism"): 1,
        ("InstanceSpec", "expert_parallelism"): 1,
        ("InstanceSpec", "reserved_bytes"): 0,
        **{(kind, "options"): () for kind in ("InstanceSpec", "StartStateSpec", "PerformanceSpec")},
    }

    def plain(value: object) -> object:
        if isinstance(value, tuple):
            return [plain(item) for item in value]
        if not is_dataclass(value):
            return value
        names = [(field.name, (type(value).__name__, field.name)) for field in fields(value)]
        return {
            name: plain(getattr(value, name))
            for name, place in names
            if place not in gained or getattr(value, name) != gained[place]
        }

    spec = points_of(tiny)[0].spec
    assert spec.start_states[0].fill_machine is False
    assert spec.canonical() == json.dumps(plain(spec), sort_keys=True, separators=(",", ":"))


def test_a_variable_that_refers_to_itself_is_refused(tiny: str) -> None:
    text = tiny + "    variables: {a: '${b}', b: '${a}'}\n"
    message = error_of(text.replace("servers.1.count: 1", "servers.1.count: '${a}'"))
    assert "variables.a: refers to itself: a -> b -> a" in message


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("request_id,arrival_timestamp,prompt_size\n0,0,5\n", "token_size"),
        ("request_id,arrival_timestamp,prompt_size,token_size\n0,nan,5,5\n", "row 1, column arrival_timestamp"),
        ("request_id,application_id,arrival_timestamp,prompt_size,token_size\n0,3,1,5,5\n", "application 3"),
    ],
)
def test_a_written_trace_is_checked_whole_before_anything_runs(tiny: str, tmp_path: Path, rows: str, said: str) -> None:
    (tmp_path / "mine.csv").write_text(rows)
    assert said in error_of(tiny, "trace.filename=mine", f"trace.dir={tmp_path}")


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ("rate=interval(1,2)", "rate='interval(1,2)': interval() has no list"),
        ("rate=range(1,1)", "empty grid"),
        ("seed", "not an override"),
        ("sed=1", "did you mean 'seed'?"),
        ("rat=5", "did you mean 'rate'? (the experiment has: rate)"),
        ("rate=range(1,10,0)", "rate='range(1,10,0)': the step of a range must not be 0"),
        ("cluster.servers.1.count=1000000000", "a cluster has at most 100000 machines"),
        ("hydra.verbose=true", "hydra.verbose: is about how single runs are started"),
        ("debug=true", "--point N --debug"),
        ("output_dir=here", "--results"),
        ("+tracking.x=1", "--sink"),
        ("rate=1,1", "are the same run"),
    ],
)
def test_a_slip_in_an_override_of_the_command_line_is_one_line(tiny: str, extra: str, said: str) -> None:
    assert said in error_of(tiny, extra)


def test_the_quickstart_compares_six_designs_for_about_the_same_money() -> None:
    points = expand(read_experiment(QUICKSTART), [], ROOT)
    systems = list(dict.fromkeys(p.system for p in points))
    assert systems == [
        "baseline-a100",
        "baseline-h100",
        "splitwise-aa",
        "splitwise-hh",
        "splitwise-ha",
        "splitwise-hhcap",
    ]
    assert all(290 < p.cost <= 8 * 38.08 for p in points)
    rates: Sequence[set[float | None]] = [{p.rate for p in points if p.system == s} for s in systems]
    assert all(r == rates[0] and len(r) >= 3 for r in rates)


def test_an_axis_that_only_some_systems_use_is_told_where_to_go(tiny: str) -> None:
    text = tiny.replace("axes:\n", "axes:\n  count: 1, 2\n") + "  other:\n    overrides: {cluster.servers.1.count: 1}\n"
    message = error_of(text.replace("servers.1.count: 1}", "servers.1.count: '${count}'}", 1))
    assert message == (
        "x.yaml: axes.count: system other does not use ${count}:"
        " move the axis count into the systems that do (one-h100)"
    )


def test_a_grid_is_counted_before_a_point_is_built_and_no_more_are_built_than_asked_for(tiny: str) -> None:
    experiment = parse_experiment(tiny, "x.yaml")
    grid = Grid(experiment, ["rate=range(1,200001)", "seed=range(0,100000)"], ROOT)
    assert grid.total == 200_000 * 100_000
    told: list[tuple[int, int]] = []
    assert [p.axes for p in grid.points(3, lambda done, total: told.append((done, total)))] == [
        {"rate": 1, "seed": seed} for seed in range(3)
    ]
    assert told == [(1, 3), (2, 3), (3, 3)]
    with pytest.raises(SimError, match=r"^x.yaml: the grid has 20000000000 points, more than 200000; shorten an axis"):
        grid.points()


# Group choices, values in lists and at the top, sections that refer to themselves, to others and to what varies.
ODD = """\
name: odd
axes:
  cluster: dgx-a100, half_half
  applications.0.scheduler: token_jsq, jsq
  trace.filename: rr_conv_2_5s, rr_code_2_5s, rr_conv_1.5_5s
  seed: 1, 2
  end_time: 100, 200.5
  delay: 0, 0.5
overrides:
  +perfetto.told: ${seed} and ${trace.filename}
  performance_model: db
  start_state: baseline
  trace.path: told_${trace.filename}
  perfetto.end_s: null
  perfetto.start_s: ${eval:'1 + 1'}
  router.overheads.routing_delay: ${delay}
systems: {a: , b: {overrides: {cluster.servers.0.count: 3}}}
"""


@pytest.mark.parametrize(
    ("text", "extra"),
    [
        (ISOCOST, ["rate=50,60", "token=5,10", "h=5,10"]),
        (QUICKSTART.read_text(), ["prompt_machines=6,7", "seed=0,1"]),
        (ODD, []),
        (ODD.replace("  +perfetto.told: ${seed} and ${trace.filename}\n", ""), []),
    ],
)
def test_a_point_is_what_its_overrides_make_when_they_are_composed_alone(text: str, extra: list[str]) -> None:
    composer = Composer()
    points = points_of(text, *extra)
    for point in points[:: max(1, len(points) // 40)]:
        config = composer.resolved(point.overrides)
        assert repr(point.config) == repr(config)  # 1, 1.0 and True are equal but not the same
        assert point.spec == spec_from_config(config, ROOT)


def test_the_unit_of_a_traces_times_is_part_of_its_points_key(tmp_path: Path) -> None:
    rows = ({"timestamp": time, "input_length": 20, "output_length": 3} for time in (0, 1, 2))
    (tmp_path / "mine.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    experiment = (
        f"name: unit\noverrides: {{performance_model: db, start_state: baseline, cluster: half_half, "
        f"trace.dir: {tmp_path}, trace.filename: mine, trace.time_unit: UNIT}}\nsystems: {{only: {{}}}}\n"
    )
    assert "trace.time_unit=s or trace.time_unit=ms" in error_of(experiment.replace("UNIT", "auto"))
    keys = {}
    for unit in ("s", "ms"):
        with pytest.warns(TraceNote, match="as told"):
            (point,) = points_of(experiment.replace("UNIT", unit))
        assert point.trace.time_unit == unit
        keys[unit] = point.key
    assert keys["s"] != keys["ms"]


@pytest.mark.parametrize(
    ("rate", "said"),
    [
        ("-1", "axes.rate=-1: must be a number above 0"),
        ("nan", "axes.rate=nan: must be a number above 0"),
        (".inf", "axes.rate='.inf': must be a number above 0"),
        (
            "fast",
            "axes.rate='fast': must be a number above 0, or a part of the name of a trace file ('rr_conv_fast_5s'",
        ),
        ("1e9", "rate is written 1e9 and read as the number 1000000000: write it so"),
    ],
)
def test_a_rate_that_is_none_is_named_with_what_it_must_be(tiny: str, rate: str, said: str) -> None:
    message = error_of(tiny.replace("1, 2, 3, 4", rate))
    assert message.startswith("x.yaml: system one-h100 (rate=")
    assert said in message


def test_limits_that_are_a_number_are_not_taken_for_a_file(tiny: str) -> None:
    assert error_of(f"{tiny}slo: 3\n") == "x.yaml: slo=3: expected `name: value` lines, of slowdown, seconds"


def test_a_range_with_an_end_beyond_any_float_is_refused_in_a_line(tiny):
    assert "x.yaml: axes.rate='range(1, 1000" in error_of(tiny.replace("1, 2, 3, 4", f"range(1, 1{'0' * 390})"))
