"""An experiment file or a results folder from somebody else: it brings settings of runs, and nothing else.

Each file here worked once: it read a private file, took an environment variable, or wrote where its author wanted.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from sim_core.errors import SimError
from sweep.command import main
from sweep.experiment.expand import Grid
from sweep.experiment.file import read_experiment
from sweep.experiment.point import Point, project_root
from tests.forked import run_module

ROOT = project_root()
SECRET = "ghp_1234567"


@pytest.fixture
def received(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the experiment; `elsewhere` beside it is the user's own."""
    monkeypatch.setenv("MY_PAT", SECRET)
    monkeypatch.setenv("HOME", str(tmp_path / "elsewhere"))
    (tmp_path / "elsewhere/secrets").mkdir(parents=True)
    (tmp_path / "elsewhere/secrets/token.yaml").write_text(f"token: {SECRET}\n")
    (tmp_path / "elsewhere/evil.yaml").write_text(
        f"# @package _global_\nseed: 666\nhydra: {{run: {{dir: {tmp_path}/elsewhere/written}}}}\n"
    )
    rows = "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n0,2,0,0,1,9,9\n"
    (tmp_path / "elsewhere/private.csv").write_text(rows)
    folder = tmp_path / "received"
    (folder / "own").mkdir(parents=True)
    (folder / "own/mine.csv").write_text(rows)
    (folder / "linked").symlink_to(tmp_path / "elsewhere/secrets")
    (folder / "repo").mkdir()
    (folder / "repo/a.yaml").symlink_to(tmp_path / "elsewhere/secrets/token.yaml")
    (folder / "private.csv").symlink_to(tmp_path / "elsewhere/private.csv")
    return folder


def written(folder: Path, overrides: dict[str, Any], **more: Any) -> Path:
    settings = {"trace.filename": "rr_conv_2_10s", "start_state": "baseline", **overrides}
    content = {"name": "x", "overrides": settings, "systems": {"a": {}}, **more}
    file = folder / "experiment.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def points(file: Path, *extra: str) -> list[Point]:
    return Grid(read_experiment(file), extra, ROOT).points()


def refused(file: Path, *extra: str) -> str:
    with pytest.raises(SimError) as error:
        points(file, *extra)
    text = str(error.value)
    assert text.isprintable()
    assert SECRET not in text
    return text


def evil(folder: Path, group: str = "experiment") -> str:
    return os.path.relpath(folder.parent / "elsewhere/evil", ROOT / "configs" / group)


def test_the_value_of_a_group_is_no_path_whichever_way_it_comes(received: Path) -> None:
    path = evil(received)
    assert "no such choice" in refused(written(received, {"+experiment": path}))
    assert "no such choice" in refused(written(received, {"+experiment": [path]}))
    assert "no such choice" in refused(written(received, {"+experiment": "${v}"}, variables={"v": path}))
    assert "no such choice" in refused(written(received, {}, axes={"+experiment": [path]}))
    assert "no such choice" in refused(written(received, {"cluster": evil(received, "cluster")}))
    assert "no such choice" in refused(written(received, {}), f"+experiment={path}")
    assert "no such choice" in refused(written(received, {"+router/overheads": evil(received, "router/overheads")}))


@pytest.mark.parametrize(
    "key",
    [
        *("hydra.run.dir", "++hydra.run.dir", "+hydra/launcher", "~hydra", "cluster@hydra", "+experiment@_global_"),
        *("output_dir", "+tracking.sink", "debug", "+__pycache__", "+__pycache__@_global_", "+defaults", "+", ""),
        *(" hydra.run.dir", "+ hydra.run.dir", "seed=1 hydra.x", "'hydra.run.dir'", "+anything.else", "${v}.run.dir"),
    ],
)
def test_a_file_sets_nothing_but_settings_of_runs(received: Path, key: str) -> None:
    value = None if key.startswith("~") else "joblib"
    assert "experiment.yaml" in refused(written(received, {key: value}))
    assert "experiment.yaml" in refused(written(received, {}, axes={key: ["joblib"]}))


def test_an_experiment_of_the_project_can_be_chosen_with_its_parameters(received: Path) -> None:
    overrides = {"+experiment": "baseline_h100_costopt", "+sweep": 3, "+trace_sweep": 2, "+fname": "rr_conv"}
    (point,) = points(written(received, {**overrides, "trace.filename": "rr_conv_2_10s"}))
    assert point.machines == {"dgx-h100": 3}


