"""The demo as its users run it. Slow: a cluster is started, a database made, and 24 points are run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sweep.experiment.point import project_root
from sync.load import load_sweep


@pytest.mark.slow
def test_the_quickstart_ends_in_a_table_and_in_mlflow_and_shows_where_each_design_breaks(tmp_path: Path) -> None:
    from mlflow import MlflowClient

    results = tmp_path / "results"
    environment = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    ended = subprocess.run(
        [sys.executable, "-m", "sweep", "experiments/quickstart.yaml", "--results", str(results)],
        cwd=project_root(),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert "24 completed, 0 failed, 0 not run" in ended.stdout
    assert f"python -m sync --results {results} ui\n" in ended.stdout
    runs = load_sweep("quickstart", results).runs
    for _, design in runs.groupby("system"):
        within = list(design.sort_values("rate")["slo/within"])
        assert (within[0], within[-1]) == (1.0, 0.0)
    client = MlflowClient(f"sqlite:///{results}/mlflow.db")
    experiment = client.get_experiment_by_name("quickstart")
    assert experiment is not None
    everything = client.search_runs([experiment.experiment_id])
    written = [run for run in everything if "config.hash" in run.data.tags]
    assert len(everything) == len(written) + 1  # and the sweep's own page
    assert {run.info.status for run in written} == {"FINISHED"}
    assert sorted(run.data.tags["config.hash"] for run in written) == sorted(runs["key"])
