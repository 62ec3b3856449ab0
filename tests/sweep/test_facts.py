"""What a point is: facts of the experiment, carried to the results; nothing is read out of names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sweep.command import main
from sweep.experiment.expand import Grid
from sweep.experiment.file import parse_experiment
from sweep.experiment.point import project_root
from sync import load_sweep
from sync.analysis.answers import answers, sentences
from sync.results.point_id import PointId
from tests.sweep.points import points_of

SPLIT = """\
name: split
overrides: {performance_model: db, "trace.filename": "rr_conv_${rate}_5s"}
axes: {rate: "1, 2"}
systems:
  ha: {design: {prompt: dgx-h100, token: dgx-a100}, axes: {prompt_machines: "2", token_machines: "3"}}
  hh: {design: {prompt: dgx-h100, token: dgx-h100}, axes: {prompt_machines: "2", token_machines: "1"}}
"""


def facts(text: str, *extra: str) -> list[PointId]:
    return [point.point_id for point in points_of(text, *extra)]


@pytest.mark.parametrize(
    ("axis", "rates"),
    [
        ("[0.5, 1.0, 1.5, 2.0]", [0.5, 1.0, 1.5, 2.0]),
        ("range(0.7, 1.2, 0.1)", [0.7, 0.8, 0.9, 1.0, 1.1]),
        ("range(0.1, 0.4, 0.1)", [0.1, 0.2, 0.3]),
        ("range(1, 2.5)", [1.0, 2.0]),
        ("range(3, 0.5, -1)", [3.0, 2.0, 1.0]),
    ],
)
def test_rates_are_the_decimals_that_were_written_and_one_workload(tiny: str, axis: str, rates: list[float]) -> None:
    text = tiny.replace("rate: 1, 2, 3, 4", f"rate: {axis}").replace("_5s", "_60s")
    assert facts(text) == [PointId("one-h100 1xH100", "conv", rate, 0) for rate in rates]


def test_a_rate_that_was_worked_out_has_no_noise(tiny: str) -> None:
    text = tiny.replace("axes:\n  rate: 1, 2, 3, 4", "variables: {rate: \"${eval:'0.1 * 3'}\"}").replace("_5s", "_60s")
    assert facts(text) == [PointId("one-h100 1xH100", "conv", 0.3, 0)]


def test_machines_by_role_are_fields_of_a_point() -> None:
    ha, _, hh, _ = points_of(SPLIT)
    assert (ha.design, ha.roles) == ("ha 2P+3T", {"prompt": {"dgx-h100": 2}, "token": {"dgx-a100": 3}})
    assert (hh.design, hh.roles) == ("hh 2P+1T", {"prompt": {"dgx-h100": 2}, "token": {"dgx-h100": 1}})


def test_seeds_are_repetitions_of_one_design_and_the_name_tells_them_apart(tiny: str) -> None:
    points = points_of(tiny, "rate=1", "seed=0,1")
    assert [point.point_id for point in points] == [PointId("one-h100 1xH100", "conv", 1.0, seed) for seed in (0, 1)]
    assert [point.name for point in points] == [f"one-h100 1xH100 conv 1 rps seed={seed}" for seed in (0, 1)]


def test_an_axis_of_the_cluster_is_part_of_the_design_and_one_of_the_trace_of_the_workload(tiny: str) -> None:
    schedulers = facts(tiny, "rate=1", "applications.0.scheduler=jsq,round_robin")
    assert [fact.design for fact in schedulers] == [
        "one-h100 1xH100 scheduler=jsq",
        "one-h100 1xH100 scheduler=round_robin",
    ]
    durations = facts(tiny.replace("_5s", "_${length}s").replace("axes:\n", "axes:\n  length: 5, 9\n"), "rate=1")
    assert [(fact.design, fact.workload) for fact in durations] == [
        ("one-h100 1xH100", "conv length=5"),
        ("one-h100 1xH100", "conv length=9"),
    ]


def test_written_traces_whose_name_takes_the_rate_are_one_workload_at_its_rates(tiny: str, tmp_path: Path) -> None:
    header = "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n"
    for rate in ("0.5", "1.0"):
        (tmp_path / f"mine_{rate}_x.csv").write_text(f"{header}0,2,0,0.1,1,100,5\n1,2,0,{rate},1,100,5\n")
    text = tiny.replace("rr_conv_${rate}_5s", "mine_${rate}_x").replace("1, 2, 3, 4", "[0.5, 1.0]")
    with_folder = text.replace("overrides:\n", f"overrides:\n  trace.dir: {tmp_path}\n", 1)
    points = points_of(with_folder, "seed=0,1")
    assert {(point.workload, point.rate) for point in points} == {("mine_x", 0.5), ("mine_x", 1.0)}


def test_the_facts_arrive_in_every_table_and_the_answer_is_one_ladder(
    tiny: str, write_experiment: Callable[[str], Path], tmp_path: Path
) -> None:
    text = tiny.replace("rate: 1, 2, 3, 4", "rate: [0.5, 1.0, 1.5]").replace("_5s", "_20s")
    results = tmp_path / "results"
    arguments = [str(write_experiment(text)), "seed=0,1", "--local", "--sink", "none", "--results", str(results)]
    assert main(arguments) == 0
    sweep = load_sweep("tiny", results)
    assert set(sweep.runs.design) == {"one-h100 1xH100"}
    assert set(sweep.runs.workload) == {"conv"}
    assert sorted(set(sweep.runs.rate)) == [0.5, 1.0, 1.5]
    assert [outcome.rate for outcome in sweep.where(rate=0.5)] == [0.5, 0.5]
    (workload,) = answers(sweep.outcomes.values()).workloads
    (configuration,) = workload.configurations
    assert [(at.rate, at.seeds) for at in configuration.at] == [(0.5, 2), (1.0, 2), (1.5, 2)]
    (sentence,) = sentences(answers(sweep.outcomes.values()))
    assert sentence.startswith(
        "No design is known to be within the SLO by 2 seeds (95%, though fewer than 8 seeds promise too much); "
        "undecided: one-h100 at 0.5 requests/s ("
    )


@pytest.mark.parametrize(
    ("name", "folder", "axis"),
    [
        ("mine_${rate}", "", "[0.5, 1.0]"),
        ("mine_${rate}", "", '["0.5", "1.0"]'),
        ("${what}", "", "[0.5, 1.0]"),
        ("one", "/${rate}", "[0.5, 1.0]"),
    ],
)
def test_a_rate_is_found_in_the_name_the_folder_or_a_variable(
    tmp_path: Path, name: str, folder: str, axis: str
) -> None:
    header = "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n"
    for rate in ("0.5", "1.0"):
        (tmp_path / rate).mkdir()
        for path in (tmp_path / f"mine_{rate}.csv", tmp_path / rate / "one.csv"):
            path.write_text(f"{header}0,2,0,0.1,1,100,5\n1,2,0,{rate},1,100,5\n")
    lines = [
        *("name: found", "overrides:", "  performance_model: db", "  start_state: baseline", "  cluster: half_half"),
        *(
            f"  trace.dir: {tmp_path}{folder}",
            f"  trace.filename: {name}",
            f"axes: {{rate: {axis}}}",
            "systems:",
            "  base:",
        ),
        *(["    variables: {what: 'mine_${rate}'}"] if "what" in name else ["    description: plain"]),
    ]
    found = facts("\n".join(lines))
    assert [fact.rate for fact in found] == [0.5, 1.0]
    assert len({(fact.design, fact.workload) for fact in found}) == 1


def test_facts_of_finished_points_follow_the_experiment_when_it_grows(
    tiny: str, write_experiment: Callable[[str], Path], tmp_path: Path
) -> None:
    axis = "axes:\n  start_state.instance.max_batch_size: {}\n"
    results = tmp_path / "results"
    for values in ("[64]", "[64, 32]"):
        path = write_experiment(tiny.replace("axes:\n", axis.format(values)).replace("1, 2, 3, 4", "1, 2"))
        assert main([str(path), "--local", "--sink", "none", "--results", str(results)]) == 0
    runs = load_sweep("tiny", results).runs
    assert sorted(set(runs.design)) == ["one-h100 1xH100 max_batch_size=32", "one-h100 1xH100 max_batch_size=64"]
    limited = points_of(path.read_text(), "seed=0,1")[:1]
    assert limited[0].design == "one-h100 1xH100 max_batch_size=64"


def test_a_point_has_the_same_facts_with_and_without_a_limit(tiny: str) -> None:
    text = tiny.replace("_5s", "_${length}s").replace("axes:\n", "axes:\n  length: 5, 9\n")
    grid = ["applications.0.scheduler=jsq,round_robin", "seed=0,1"]
    experiment = parse_experiment(text, "x.yaml")
    whole = Grid(experiment, grid, project_root()).points()
    assert Grid(experiment, grid, project_root()).points(5) == whole[:5]
    assert {point.workload for point in whole} == {"conv length=5", "conv length=9"}
    assert {point.design for point in whole} == {
        "one-h100 1xH100 scheduler=jsq",
        "one-h100 1xH100 scheduler=round_robin",
    }
