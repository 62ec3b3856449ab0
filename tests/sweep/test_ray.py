"""Sweeps on real Ray clusters on this machine, whose processes are killed.

Slow: a cluster takes some seconds of CPU to start. Each test has one of its own, as it ends or breaks it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sweep.experiment.expand import expand
from sweep.experiment.file import parse_experiment
from sweep.experiment.plugins import with_plugins
from sweep.experiment.point import project_root
from sweep.launch.backlog import Backlog
from sweep.launch.interrupt import Interrupts
from sweep.launch.ray_environment import OF_WORKERS
from sweep.launch.ray_launcher import RayLauncher
from sweep.launch.worker import run_point
from sync.results.journal import Journal
from tests.faults.clusters import descendants, free_port, listening_hosts, wait_for
from tests.sweep.points import points_of
from traces.workload import TraceRef

pytestmark = pytest.mark.slow
ROOT = project_root()
Writer = Callable[[str], Path]


Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start_sweep() -> Iterator[Start]:
    """Starts the command line in a process group of its own, as a shell does; none outlives the test."""
    started: list[subprocess.Popen[str]] = []

    def start(file: Path, results: Path, *options: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "sweep", str(file), "--sink", "none", "--results", str(results), *options]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen(command, cwd=ROOT, text=True, start_new_session=True, **pipes))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def finished_entries(results: Path) -> dict[str, int]:
    return {path.stem: path.stat().st_mtime_ns for path in results.glob("long/points/*.json")}


def assert_whole(results: Path, text: str) -> None:
    """Every point is in the journal, sound, and equal to a run in this process."""
    points = points_of(text)
    journal = Journal(results / "long")
    outcomes = [journal.read(point.key) for point in points]
    assert [o.status if o else None for o in outcomes] == ["completed"] * len(points)
    assert {p.stem for p in results.glob("long/points/*.json")} == {p.key for p in points}
    first = outcomes[0]
    assert first is not None
    assert first.requests_parquet == run_point(points[0], ROOT).requests_parquet


def test_ray_gives_what_this_process_gives_and_a_point_that_raises_is_one_failed_outcome(tiny: str) -> None:
    points, before = points_of(tiny), set(descendants(os.getpid()))
    points[1] = replace(points[1], trace=TraceRef("gone", "traces/samples", 0))
    with Interrupts() as interrupts, RayLauncher(jobs=2) as launcher:
        outcomes = {o.key: o for o in launcher.outcomes(Backlog.of(points), interrupts)}
        assert launcher.running == 0
    assert [outcomes[p.key].status for p in points] == ["completed", "failed", "completed", "completed"]
    assert "gone.csv" in (outcomes[points[1].key].error or "")
    here = run_point(points[3], ROOT)
    assert outcomes[points[3].key].requests_parquet == here.requests_parquet
    assert outcomes[points[3].key].summary == here.summary
    assert set(descendants(os.getpid())) <= before, "Ray's processes are still there"


def test_a_plugin_travels_to_the_workers_with_its_points(tiny: str, tmp_path: Path) -> None:
    file = tmp_path / "of_a_user.py"
    file.write_text(
        "from sim_core.scheduling.base import Placement, Scheduler\n"
        "class Last(Scheduler):\n"
        "    def place(self, request, view):\n"
        "        assert request.index < 8, 'nine are too many'\n"
        "        return Placement(view.replicas[-1], view.replicas[-1])\n"
        "SCHEDULERS = {'last': Last}\n"
    )
    text = tiny.replace("scheduler: token_jsq", "scheduler: last").replace("servers.1.count: 1", "servers.1.count: 2")
    experiment = with_plugins(parse_experiment(text, "x.yaml"), [file], lambda line: None)
    points = expand(experiment, [], ROOT)
    file.unlink()
    with Interrupts() as interrupts, RayLauncher(jobs=2) as launcher:
        outcomes = {o.key: o for o in launcher.outcomes(Backlog.of(points), interrupts)}
    here = [run_point(point, ROOT) for point in points]
    assert [outcomes[p.key].requests_parquet for p in points] == [outcome.requests_parquet for outcome in here]
    failed = [outcome for outcome in outcomes.values() if outcome.status == "failed"]
    assert 0 < len(failed) < len(points)
    for outcome in failed:
        reason = "PluginError: of_a_user.py, line 4: AssertionError: nine are too many"
        assert (outcome.error or "").splitlines()[0].endswith(reason)


def test_a_killed_worker_is_replaced_and_its_point_run_again(long: str) -> None:
    points = points_of(long)
    killed: list[int] = []

    def busy_worker() -> int:
        return next((pid for pid, line in descendants(os.getpid()).items() if line.startswith("ray::_run")), 0)

    with Interrupts() as interrupts, RayLauncher(jobs=1) as launcher:
        outcomes = []
        for outcome in launcher.outcomes(Backlog.of(points), interrupts):
            outcomes.append(outcome)
            if len(killed) < 2:  # another one is already under way
                pid = wait_for(busy_worker, "busy worker")
                os.kill(pid, signal.SIGKILL)
                killed.append(pid)
    assert len(set(killed)) == 2
    assert [o.status for o in outcomes] == ["completed"] * len(points)
    assert sorted(o.key for o in outcomes) == sorted(p.key for p in points)


def test_a_sweep_on_a_ray_of_its_own_listens_on_loopback_alone(
    long: str, write_experiment: Writer, tmp_path: Path, start_sweep: Start
) -> None:
    process = start_sweep(write_experiment(long), tmp_path / "results", "--jobs", "1")
    wait_for(lambda: len(finished_entries(tmp_path / "results")) >= 1, "finished point")
    # between two points a worker has another name for a moment
    wait_for(lambda: any(line.startswith("ray::_run") for line in descendants(process.pid).values()), "busy worker")
    parts = descendants(process.pid)
    assert any("gcs_server" in line for line in parts.values())
    assert listening_hosts([process.pid, *parts]) == {"127.0.0.1"}


def test_a_killed_driver_loses_and_doubles_nothing(
    long: str, write_experiment: Writer, tmp_path: Path, start_sweep: Start
) -> None:
    file, results = write_experiment(long), tmp_path / "results"
    first = start_sweep(file, results)
    wait_for(lambda: len(finished_entries(results)) >= 2, "finished point")
    workers = [
        pid for pid, line in descendants(first.pid).items() if line.startswith("ray::_run") or "raylet/raylet" in line
    ]
    first.kill()
    first.communicate()
    before = finished_entries(results)
    assert 2 <= len(before) < 6
    second = start_sweep(file, results)
    printed, complaints = second.communicate(timeout=240)
    assert second.returncode == 0, complaints
    assert "6 completed" in printed
    assert "finished before" in printed
    assert before.items() <= finished_entries(results).items(), "a finished point was run again"
    assert_whole(results, long)
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers), "end of the first cluster")


def test_ctrl_c_keeps_what_is_finished_and_the_same_command_goes_on(
    long: str, write_experiment: Writer, tmp_path: Path, start_sweep: Start
) -> None:
    file, results = write_experiment(long), tmp_path / "results"
    first = start_sweep(file, results)
    wait_for(lambda: len(finished_entries(results)) >= 1, "finished point")
    os.killpg(first.pid, signal.SIGINT)  # a terminal sends it to the whole group
    printed, complaints = first.communicate(timeout=120)
    assert first.returncode == 130, complaints
    assert "the same command goes on from there" in complaints
    assert "Traceback" not in printed + complaints
    before = finished_entries(results)
    assert 1 <= len(before) < 6
    assert f"{len(before)} completed, 0 failed" in printed
    second = start_sweep(file, results)
    printed, complaints = second.communicate(timeout=240)
    assert second.returncode == 0, complaints
    assert before.items() <= finished_entries(results).items(), "a finished point was run again"
    assert_whole(results, long)


def test_of_two_sweeps_at_once_the_second_is_refused_and_the_first_finishes(
    long: str, write_experiment: Writer, tmp_path: Path, start_sweep: Start
) -> None:
    file, results = write_experiment(long), tmp_path / "results"
    first = start_sweep(file, results, "--limit", "3")
    wait_for(lambda: (results / "long" / "sweep.json").exists(), "first sweep")
    second = start_sweep(file, results, "--local")
    _, complaints = second.communicate(timeout=120)
    assert second.returncode == 1
    assert f"another sweep (process {first.pid}) is writing here" in complaints
    printed, complaints = first.communicate(timeout=240)
    assert first.returncode == 0, complaints
    assert "3 completed, 0 failed" in printed


def test_an_address_that_nobody_answers_at_is_one_line_and_status_2(
    tiny: str, write_experiment: Writer, tmp_path: Path, start_sweep: Start
) -> None:
    process = start_sweep(write_experiment(tiny), tmp_path / "results", "--address", "127.0.0.1:1")
    printed, complaints = process.communicate(timeout=240)
    assert process.returncode == 2, complaints
    assert complaints.strip().splitlines()[-1].startswith("error: --address='127.0.0.1:1': no Ray cluster")
    assert printed == ""


def test_points_run_on_the_nodes_of_a_cluster_that_is_there_already_and_it_stays(tiny: str) -> None:
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        cluster.add_node(num_cpus=1)
        points = points_of(tiny)
        for _ in range(2):  # it is there for a second sweep as well
            with Interrupts() as interrupts, RayLauncher(address=cluster.address) as launcher:
                outcomes = {o.key: o for o in launcher.outcomes(Backlog.of(points), interrupts)}
            assert [outcomes[p.key].status for p in points] == ["completed"] * 4
        assert outcomes[points[2].key].summary == run_point(points[2], ROOT).summary
    finally:
        cluster.shutdown()


def test_a_cluster_that_asks_for_a_token_says_so_in_one_line_and_status_2(
    tiny: str,
    write_experiment: Writer,
    tmp_path: Path,
    start_sweep: Start,
    cluster_with_token: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for mode in ("disabled", "token"):  # with none, and then without a file that has one
        monkeypatch.setenv("RAY_AUTH_MODE", mode)
        process = start_sweep(write_experiment(tiny), tmp_path / "results", "--address", cluster_with_token)
        _, complaints = process.communicate(timeout=240)
        assert process.returncode == 2, complaints
        (line,) = [line for line in complaints.splitlines() if not line.startswith("preparing points")]
        assert "authentication failed" in line
        assert "RAY_AUTH_MODE=token" in line


@pytest.fixture
def cluster_with_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home = tmp_path_factory.mktemp("home")
    (home / ".ray").mkdir()
    (home / ".ray" / "auth_token").write_text("a" * 40)
    with tempfile.TemporaryDirectory(prefix="r") as folder:  # sockets want short paths
        address = f"127.0.0.1:{free_port()}"
        command = [str(Path(sys.executable).with_name("ray")), "start", "--head", "--block", "--num-cpus=1"]
        command += [f"--port={address.split(':')[1]}", "--include-dashboard=false", f"--temp-dir={folder}"]
        environment = {**os.environ, "HOME": str(home), "RAY_AUTH_MODE": "token"}
        head = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            wait_for(lambda: list(Path(folder).glob("session_*/sockets/raylet*")), "cluster")
            yield address
        finally:
            head.terminate()
            head.wait(60)


def test_a_killed_node_leaves_the_screen_to_lines_of_ours(
    long: str, write_experiment: Writer, tmp_path: Path, start_sweep: Start
) -> None:
    process = start_sweep(write_experiment(long), tmp_path / "results")
    wait_for(lambda: len(finished_entries(tmp_path / "results")) >= 1, "finished point")
    (raylet,) = [pid for pid, line in descendants(process.pid).items() if "raylet/raylet" in line.split(" ")[0]]
    os.kill(raylet, signal.SIGKILL)
    _, complaints = process.communicate(timeout=240)
    assert process.returncode == 1, complaints
    # "Ray is gone" if the driver hears of it before it has given up its points.
    ours = ("preparing points", "runs ", "error: Ray is gone (")
    assert all(line.startswith(ours) for line in complaints.splitlines()), complaints


def _environment() -> dict[str, str]:
    return dict(os.environ)


@pytest.mark.slow
def test_what_ray_is_told_by_the_environment_reaches_workers_and_is_gone_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("NPY_ENABLE_CPU_FEATURES", "AVX2")  # with which numpy would not start beside ours
    before = dict(os.environ)
    with RayLauncher(jobs=1):
        import ray  # which must not be imported before

        assert "RAY_BACKEND_LOG_LEVEL" in os.environ
        assert ray.get(ray.remote(_environment).remote()).items() >= OF_WORKERS.items()
    rays_own = {"PYTHONBREAKPOINT", "RAY_AUTH_MODE", "RAY_CLIENT_MODE"}
    assert {name: value for name, value in os.environ.items() if name not in rays_own} == {
        name: value for name, value in before.items() if name not in rays_own
    }
