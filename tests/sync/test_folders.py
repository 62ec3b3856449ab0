"""Results may be in a folder of any name: what is written there is read back from there, and nothing beside it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sync import load_sweep
from sync.__main__ import main
from tests.sync.stores import deliver, in_mlflow
from tests.sync.test_tracking import FOLDERS

ROOT = Path(__file__).parents[2]
EXPERIMENT = """\
name: small
overrides: {performance_model: db, start_state: baseline, trace.filename: rr_conv_1_20s}
systems: {a: {overrides: {cluster.servers.0.count: 2}}}
"""


@pytest.mark.parametrize("name", [*FOLDERS, "run:1"])
def test_what_a_sink_writes_is_read_back_and_there_is_no_folder_beside(
    name, tmp_path, template, sweep, outcome, monkeypatch
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)
    results = Path(name)
    results.mkdir()
    shutil.copy(template, results / "mlflow.db")
    deliver(results, sweep, outcome(1))
    (stored,) = in_mlflow(results)
    assert stored.files["requests.parquet"] == outcome(1).requests_parquet
    assert load_sweep(sweep.name, results, source="mlflow").requests(outcome(1).key)["ttft_s"].tolist() == [0.5] * 4
    assert main(["--results", name, "export", sweep.name, "--source", "mlflow", "--to", "out"]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([name, "out"])


@pytest.mark.slow
def test_a_sweep_a_single_run_and_the_commands_use_a_folder_of_an_odd_name(tmp_path):
    work = tmp_path / "50% of #1"
    work.mkdir()
    (work / "small.yaml").write_text(EXPERIMENT)
    odd = "what? ü%41"

    def start(*arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=work, capture_output=True, text=True, env=_environment(), check=False, timeout=300,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    start("sweep", "small.yaml", "--local", "--results", odd)
    assert "1 of 1 points are in MLflow: 0 missing, 0 doubled" in start(
        "sync", "--results", odd, "verify", "small", "--tables"
    )
    start("sync", "--results", odd, "export", "small", "--to", "out")
    start("sim_core", "tracking=mlflow", "tracking.experiment=2024_05")
    assert sorted(path.name for path in work.iterdir()) == sorted([odd, "out", "results", "small.yaml"])
    assert [path.name for path in tmp_path.iterdir()] == [work.name]
    (run,) = load_sweep("2024_05", work / "results", source="mlflow").runs["status"]
    assert run == "completed"


def _environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    return kept | {"PYTHONPATH": str(ROOT)}
