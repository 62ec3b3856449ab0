"""Launchers run points that are added while they run: from the loop that receives outcomes, and from another thread."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from sweep.experiment.point import Outcome, project_root
from sweep.launch.backlog import Backlog
from sweep.launch.base import Launcher
from sweep.launch.interrupt import Interrupts
from sweep.launch.ray_launcher import RayLauncher
from sweep.launch.serial import SerialLauncher
from sync.results.journal import Journal
from tests.sweep.fake_planner import Bisections, plan_with, rate_below
from tests.sweep.points import points_of
from traces.workload import TraceRef

ROOT = project_root()
LAUNCHERS = [
    pytest.param(lambda: SerialLauncher(ROOT), id="serial"),
    pytest.param(lambda: RayLauncher(jobs=2), id="ray", marks=pytest.mark.slow),
]


@contextmanager
def started(make: Callable[[], Launcher]) -> Iterator[tuple[Launcher, Interrupts]]:
    with Interrupts() as interrupts, make() as launcher:
        yield launcher, interrupts


@pytest.mark.parametrize("make", LAUNCHERS)
def test_points_that_are_added_when_outcomes_come_are_run_and_none_twice(
    make: Callable[[], Launcher], tiny: str
) -> None:
    points = points_of(tiny)
    points[2] = replace(points[2], trace=TraceRef("gone", "traces/samples", 0))
    backlog, outcomes = Backlog(points[:1]), list[Outcome]()
    with started(make) as (launcher, interrupts):
        for outcome in launcher.outcomes(backlog, interrupts):
            outcomes.append(outcome)
            if len(outcomes) == 1:
                backlog.add(points[:3])  # the first of them is done
            elif len(outcomes) == 3:
                backlog.add(points)
                backlog.close()
        assert launcher.running == 0
    status_of = {outcome.key: outcome.status for outcome in outcomes}
    assert len(outcomes) == len(status_of) == 4
    assert [status_of[point.key] for point in points] == ["completed", "completed", "failed", "completed"]


@pytest.mark.parametrize("make", LAUNCHERS)
def test_a_launcher_waits_for_points_of_another_thread(make: Callable[[], Launcher], tiny: str) -> None:
    points = points_of(tiny)
    backlog, come = Backlog(), threading.Semaphore(0)

    def plan() -> None:
        for point in points:
            backlog.add([point])
            come.acquire()
        backlog.close()

    planner = threading.Thread(target=plan)
    outcomes = []
    with started(make) as (launcher, interrupts):
        planner.start()
        for outcome in launcher.outcomes(backlog, interrupts):
            outcomes.append(outcome)
            come.release()
        planner.join()
    assert [outcome.key for outcome in outcomes] == [point.key for point in points]


@pytest.mark.parametrize("make", LAUNCHERS)
def test_ctrl_c_ends_a_launcher_that_waits_for_points(make: Callable[[], Launcher], tiny: str) -> None:
    backlog: Backlog = Backlog(points_of(tiny)[:1])
    with started(make) as (launcher, interrupts):
        outcomes = launcher.outcomes(backlog, interrupts)
        assert next(outcomes).status == "completed"
        ctrl_c = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT))
        ctrl_c.start()
        assert list(outcomes) == []
        ctrl_c.join()
    assert interrupts.requested
    assert not backlog.ended


@pytest.mark.slow
def test_ray_runs_what_a_planner_wants_and_gives_up_what_runs_when_it_is_done(tiny: str, tmp_path: Path) -> None:
    points = points_of(tiny, "rate=range(1,16)")
    searches = {"even": [[point] for point in points[::2]], "odd": [[point] for point in points[1::2]]}
    planner = Bisections(searches, rate_below(6.0))
    with Journal(tmp_path / "planned") as journal:
        ended = plan_with(planner, journal, tiny, RayLauncher(jobs=2))
        again = Bisections(searches, rate_below(6.0))
        plan_with(again, journal, tiny, SerialLauncher(ROOT))
    assert planner.answers() == again.answers() == {"even": 2, "odd": 1}
    assert {outcome.key for outcome in ended.outcomes} == planner.outcomes.keys() == journal.keys()
    assert (ended.missing, ended.interrupted, len(ended.failed)) == (0, False, 0)
