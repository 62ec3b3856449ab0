from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sweep.experiment.expand import Grid
from sweep.experiment.file import read_experiment
from sweep.launch.worker import run_point
from sync.report.data import Run
from sync.report.iterations import again
from sync.results.verdict import Verdict
from tests.sync.report.made import run

ROOT = Path(__file__).parents[3]

WITHIN_SLO = Verdict(True, "within SLO")


@pytest.mark.slow
def test_a_run_made_again_is_the_same_run_with_its_iterations(tmp_path):
    grid = Grid(read_experiment(ROOT / "experiments" / "quickstart.yaml"), ["trace.filename=rr_conv_4_10s"], ROOT)
    point = next(point for point in grid.points(None, lambda *_: None) if point.system == "splitwise-ha")
    outcome = run_point(point, ROOT)
    (tmp_path / "table").write_bytes(outcome.requests_parquet)
    recorded = pq.read_table(tmp_path / "table").to_pandas()
    made = again(Run(outcome, WITHIN_SLO), recorded)
    assert not isinstance(made, str)
    assert "the times of all its requests are those of the sweep's run" in made.told
    table = made.table
    assert set(table["role"]) == {"prompt", "token"}
    assert (table["end_s"] > table["start_s"]).all()
    assert table["prompts"].sum() == len(recorded)  # each prompt is in one iteration
    other = again(Run(outcome, WITHIN_SLO), recorded.assign(ttft_s=recorded["ttft_s"] + 1e-6))
    assert not isinstance(other, str) and "its requests differ" in other.told


@pytest.mark.parametrize(
    "override",
    ["hydra.run.dir=/x", "+hydra.callbacks.x._target_=os.system", "~hydra", "++hydra/launcher=x", "a._target_=b", "-m"],
)
def test_a_recorded_setting_that_could_run_other_code_is_refused(override):
    told = again(Run(run("a", 8.0, overrides=("cluster=half_half", override)), WITHIN_SLO), None)
    assert told == f"its settings hold one that is not the simulator's: {override}"


def test_a_run_that_cannot_be_made_again_has_a_reason_in_one_line():
    told = again(Run(run("a", 8.0, overrides=("cluster=quarter",)), WITHIN_SLO), None)
    assert isinstance(told, str)
    assert told.startswith("it could not be run again (") and "\n" not in told and "half_half" in told