@pytest.mark.parametrize(
    ("overrides", "more"),
    [
        ({"trace.path": "${${x}}"}, {"variables": {"x": "oc.env:MY_PAT"}}),
        ({"trace.path": "${${x}}"}, {"axes": {"x": ["oc.env:MY_PAT"]}}),
        ({"trace.path": "${y}"}, {"variables": {"x": "oc.env", "y": "${${x}:MY_PAT}"}}),
        ({"trace.path": "${a}{${b}}"}, {"variables": {"a": "$", "b": "oc.env:MY_PAT"}}),
        ({"end_time": "${eval:'${${x}}'}"}, {"variables": {"x": "oc.env:MY_PAT"}}),
        ({"+power_model.z": {"b": ["a", {"c": "${${x}}"}]}}, {"variables": {"x": "oc.env:MY_PAT"}}),
        ({"trace.path": "${${s}:no,${${x}}}"}, {"variables": {"s": "oc.select", "x": "oc.env:MY_PAT"}}),
        ({"trace.path": "${${c}:{a:${${x}}}}"}, {"variables": {"c": "oc.create", "x": "oc.env:MY_PAT"}}),
        ({"trace.filename": "x_${${x}}"}, {"variables": {"x": "oc.env:MY_PAT"}}),
    ],
)
def test_no_environment_variable_reaches_a_point(
    received: Path, overrides: dict[str, Any], more: dict[str, Any]
) -> None:
    assert "is not read here" in refused(written(received, overrides, **more))


def test_folders_elsewhere_are_refused_with_what_to_type(received: Path) -> None:
    secrets = received.parent / "elsewhere/secrets"
    for key in ("hardware_repo.interconnects", "model_repo.sizes", "orchestrator_repo.allocators", "trace.dir"):
        for value in (str(secrets), os.path.relpath(secrets, ROOT), str(received / "linked")):
            assert f"say {key}={value} on the command line" in refused(written(received, {key: value}))
    text = refused(written(received, {"trace.dir": "~", "trace.filename": "private"}))
    assert "trace.dir='~': leads out of the project and of the experiment file's folder" in text
    assert "leads out" in refused(written(received, {"trace.dir": "${f}"}, variables={"f": str(secrets)}))
    assert "leads out" in refused(written(received, {}, axes={"hardware_repo.interconnects": [str(secrets)]}))


def test_links_that_lead_out_of_the_experiments_folder_are_refused(received: Path) -> None:
    assert "leads out" in refused(written(received, {"hardware_repo.interconnects": str(received / "repo")}))
    assert "leads out" in refused(written(received, {"trace.dir": str(received), "trace.filename": "private"}))


def test_measured_times_are_read_where_the_experiment_may_read(received: Path) -> None:
    for path in ("/etc/passwd", "/dev/zero", str(received.parent / "elsewhere/private.csv")):
        settings = {"performance_model": "db", "performance_model.db_path": path}
        assert "performance_model.db_path" in (text := refused(written(received, settings)))
        assert "leads out" in text


def test_the_experiments_own_folder_and_what_the_command_line_names_are_read(received: Path) -> None:
    own = written(received, {"trace.dir": str(received / "own"), "trace.filename": "mine"})
    assert [point.requests for point in points(own)] == [1]
    elsewhere = str(received.parent / "elsewhere")
    other = written(received, {"trace.dir": elsewhere, "trace.filename": "private"})
    assert [point.requests for point in points(other, f"trace.dir={elsewhere}")] == [1]
    variable = written(received, {"trace.dir": "${f}", "trace.filename": "private"}, variables={"f": "data"})
    assert [point.requests for point in points(variable, f"f={elsewhere}")] == [1]


@pytest.mark.parametrize("form", ["text", "list"])
def test_variables_that_double_one_another_end_in_one_line(received: Path, form: str) -> None:
    name = "${{v{0}}}"
    variables: dict[str, Any] = {"v31": "ha"}
    for n in range(31):
        one = name.format(n + 1)
        variables[f"v{n}"] = one + one if form == "text" else [one, one]
    assert "with its ${...} replaced; at most 100,000" in refused(
        written(received, {"trace.path": "${v0}"}, variables=variables)
    )


