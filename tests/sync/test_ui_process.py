"""`python -m sync ui` is one process, and nothing of it is left however it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from sync.tracking.serve import LOOK_S
from tests.sync.servers import free_port

ROOT = Path(__file__).parents[2]
PAGE = b"this is the interface"
# The command as it is, with a small application in place of MLflow's, whose start takes seconds.
STUB = """
import sys
import sync.tracking.serve as serve

async def application(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"this is the interface"})

serve.web_application = lambda uri, artifacts: application
from sync.__main__ import main
sys.exit(main(sys.argv[1:]))
"""
# Starts the rest of its command line and then waits to be killed.
PARENT = "import subprocess, sys; subprocess.Popen(sys.argv[1:]).wait()"


def started(command: list[str], tmp_path: Path) -> tuple[subprocess.Popen[str], str, list[str]]:
    """The process group of a command that serves the interface, its address, and what it says until it is ready."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    process = subprocess.Popen(
        [*command, "--results", str(tmp_path), "ui", "--port", str(port)],
        cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    assert process.stdout is not None
    said = []
    for line in process.stdout:
        said.append(line)
        if line.startswith("ready on"):
            return process, f"http://127.0.0.1:{port}/", said
    raise AssertionError("".join(said))


def of_session(leader: int) -> list[int]:
    """The processes of a session that are no zombies."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:  # it has just ended
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(status.parent.name))
    return found


def left_of(leader: int) -> list[int]:
    """The processes of a session that do not end within seconds: one that has closed its output is there for a moment
    yet."""
    until_s = time.monotonic() + 10.0
    while (found := of_session(leader)) and time.monotonic() < until_s:
        time.sleep(0.02)
    return found


def end(process: subprocess.Popen[str]) -> str:
    """Wait until nobody has the output open any more, so until all processes of the group have ended; what was said."""
    assert process.stdout is not None
    rest = process.stdout.read()
    process.wait()
    process.stdout.close()
    return rest


def test_a_started_interface_is_one_process_that_logs_no_request_and_ends_by_sigterm(results, tmp_path):
    process, address, said = started([sys.executable, "-m", "sync"], results)
    for path in ("health", "", "ajax-api/2.0/mlflow/experiments/search?max_results=1"):
        with urllib.request.urlopen(address + path, timeout=60) as answer:
            assert answer.status == 200
    assert of_session(process.pid) == [process.pid]
    process.send_signal(signal.SIGTERM)
    assert end(process) == ""
    assert left_of(process.pid) == []
    assert len(said) == 2
    assert said[0].startswith("starting MLflow's interface of sqlite:///")
    assert said[1] == f"ready on {address} (Ctrl-C ends it)\n"


@pytest.mark.parametrize("way", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_whatever_ends_the_interface_nothing_listens_any_more(tmp_path, way):
    process, address, _ = started([sys.executable, "-c", STUB], tmp_path)
    with urllib.request.urlopen(address, timeout=60) as answer:
        assert answer.read() == PAGE
    process.send_signal(way)
    end(process)
    assert left_of(process.pid) == []
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", int(address.rpartition(":")[2].strip("/"))))


def test_the_interface_ends_with_the_process_that_started_it(tmp_path):
    process, _, _ = started([sys.executable, "-c", PARENT, sys.executable, "-c", STUB], tmp_path)
    assert len(of_session(process.pid)) == 2
    process.kill()
    end(process)
    assert left_of(process.pid) == []


def test_under_nohup_the_interface_outlives_the_process_that_started_it(tmp_path):
    parent = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); {PARENT}"
    process, address, _ = started([sys.executable, "-c", parent, sys.executable, "-c", STUB], tmp_path)
    (served,) = set(of_session(process.pid)) - {process.pid}
    process.kill()
    process.wait()
    time.sleep(4 * LOOK_S)  # until it has looked for its parent
    with urllib.request.urlopen(address, timeout=60) as answer:
        assert answer.read() == PAGE
    os.kill(served, signal.SIGTERM)
    end(process)
