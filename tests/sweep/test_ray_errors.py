"""What Ray says of clusters that cannot be used, in our words."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import ray

from sim_core.errors import SpecError
from sweep.experiment.expand import expand
from sweep.experiment.file import parse_experiment
from sweep.experiment.point import Point, project_root
from sweep.launch.backlog import Backlog
from sweep.launch.base import LauncherError
from sweep.launch.ray_launcher import RayLauncher, _owner_alone


@pytest.fixture
def point(tiny: str) -> Point:
    return expand(parse_experiment(tiny, "tiny.yaml"), ["rate=1"], project_root())[0]


def raising(error: Exception) -> Callable[..., object]:
    def call(*_: object, **__: object) -> object:
        raise error

    return call


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            RuntimeError(
                "Version mismatch: The cluster was started with:\n    Ray: 2.1.0\n    Python: 3.10.2\nThis process"
            ),
            "Version mismatch: The cluster was started with: Ray: 2.1.0 Python: 3.10.2 This process: install the same",
        ),
        (ConnectionError("nobody there\nand more"), "no Ray cluster: nobody there"),
        (RuntimeError("invalid authentication token"), "authentication failed: this cluster asks for a token"),
        (ValueError(), "no Ray cluster: ValueError"),
    ],
)
def test_a_cluster_that_cannot_be_joined_is_one_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    monkeypatch.setattr(ray, "init", raising(error))
    with pytest.raises(SpecError, match=said) as refused, RayLauncher("auto"):
        pass
    assert "\n" not in str(refused.value)


def test_a_node_without_a_package_ends_the_sweep_with_its_name(monkeypatch: pytest.MonkeyPatch, point: Point) -> None:
    error = ray.exceptions.RaySystemError("No module named 'pyarrow'\nModuleNotFoundError: No module named 'pyarrow'")
    monkeypatch.setattr(ray, "get", raising(error))
    with pytest.raises(LauncherError, match=r"a node lacks what points need \(ModuleNotFoundError: .*'pyarrow'\)"):
        RayLauncher()._fetch(None, (point,), Backlog([]))


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (ray.exceptions.WorkerCrashedError(), 4),
        (ray.exceptions.NodeDiedError("node died"), 21),
        (ray.exceptions.OutOfMemoryError("no memory"), 6),
    ],
)
def test_a_point_that_is_always_lost_is_one_failed_outcome_in_the_end(
    monkeypatch: pytest.MonkeyPatch, point: Point, error: Exception, lost: int
) -> None:
    monkeypatch.setattr(ray, "get", raising(error))

    def clock() -> Iterator[float]:
        now_s = 0.0
        while True:
            yield (now_s := now_s + 100.0)

    ticks = clock()
    launcher, backlog = RayLauncher(), Backlog([point], lambda: next(ticks))
    for _ in range(lost - 1):
        assert launcher._fetch(None, backlog.next_task(1), backlog) == []
    (outcome,) = launcher._fetch(None, backlog.next_task(1), backlog)
    assert (outcome.status, outcome.key, len(backlog)) == ("failed", point.key, 0)
    assert (outcome.error or "").startswith(type(error).__name__)


def test_what_ray_makes_while_it_starts_is_its_owners_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text("a" * 40)
    token.chmod(0o644)  # as Ray makes it
    before = os.umask(0o022)
    try:
        with _owner_alone():
            (tmp_path / "log").touch()
        (tmp_path / "later").touch()
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in (".ray/auth_token", "log", "later")]
    assert modes == [0o600, 0o600, 0o644]