def test_a_long_chain_of_variables_ends_in_one_line(received: Path) -> None:
    variables: dict[str, Any] = {f"v{n}": f"${{v{n + 1}}}" for n in range(1500)}
    text = refused(written(received, {"trace.path": "${v0}"}, variables={**variables, "v1500": 1}))
    assert "refers to another variable, that to another, over 100 times" in text


@pytest.mark.parametrize(
    ("overrides", "axes"),
    [
        ({}, {"seed": "9" * 5000}),
        ({}, {"seed": f"range(1, {'9' * 5000})"}),
        ({}, {"cluster.servers": "[" * 200 + "]" * 200}),
        ({"seed": "9" * 5000}, {}),
        ({"end_time": "${eval:'9**9**9'}"}, {}),
        ({"end_time": "${eval:'\"a\" * 10**10'}"}, {}),
        ({"hardware_repo.skus": "a\0b"}, {}),
        ({"cluster": "a\0b"}, {}),
        ({"a." * 5000 + "b": 1}, {}),
        ({f"+power_model.k{n}": 1 for n in range(1500)}, {}),
    ],
)
def test_odd_values_end_in_one_line(received: Path, overrides: dict[str, Any], axes: dict[str, Any]) -> None:
    assert len(refused(written(received, overrides, axes=axes))) < 3500


def debugged(file: Path, results: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert main([str(file), "--point", "0", "--debug", "--results", str(results)]) == 2
    return capsys.readouterr().err


def test_debug_follows_no_link_in_the_results(received: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file, elsewhere = written(received, {}), received.parent / "elsewhere"
    key = points(file)[0].key[:12]
    linked = received / "results/x"
    linked.mkdir(parents=True)
    (linked / "debug").symlink_to(elsewhere)
    assert "is a symbolic link" in debugged(file, received / "results", capsys)
    file_inside = received / "others/x/debug" / key
    file_inside.mkdir(parents=True)
    (file_inside / "request_nodes.csv").symlink_to(elsewhere / "private.csv")
    before = (elsewhere / "private.csv").read_text()
    assert "request_nodes.csv: is a symbolic link" in debugged(file, received / "others", capsys)
    assert (elsewhere / "private.csv").read_text() == before
    assert sorted(path.name for path in elsewhere.iterdir()) == ["evil.yaml", "private.csv", "secrets"]


def single(folder: Path, *arguments: str) -> str:
    run = run_module("sim_core", "trace.filename=rr_conv_2_10s", *arguments, cwd=folder)
    assert run.returncode == 2, run.stderr
    return run.stderr


def test_a_single_run_reads_no_file_but_those_of_the_group(received: Path) -> None:
    path = evil(received)
    assert "experiment='../" in single(received, f"+experiment={path}")
    assert "no such choice" in single(received, f"+experiment=traces,{path}", "+fname=x", "+sweep=1", "-m")
    assert "__pycache__='../" in single(received, f"+__pycache__={evil(received, '__pycache__')}")
    assert not (received.parent / "elsewhere/written").exists()


def test_a_single_run_takes_an_environment_variable_from_its_own_command_line_alone(received: Path) -> None:
    (received / "trace").mkdir()
    text = "dir: .\nfilename: rr_conv_2_10s\ntime_unit: auto\n"
    (received / "trace/theirs.yaml").write_text(text + "path: ${oc.env:MY_PAT}\n")
    refusal = single(received, "trace=theirs", "hydra.run.dir=out", "--config-dir=.")
    assert "trace.path: ${oc.env:...} is not read here" in refusal
    arguments = ("trace.filename=rr_conv_2_10s", "hydra.run.dir=${oc.env:MY_PAT}", "trace.path=${oc.env:MY_PAT}")
    run = run_module("sim_core", *arguments, cwd=received)
    assert run.returncode == 0, run.stderr
    assert (received / SECRET / "summary.csv").is_file()


def test_levels_and_digits_on_the_command_line_of_a_single_run_end_in_one_line(received: Path) -> None:
    for text in (f"seed={'9' * 5000}", f"cluster.servers={'[' * 200}{']' * 200}"):
        assert len(single(received, text)) < 1000
