"""What all tests share: an MLflow store to copy, and which tests run in one worker.

`make test` runs tests on all cores with pytest-xdist. A worker takes one test after the other, so a test may depend on
no other test's order, files or environment. The tests of a file run in one worker, which makes their fixtures once. The
files that start Ray clusters run in one worker, too: two clusters at once would starve each other of cores. Files are
handed out in order, in which Ray's come early enough for all others to fit beside them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sim_core.compilation import form

if TYPE_CHECKING:
    from xdist.scheduler import LoadScopeScheduling

# The beginnings of the paths of tests that start Ray clusters.
RAY = (
    "tests/faults/", "tests/sim_core/test_multirun.py", "tests/sweep/test_growing.py", "tests/sweep/test_quickstart.py",
    "tests/sweep/test_ray.py",
)  # fmt: skip


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """A scheduler that hands out whole files, and all files in RAY as one.

    The mark `xdist_group` would be shorter, but has no effect: pytest 9.2 ignores the attribute that xdist 3.8 sets.
    """
    from xdist.scheduler import LoadScopeScheduling

    class FilesOrRay(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "ray" if nodeid.startswith(RAY) else nodeid.partition("::")[0]

    config.option.loadscopereorder = False
    return FilesOrRay(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With a compiled core leave out the tests marked `plain`: `make test` runs them with the plain one."""
    if form().is_compiled:
        plain = [item for item in items if item.get_closest_marker("plain")]
        config.hook.pytest_deselected(items=plain)
        items[:] = [item for item in items if item not in plain]


@pytest.fixture(autouse=True)
def wide_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Command lines print each sentence in one line, so that tests can look for it; tests of widths set their own."""
    monkeypatch.setenv("COLUMNS", "1000")


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty MLflow database, made once for all workers: MLflow takes some seconds to make one. Tests copy it."""
    from sync.tracking.store import initialise_sqlite

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # of the whole run; each worker has a folder of its own in it
    initialise_sqlite(folder / "template" / "mlflow.db", folder / "template" / "mlartifacts")  # unless it is there
    return folder / "template" / "mlflow.db"
