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
from sync.results.privacy import Scrubber
from sync.tracking.fields import reproduce

ROOT = Path(__file__).parents[2]


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
