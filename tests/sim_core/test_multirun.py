"""`python -m sim_core --multirun`: Hydra's launchers, mistakes among many runs, and results into MLflow.

Runs with a launcher are real processes, which start more of their own; Ray's also start a cluster.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mlflow import MlflowClient

from configs.compose import CONFIG_DIR
from tests.faults.clusters import descendants, listening_hosts
from tests.forked import run_module

ROOT = CONFIG_DIR.parent
# The folder's name contains an evaluated count: 40 - 38 H100 machines cost as much as 4 A100 machines.
EVALUATED = ["+experiment=isocost_cluster", "+sweep=38", "trace.filename=rr_conv_2_10s"]
EVALUATED_FOLDER = "orca/rr_conv_2_10s/4_38/bloom-176b"


def start(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sim_core", *arguments]
    surroundings = os.environ | {"PYTHONPATH": str(ROOT)} | environment
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, env=surroundings, timeout=240)


def result_lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    """The printed lines of the runs, without those in which Hydra lists the runs that it starts. In front of them
    stands that their times are constants."""
    first, *lines = [line for line in done.stdout.splitlines() if "][HYDRA]" not in line]
    assert "constants for testing and no hardware's" in first
    return lines


def detailed(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.glob("results/**/detailed/*.csv")}


def check_two_seeds(folder: Path, done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = result_lines(done)
    assert [line.split(":")[0] for line in lines] == ["#0 seed=0", "#1 seed=1"]
    for seed, line in enumerate(lines):
        assert "0 rejected, 0 unfinished; p99 TTFT" in line
        assert line.endswith(f"results/{seed}/{EVALUATED_FOLDER}/round_robin")
    assert {name.split("/")[1] for name in detailed(folder)} == {"0", "1"}


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of two runs that the basic launcher made in one process."""
    folder = tmp_path_factory.mktemp("basic")
    check_two_seeds(folder, start(folder, "--multirun", "seed=0,1", *EVALUATED))
    return folder


def test_a_run_of_a_multirun_equals_the_single_run(here: Path, tmp_path: Path) -> None:
    assert run_module("sim_core", "seed=1", *EVALUATED, cwd=tmp_path).returncode == 0
    single, several = detailed(tmp_path), detailed(here)
    assert len(single) == 2
    assert single.items() < several.items()


def test_joblib_gives_what_one_process_gives(here: Path, tmp_path: Path) -> None:
    done = start(tmp_path, "--multirun", "seed=0,1", *EVALUATED, "hydra/launcher=joblib")
    check_two_seeds(tmp_path, done)
    assert detailed(tmp_path) == detailed(here)


@pytest.mark.slow
def test_ray_on_this_machine_gives_what_one_process_gives(here: Path, tmp_path: Path) -> None:
    before, hosts = set(descendants(os.getpid())), set[str]()
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(start, tmp_path, "--multirun", "seed=0,1", *EVALUATED, "hydra/launcher=ray")
        while not run.done():
            hosts |= listening_hosts(descendants(os.getpid()).keys() - before)
            time.sleep(0.2)
    check_two_seeds(tmp_path, run.result())
    assert detailed(tmp_path) == detailed(here)
    assert hosts == {"127.0.0.1"}


