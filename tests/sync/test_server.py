"""A real tracking server on loopback, killed and started again in the middle; its address holds a password.

Slow: a server takes about five seconds of CPU to start.
"""

from __future__ import annotations

import shutil
import time

import pytest

from sync import SinkWriter, make_sink
from sync.__main__ import main
from sync.tracking.address import sqlite_uri
from tests.sync.servers import SECRET, free_port, mlflow_server
from tests.sync.stores import in_mlflow
from tests.sync.test_load import journal as keep

pytestmark = pytest.mark.slow


def test_a_server_that_dies_and_comes_back_has_every_run_once_and_no_secret(
    tmp_path, template, sweep, outcome, monkeypatch, capfd
):
    shutil.copy(template, tmp_path / "server.db")
    port, store = free_port(), sqlite_uri(tmp_path / "server.db")
    uri = f"http://ann:{SECRET}@127.0.0.1:{port}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    journal = {made.key: made for made in map(outcome, range(6))}
    first, second, third = (list(journal)[i : i + 2] for i in (0, 2, 4))

    with mlflow_server(tmp_path, port, store):
        writer = SinkWriter(make_sink("mlflow", tmp_path), sweep, journal.get, retry_s=0.1)
        writer.start()
        for key in first:
            writer.submit(journal[key])
        while writer.state().undelivered:
            time.sleep(0.01)
    for key in second:  # nobody answers
        writer.submit(journal[key])
    during = writer.close()
    assert (during.delivered, during.undelivered) == (2, tuple(second))
    assert during.error == f"http://ann:***@127.0.0.1:{port} does not answer (ConnectionError)"

    with mlflow_server(tmp_path, port, store):  # the next start of the sweep: what is in the journal, and new points
        again = SinkWriter(make_sink("mlflow", tmp_path), sweep, journal.get)
        again.start()
        for key in (*first, *second):
            again.submit_key(key)
        for key in third:
            again.submit(journal[key])
        after = again.close()
        keep(tmp_path, *journal.values())
        assert main(["--results", str(tmp_path), "verify", "quick start", "--tables"]) == 0
        stored = in_mlflow(tmp_path, uri)

    assert (after.delivered, after.undelivered, after.error) == (6, (), None)
    assert [run.key for run in stored] == list(journal)
    assert all(run.status == "completed" for run in stored)
    assert all(run.files["requests.parquet"] == journal[run.key].requests_parquet for run in stored)
    seen = repr((stored, during, after, capfd.readouterr()))
    assert SECRET not in seen


def test_a_server_that_asks_for_a_password_gets_it_and_nothing_is_written_without(
    tmp_path, template, sweep, outcome, monkeypatch, capfd
):
    """MLflow's own basic authentication."""
    shutil.copy(template, tmp_path / "server.db")
    (tmp_path / "auth.ini").write_text(
        f"[mlflow]\ndefault_permission = READ\ndatabase_uri = sqlite:///{tmp_path}/auth.db\n"
        f"admin_username = ann\nadmin_password = {SECRET}\n"
        "authorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    environment = {"MLFLOW_AUTH_CONFIG_PATH": str(tmp_path / "auth.ini"), "MLFLOW_FLASK_SERVER_SECRET_KEY": "of a test"}
    port, given = free_port(), outcome(1)
    store = sqlite_uri(tmp_path / "server.db")
    with mlflow_server(tmp_path, port, store, ["--app-name", "basic-auth"], environment):
        for uri, user, password, delivered in (
            (f"http://127.0.0.1:{port}", None, None, 0),
            (f"http://ann:not-the-password@127.0.0.1:{port}", None, None, 0),
            (f"http://ann:{SECRET}@127.0.0.1:{port}", None, None, 1),
            (f"http://127.0.0.1:{port}", "ann", SECRET, 1),
        ):
            monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
            for name, value in (("USERNAME", user), ("PASSWORD", password)):
                if value is not None:
                    monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
            writer = SinkWriter(make_sink("mlflow", tmp_path), sweep, {given.key: given}.get, retry_s=0.1)
            writer.start()
            writer.submit(given)
            done = writer.close()
            assert done.delivered == delivered
            assert (done.error is None) == bool(delivered)
            assert not {SECRET, "not-the-password"} & set(repr(done).replace("@", ":").split(":"))
        (stored,) = in_mlflow(tmp_path, uri)
    assert SECRET not in repr((stored, capfd.readouterr()))
