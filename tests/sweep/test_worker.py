from __future__ import annotations

import io
import pickle
import signal
import subprocess
import sys
import warnings
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
import yaml

from sim_core.errors import SpecWarning
from sweep.experiment.expand import expand
from sweep.experiment.file import parse_experiment
from sweep.experiment.point import Point, project_root
from sweep.launch.worker import run_point
from sync.results.figures import run_figures
from tests.runs import measured
from traces import workload
from traces.workload import TraceRef

ROOT = project_root()


@pytest.fixture
def points(tiny: str) -> list[Point]:
    return expand(parse_experiment(tiny, "tiny.yaml"), [], ROOT)


def test_an_outcome_has_every_column_of_every_request_and_the_summary(points: list[Point]) -> None:
    outcome = run_point(points[3], ROOT)
    result = measured(points[3].spec, workload.load(points[3].trace, ROOT))
    table = pq.read_table(io.BytesIO(outcome.requests_parquet)).to_pydict()
    assert {name: list(column) for name, column in result.requests.items()}.keys() == table.keys()
    assert table["request_id"] == list(result.requests["request_id"])
    assert table["ttft_s"] == list(result.requests["ttft_s"])
    assert table["prompt_tokens"] == list(result.requests["prompt_tokens"])
    assert outcome.summary == result.summary | run_figures(result)
    assert (outcome.status, outcome.error) == ("completed", None)


def test_an_outcome_repeats_what_its_point_is_with_the_configuration_resolved(points: list[Point]) -> None:
    outcome = run_point(points[0], ROOT)
    point = points[0]
    assert (outcome.key, outcome.name, outcome.machines) == (point.key, point.name, {"dgx-h100": 1})
    assert yaml.safe_load(outcome.config_yaml)["cluster"]["servers"][1]["count"] == 1
    assert outcome.config_yaml == yaml.dump(dict(point.config), Dumper=yaml.CSafeDumper, sort_keys=False)
    for changed in ({"seed": 7}, {"hardware_repo": {"1": 2}}, {"hardware_repo": {1: 2}}, {"hardware_repo": {1: 2.0}}):
        config = {**point.config, **changed}
        other = run_point(replace(point, config=config), ROOT)
        assert other.config_yaml == yaml.dump(config, Dumper=yaml.CSafeDumper, sort_keys=False)


def test_two_runs_of_a_point_give_the_same_bytes(points: list[Point]) -> None:
    first, second = run_point(points[0], ROOT), run_point(pickle.loads(pickle.dumps(points[0])), ROOT)
    assert first.requests_parquet == second.requests_parquet
    assert first.summary == second.summary


def test_a_point_that_raises_is_a_failed_outcome_with_its_reason_first(points: list[Point]) -> None:
    outcome = run_point(replace(points[0], trace=TraceRef("gone", "traces/samples", 0)), ROOT)
    assert outcome.status == "failed"
    assert outcome.error is not None
    reason, *trace = outcome.error.splitlines()
    assert "gone.csv" in reason
    assert "Traceback" in trace[0]
    assert (outcome.summary, outcome.requests_parquet) == ({}, b"")


def test_a_worker_that_runs_a_point_imports_neither_mlflow_nor_ray_nor_pandas(points: list[Point]) -> None:
    script = (
        "import pickle, sys; from sweep.launch.worker import run_point, Path\n"
        f"outcome = run_point(pickle.loads(sys.stdin.buffer.read()), Path({str(ROOT)!r}))\n"
        "print(outcome.status, {'mlflow', 'ray', 'pandas'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, input=pickle.dumps(points[0]), capture_output=True, check=True
    )
    assert done.stdout == b"completed set()\n"


def test_points_travel(points: list[Point]) -> None:
    assert [pickle.loads(pickle.dumps(p)) for p in points] == points


def test_a_run_that_takes_too_long_is_a_failed_outcome_and_the_next_one_is_not(points: list[Point]) -> None:
    outcome = run_point(points[3], ROOT, timeout_s=1e-4)
    assert outcome.status == "failed"
    assert (outcome.error or "").startswith(
        "sweep.launch.time_limit.RunTimeout: took longer than 0.0001 s (--timeout-per-run)"
    )
    assert run_point(points[3], ROOT, timeout_s=600.0).status == "completed"
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_run_that_is_stopped_early_says_so_in_its_status_and_its_name(tiny: str) -> None:
    text = tiny.replace("_5s", "_2min").replace("1, 2, 3, 4", "20")
    (whole,) = expand(parse_experiment(text, "x.yaml"), [], ROOT)
    (point,) = expand(parse_experiment(text, "x.yaml"), ["stop_at_backlog_s=10"], ROOT)
    assert point.key != whole.key
    assert (whole.name, point.name) == ("one-h100 1xH100 conv 20 rps", "one-h100 1xH100 stop@10s conv 20 rps")
    outcome = run_point(point, ROOT)
    assert (outcome.status, outcome.error) == ("stopped", None)
    assert outcome.summary["run/stopped_early_s"] > 10.0


def test_what_a_configuration_is_warned_of_is_said_when_points_are_built_and_not_again_by_each_run(tiny: str) -> None:
    with pytest.warns(SpecWarning, match="start_state.instance.tensor_parallelism=4: a machine is one instance"):
        (point, *_) = expand(
            parse_experiment(tiny, "tiny.yaml"),
            ["performance_model=constant", "start_state.instance.tensor_parallelism=4"],
            ROOT,
        )  # fmt: skip
    with warnings.catch_warnings(record=True) as noted:
        warnings.simplefilter("always")
        assert run_point(point, ROOT).status == "completed"
    assert noted == []
