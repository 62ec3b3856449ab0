"""MLflow's store in a real PostgreSQL, killed and started again in the middle; its address holds a password.

Slow: a database and MLflow's tables in it are made.
"""

from __future__ import annotations

import time

import pytest

from sync import SinkWriter, load_sweep, make_sink
from sync.__main__ import main
from sync.results.privacy import scrub
from tests.sync.servers import SECRET, PostgreSQL, postgresql_programs
from tests.sync.stores import in_mlflow
from tests.sync.test_load import journal as keep

pytestmark = pytest.mark.slow


@pytest.fixture
def database():
    made = PostgreSQL(postgresql_programs())
    made.start()
    yield made
    made.remove()


def test_a_database_that_dies_and_comes_back_has_every_run_once_and_no_secret(
    tmp_path, database, sweep, outcome, monkeypatch, capfd
):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database.uri)
    journal = {made.key: made for made in map(outcome, range(6))}
    keep(tmp_path, *journal.values())
    first, second, third = (list(journal)[i : i + 2] for i in (0, 2, 4))

    writer = SinkWriter(make_sink("mlflow", tmp_path), sweep, journal.get, retry_s=0.1)
    writer.start()
    for key in first:
        writer.submit(journal[key])
    while writer.state().undelivered:
        time.sleep(0.01)
    database.kill()
    for key in second:
        writer.submit(journal[key])
    while not writer.state().failures:
        time.sleep(0.01)
    database.start()
    for key in third:
        writer.submit(journal[key])
    done = writer.close()

    assert (done.delivered, done.undelivered) == (6, ())
    stored = in_mlflow(tmp_path, database.uri)
    assert [run.key for run in stored] == list(journal)
    assert main(["--results", str(tmp_path), "verify", "quick start", "--tables"]) == 0
    assert len(load_sweep("quick start", tmp_path, "mlflow").runs) == 6
    told = capfd.readouterr()
    assert SECRET not in repr((stored, done, told))
    assert SECRET not in scrub(done.error or "")
