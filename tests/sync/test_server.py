"""A real tracking server on loopback, killed and started again in the middle; its address holds a password."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest

from sync import SinkWriter, make_sink
from sync.tracking import sqlite_uri
from tests.sync.stores import in_mlflow

pytestmark = pytest.mark.slow
SECRET = "s3cret-pass-phrase"


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextmanager
def server(folder, port):
    """A tracking server in a process group of its own, which is killed at the end."""
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *(
            "--backend-store-uri",
            sqlite_uri(folder / "server.db"),
            "--artifacts-destination",
            str(folder / "artifacts"),
        ),
    ]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, cwd=folder, start_new_session=True)
    try:
        wait_for(f"http://127.0.0.1:{port}/health", process)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(url, process):
    for _ in range(600):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            assert process.poll() is None
            time.sleep(0.1)
    raise AssertionError("the server does not answer")


def test_a_server_that_dies_and_comes_back_has_every_run_once_and_no_secret(
    tmp_path, template, port, sweep, outcome, monkeypatch, capfd
):
    shutil.copy(template, tmp_path / "server.db")
    uri = f"http://ann:{SECRET}@127.0.0.1:{port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    journal = {made.key: made for made in map(outcome, range(6))}
    first, second, third = (list(journal)[i : i + 2] for i in (0, 2, 4))

    with server(tmp_path, port):
        writer = SinkWriter(make_sink("mlflow", tmp_path), sweep, journal.get, retry_s=0.1)
        writer.start()
        for key in first:
            writer.submit(journal[key])
        while writer.state().waiting:
            time.sleep(0.01)
    for key in second:  # nobody answers
        writer.submit(journal[key])
    during = writer.close()
    assert (during.delivered, during.undelivered) == (2, tuple(second))
    assert during.error == f"http://ann:***@127.0.0.1:{port} does not answer (ConnectionError)"

    with server(tmp_path, port):  # the next start of the sweep: what is in the journal, and new points
        again = SinkWriter(make_sink("mlflow", tmp_path), sweep, journal.get)
        again.start()
        for key in (*first, *second):
            again.submit_key(key)
        for key in third:
            again.submit(journal[key])
        after = again.close()
        stored = in_mlflow(tmp_path, uri)

    assert (after.delivered, after.undelivered, after.error) == (6, (), None)
    assert [run.key for run in stored] == list(journal)
    assert all(run.status == "completed" for run in stored)
    assert all(run.files["requests.parquet"] == journal[run.key].requests_parquet for run in stored)
    seen = repr((stored, during, after, capfd.readouterr()))
    assert SECRET not in seen
