"""The experiments of the paper: as many points as SplitwiseSim's grids have, and the same ones."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from configs.compose import Composer
from configs.multirun import runs_of
from sim_core import content_key, spec_from_config
from sweep.command import main
from sweep.experiment.expand import Grid
from sweep.experiment.file import read_experiment
from sweep.experiment.point import Point, project_root
from sync.results.code import deciding_code
from traces import workload
from traces.workload import TraceRef

ROOT = project_root()
FOLDER = ROOT / "experiments"
COUNTS = {
    "isocost": {"baseline-a100": 28, "baseline-h100": 28, "splitwise-aa": 476, "splitwise-hh": 196,
                "splitwise-ha": 196, "splitwise-hhcap": 196},
    "isopower": {"baseline-a100": 42, "baseline-h100": 42, "splitwise-aa": 546, "splitwise-hh": 294,
                 "splitwise-ha": 294, "splitwise-hhcap": 294},
    "isocount": {"baseline-a100": 28, "baseline-h100": 28, "splitwise-aa": 196, "splitwise-hh": 196,
                 "splitwise-ha": 196, "splitwise-hhcap": 196},
    "throughput_isocost": dict.fromkeys(
        ("baseline-a100", "baseline-h100", "splitwise-aa", "splitwise-hh", "splitwise-ha", "splitwise-hhcap"), 1),
    "throughput_isopower": dict.fromkeys(
        ("baseline-a100", "baseline-h100", "splitwise-aa", "splitwise-hh", "splitwise-ha", "splitwise-hhcap"), 1),
    "traces": {"isocost-a100": 21, "isopower-a100": 21, "h100": 21},
    "traces_light": {"a100": 24, "h100": 24},
}  # fmt: skip
COSTOPT = {
    "baseline-a100": 139, "baseline-h100": 79, "splitwise-aa": 69 * 69, "splitwise-hh": 39 * 39,
    "splitwise-ha": 39 * 69, "splitwise-hhcap": 39 * 39,
}  # fmt: skip


def grid(name: str, *extra: str) -> Grid:
    return Grid(read_experiment(FOLDER / f"{name}.yaml"), extra, ROOT)


def test_a_dry_run_of_isocost_has_its_1120_points_with_the_papers_machines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(FOLDER / "isocost.yaml"), "--dry-run", "--format", "json"]) == 0
    points = json.loads(capsys.readouterr().out)
    assert Counter(point["system"] for point in points) == COUNTS["isocost"]
    assert len(points) == 1120
    machines = {(p["system"], tuple(p["machines"].items())) for p in points}
    assert {dict(m)["dgx-h100"]: dict(m)["dgx-a100"] for system, m in machines if system == "splitwise-ha"} == {
        h: int(4.76 * (40 - h) // 2.21) for h in range(5, 40, 5)
    }
    assert ("baseline-a100", (("dgx-a100", 86),)) in machines
    assert {p["rate"] for p in points} == set(range(50, 181, 10))
    assert {p["trace"].split("_")[1] for p in points} == {"code", "conv"}


@pytest.mark.parametrize("name", [name for name in COUNTS if name.startswith(("throughput", "traces"))])
def test_an_experiment_of_the_paper_has_its_points(name: str) -> None:
    assert Counter(point.system for point in grid(name).points()) == COUNTS[name]


@pytest.mark.parametrize("name", ["isopower", "isocount"])
def test_a_grid_is_counted_before_it_is_built(name: str) -> None:
    assert grid(name).total == sum(COUNTS[name].values())


def test_costopt_has_every_number_of_machines_in_both_roles_and_its_first_points_come_at_once() -> None:
    found = grid("costopt")
    assert found.total == 2 * sum(COSTOPT.values()) == 21_424
    assert [p.machines for p in found.points(3)] == [{"dgx-a100": n} for n in (1, 2, 3)]
    (corner,) = [p for p in grid("costopt", "prompt_machines=39", "token_machines=69", "workload=conv", "machines=79")
                 .points() if p.system == "splitwise-ha"]  # fmt: skip
    assert corner.machines == {"dgx-a100": 69, "dgx-h100": 39}
    assert corner.trace.filename == "rr_conv_70_2min"


def test_the_throughput_experiments_run_the_papers_clusters() -> None:
    assert [p.machines for p in grid("throughput_isocost").points()] == [
        {"dgx-a100": 86}, {"dgx-h100": 40}, {"dgx-a100": 86}, {"dgx-h100": 40},
        {"dgx-a100": 21, "dgx-h100": 30}, {"dgx-h100-pcap": 10, "dgx-h100": 30},
    ]  # fmt: skip
    points = grid("throughput_isopower").points()
    assert [p.name.split()[1] for p in points] == ["70xA100", "40xH100", "45P+25T", "25P+15T", "25P+26T", "25P+21T"]
    assert {p.trace.filename for p in points} == {"rr_conv_180"}


def test_light_traces_have_rates_of_one_decimal() -> None:
    rates = [point.trace.filename for point in grid("traces_light").points() if point.system == "a100"]
    assert rates == [f"rr_code_{n / 5:.1f}" for n in range(1, 25)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("design", "budget"),
    [*((d, "isocost") for d in ("hh", "aa", "ha", "hhcap")), ("ha", "isopower"), ("hhcap", "isopower")],
)
def test_splitwisesims_own_form_of_an_experiment_expands_to_the_same_points(design: str, budget: str) -> None:
    theirs = runs_of([f"+experiment=splitwise_{design}_{budget}", "applications.0.scheduler=mixed_pool"])
    sweep = "prompt_machines" if design.startswith("ha") or design == "hhcap" else "token_machines"
    told = [dict(text.split("=", 1) for text in run) for run in theirs]
    mine = {place(p, sweep): p for p in part(budget, f"splitwise-{design}")}
    if (design, budget) == ("ha", "isopower"):  # theirs has conversations only
        mine = {key: point for key, point in mine.items() if key[2] == "rr_conv"}
    wanted = {(int(run["+sweep"]), int(run["+trace_sweep"]), run["+fname"]) for run in told}
    assert len(wanted) == len(theirs)
    assert mine.keys() == wanted
    composer, code = Composer(), deciding_code()
    for run, values in list(zip(theirs, told, strict=True))[::17]:
        config = composer.resolved(run)
        ref = TraceRef(filename=config["trace"]["filename"], dir=config["trace"]["dir"], seed=config["seed"])
        spec = spec_from_config(config, ROOT)
        key = content_key(spec, workload.identity(ref, ROOT), code.digest_for(spec))
        assert mine[int(values["+sweep"]), int(values["+trace_sweep"]), values["+fname"]].key == key


def part(name: str, system: str) -> list[Point]:
    experiment = read_experiment(FOLDER / f"{name}.yaml")
    only = [one for one in experiment.systems if one.name == system]
    return Grid(replace(experiment, systems=tuple(only)), [], ROOT).points()


def place(point: Point, sweep: str) -> tuple[object, object, str]:
    return point.axes[sweep], point.axes["rate"], f"rr_{point.axes['workload']}"


def test_every_experiment_file_says_what_it_asks_in_its_first_line() -> None:
    files = sorted(FOLDER.glob("*.yaml"))
    assert {
        *COUNTS,
        "costopt",
        "costopt-find",
        "how-many",
        "isocost-find",
        "isopower-find",
        "links",
        "quickstart",
        "concurrency",
        "gpus-2026",
        "split-or-chunked",
        "prefix-cache",
    } == {path.stem for path in files}
    for path in files:
        assert path.read_text().startswith("# ")
        assert read_experiment(Path(path)).name == path.stem