@pytest.fixture
def ray_address() -> Iterator[dict[str, str]]:
    """The environment in which Ray finds a cluster that was started without the project's code."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = tempfile.mkdtemp(prefix="ray-")  # sockets need a short path
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32), "RAY_USAGE_STATS_ENABLED": "0"}
    command = [str(Path(sys.executable).parent / "ray"), "start", "--head", "--block", f"--port={port}", "--num-cpus=2",
               "--node-ip-address=127.0.0.1", f"--temp-dir={folder}", "--include-dashboard=false"]  # fmt: skip
    with (Path(folder) / "log").open("w") as log:
        surroundings = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | environment
        head = subprocess.Popen(command, cwd=folder, env=surroundings, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while "Ray runtime started" not in (Path(folder) / "log").read_text():
            assert head.poll() is None and time.monotonic() < deadline, (Path(folder) / "log").read_text()
            time.sleep(0.2)
        yield environment | {"RAY_ADDRESS": f"127.0.0.1:{port}"}
    finally:
        head.send_signal(signal.SIGTERM)
        head.wait(30)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.slow
def test_a_cluster_that_is_there_already_is_joined_and_gets_the_code_with_the_runs(
    here: Path, tmp_path: Path, ray_address: dict[str, str]
) -> None:
    joining = ["hydra/launcher=ray", "hydra.launcher.ray.init.address=auto"]
    check_two_seeds(tmp_path, start(tmp_path, "--multirun", "seed=0,1", *EVALUATED, *joining, **ray_address))
    assert detailed(tmp_path) == detailed(here)
    done = start(tmp_path, "--multirun", "seed=7,x", *joining, **ray_address)  # the cluster outlives the first multirun
    assert done.returncode == 2
    assert done.stderr.splitlines() == ["error: #1 seed=x: seed='x': must be a whole number"]


@pytest.mark.parametrize("launcher", ["basic", "joblib"])
def test_a_mistake_in_one_run_is_one_line_and_status_2_and_the_others_are_done(launcher: str, tmp_path: Path) -> None:
    done = start(tmp_path, "--multirun", "applications.0.scheduler=jsq,jqs,random", f"hydra/launcher={launcher}")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: #1 applications.0.scheduler=jqs: ")
    assert "did you mean 'jsq'" in line
    assert [text.split(":")[0] for text in result_lines(done)] == [
        "#0 applications.0.scheduler=jsq", "#2 applications.0.scheduler=random"
    ]  # fmt: skip
    assert {name.split("/")[-3] for name in detailed(tmp_path)} == {"jsq", "random"}


REFUSED = {
    "unknown key": (["--multirun", "seed=0,1", "aplications.0.scheduler=jsq"], "aplications.0.scheduler"),
    "unknown choice among several": (["--multirun", "cluster=dgx-a100,dgx-a101"], "did you mean 'dgx-a100'"),
    "unknown experiment": (["+experiment=splitwise_ha_isocots"], "did you mean 'splitwise_ha_isocost'"),
    "unknown launcher": (["--multirun", "seed=0,1", "hydra/launcher=rya"], "did you mean 'ray'"),
    "several runs without saying so": (["seed=0,1"], "these are 2 runs: add --multirun"),
    "an experiment without saying so": (["+experiment=isocost_cluster"], "these are 39 runs: add --multirun"),
    "interval": (["--multirun", "seed=interval(0,3)"], "range(start, stop, step)"),
    "empty range": (["--multirun", "seed=range(3,1)"], "no run"),
    "bad grammar": (["--multirun", "seed=[0"], "cannot read the override 'seed=[0'"),
    "no name for the folder": (["--multirun", "cluster.servers=[{sku: dgx-a100, count: 1}]"], "output_dir"),
    "unknown tracking": (["tracking=mlflw"], "did you mean 'mlflow'"),
    "unusable experiment's name": (["tracking=mlflow", "tracking.experiment=a/b"], "'a/b'"),
    "nobody at the cluster's address": (
        ["--multirun", "seed=0,1", "hydra/launcher=ray", "hydra.launcher.ray.init.address=127.0.0.1:1"],
        "hydra.launcher.ray.init.address='127.0.0.1:1': no Ray cluster answers there",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_a_mistake_in_all_of_it_is_one_line_and_status_2_before_anything_runs(name: str, tmp_path: Path) -> None:
    arguments, words = REFUSED[name]
    done = run_module("sim_core", *arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert words in done.stderr
    assert not detailed(tmp_path)


def test_the_warning_of_an_unsorted_trace_names_its_run(tmp_path: Path) -> None:
    header = "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n"
    (tmp_path / "odd.csv").write_text(header + "0,2,0,5,1,10,5\n1,2,0,1,1,10,5\n")
    odd = [f"trace.dir={tmp_path},traces/samples", "trace.filename=odd,test_trace"]
    done = start(tmp_path, "--multirun", *odd, "hydra/launcher=joblib")
    assert done.returncode == 2  # two of the four pairs are no file
    warnings = [line for line in done.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == 1
    assert warnings[0].startswith("warning: #0 ") and "sorted" in warnings[0]


@pytest.mark.slow  # MLflow is imported by three processes, and makes its database
def test_results_reach_mlflow_once_each_however_often_they_are_run(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    tracked = [*EVALUATED, "tracking=mlflow", "hydra/launcher=joblib"]
    notices = ["making the MLflow database mlflow.db: takes some seconds, once\n", "", ""]
    for arguments in (["--multirun", "seed=0,1", *tracked], ["seed=1", *tracked], ["seed=2", *tracked[:-1]]):
        done = start(tmp_path, *arguments, MLFLOW_TRACKING_URI=uri)
        assert (done.returncode, done.stderr) == (0, notices.pop(0))
        assert "in the experiment single-runs" in done.stdout
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("single-runs")
    assert experiment is not None
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.data.params["seed"] for run in runs) == ["0", "1", "2"]
    for run in runs:
        assert "mlflow.parentRunId" not in run.data.tags
        assert "tracking" not in run.data.params
        assert run.data.metrics["run/completed"] > 5
    run = next(run for run in runs if run.data.params["seed"] == "1")
    assert {"config.yaml", "requests.parquet"} <= {item.path for item in client.list_artifacts(run.info.run_id)}
    assert run.data.metrics["power/watts"] > 0
    assert (run.data.params["rate"], run.data.params["machines.dgx-a100"]) == ("2", "4")
    assert run.data.metrics["cost/dollars_per_hour"] == pytest.approx(4 * 17.68 + 38 * 38.08)


def test_the_experiments_name_can_be_chosen(tmp_path: Path, template: Path) -> None:
    shutil.copy(template, tmp_path / "mlflow.db")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    done = start(tmp_path, "tracking=mlflow", "tracking.experiment=mine", MLFLOW_TRACKING_URI=uri)
    assert done.returncode == 0, done.stderr
    assert MlflowClient(uri).get_experiment_by_name("mine") is not None


def test_a_store_that_does_not_answer_is_one_line_and_status_1_and_the_files_are_there(tmp_path: Path) -> None:
    done = start(tmp_path, "tracking=mlflow", MLFLOW_TRACKING_URI="http://127.0.0.1:1")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "127.0.0.1:1 does not answer" in line
    assert len(detailed(tmp_path)) == 2


def test_without_tracking_no_package_is_imported_that_only_tracking_needs(tmp_path: Path) -> None:
    script = (
        "import sys; sys.argv = ['sim_core', '--multirun', 'seed=0,1']\n"
        "from sweep.single.command import main\n"
        "status = main(); print(status, {'mlflow', 'pandas', 'pyarrow', 'ray'} & sys.modules.keys())"
    )
    surroundings = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, env=surroundings
    )
    assert done.stdout.splitlines()[-1] == "0 set()", done.stderr
