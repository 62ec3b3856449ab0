"""Sweeps without a terminal: handed over to a cluster as a job, watched from elsewhere, stopped.

Slow: they need a cluster with its dashboard, which takes most of the time to start.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim_core.compilation import form
from sweep.status import status_command
from sync.results.journal import Journal
from tests.faults.clusters import ROOT, cluster, descendants, experiment, wait_for

pytestmark = pytest.mark.slow


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are not to outlive the test."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in processes:
        if process.poll() is None:
            process.kill()
            process.communicate()


def entries(results: Path) -> set[str]:
    return {path.stem for path in results.glob("faults/points/*.json")}


def test_a_sweep_handed_over_as_a_job_runs_on_its_own_and_can_be_stopped_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "faults.yaml").write_text(experiment("range(60, 70)"))
    results = tmp_path / "results"
    ray = str(Path(sys.executable).with_name("ray"))
    with cluster(2, dashboard=True) as made:
        at = ["--address", f"http://{made.dashboard}"]
        environment = {**os.environ, "RAY_AUTH_MODE": "disabled", "RAY_RUNTIME_ENV_IGNORE_GITIGNORE": "1"}

        def ask(*arguments: str) -> str:
            asked = subprocess.run(
                [ray, "job", *arguments], env=environment, capture_output=True, text=True, check=False
            )
            if "No available agent" in asked.stdout + asked.stderr:  # the head's agent starts after its dashboard
                return ""
            assert asked.returncode == 0, asked.stdout + asked.stderr
            return asked.stdout

        def submit(name: str) -> None:
            sweep = [sys.executable, "-m", "sweep", str(tmp_path / "faults.yaml"), "--address", "auto"]
            sweep += ["--results", str(results), "--sink", "none"]
            job = ["--no-wait", "--submission-id", name, f"--working-dir={ROOT}", "--", *sweep]
            wait_for(lambda: ask("submit", *at, *job), "agent that takes the job")

        def api(path: str, method: str = "GET") -> dict[str, object]:
            """What `ray job stop` and `ray job status` call; their own start may take as long as the sweep."""
            address = f"http://{made.dashboard}/api/jobs/{path}"
            with urllib.request.urlopen(urllib.request.Request(address, method=method)) as response:
                answer: dict[str, object] = json.load(response)
                return answer

        submit("first")
        wait_for(lambda: len(entries(results)) >= 2, "finished point")
        assert api("first/stop", "POST") == {"stopped": True}
        wait_for(lambda: api("first")["status"] == "STOPPED", "end of the first job")
        before = entries(results)
        assert 2 <= len(before) < 10
        submit("second")
        wait_for(lambda: api("second")["status"] == "SUCCEEDED", "end of the job")
        assert len(entries(results)) == 10
        assert before <= entries(results)
        cores = {outcome.core for outcome in Journal(results / "faults").outcomes().values()}
        assert cores == {form().text}, "the job has another core than this checkout"
        assert "of them finished before" in ask("logs", *at, "second")


def test_the_state_of_a_sweep_is_told_while_it_runs_and_a_second_ctrl_c_ends_it_on_the_spot(
    tmp_path: Path, started: list[subprocess.Popen[str]], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "faults.yaml").write_text(experiment("60, 61", "rr_conv_${rate}_60min"))
    command = [sys.executable, "-m", "sweep", str(tmp_path / "faults.yaml"), "--sink", "none", "--local"]
    command += ["--results", str(tmp_path / "results")]
    process = subprocess.Popen(command, cwd=ROOT, text=True, stderr=subprocess.PIPE, start_new_session=True)
    started.append(process)
    wait_for(lambda: (tmp_path / "results" / "faults" / "status.json").exists(), "sweep under way")
    assert status_command(["--results", str(tmp_path / "results")]) == 0
    told = capsys.readouterr().out
    assert f"runs (process {process.pid})" in told
    for _ in range(2):
        process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert status_command(["faults", "--results", str(tmp_path / "results")]) == 0
    assert "not complete: start it again" in capsys.readouterr().out
    assert not descendants(process.pid)
