"""What all tests share: an MLflow store to copy, and which tests run in one worker.

`make test` runs tests on all cores with pytest-xdist. A worker takes one test after the other, so a test may depend on
no other test's order, files or environment. Tests of one group run in one worker:

- `xdist_group("ray")`: tests that start a Ray cluster. Two clusters at once would starve each other of cores.
- Tests that share a fixture of their module, so that it is made once.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def pytest_itemcollected(item: pytest.Item) -> None:
    """Put tests that use a fixture of module scope into the group of their module, unless they have a group."""
    if item.get_closest_marker("xdist_group") is None and isinstance(item, pytest.Function):
        fixtures = item._fixtureinfo.name2fixturedefs.values()
        if any(definitions[-1].scope == "module" for definitions in fixtures):
            item.add_marker(pytest.mark.xdist_group(item.nodeid.partition("::")[0]))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database, made once for all workers: MLflow takes some seconds to make one. Tests copy it."""
    from sync.tracking.store import initialise_sqlite

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of the whole run; each worker has a folder of its own in it
    initialise_sqlite(folder / "template" / "mlflow.db", folder / "template" / "mlartifacts")  # unless it is there
    return folder / "template" / "mlflow.db"
