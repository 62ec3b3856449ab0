"""Sweeps whose points are decided while they run: resumed, killed, interrupted, with failing points and planners."""

from __future__ import annotations

import io
import json
import os
import signal
from collections.abc import Generator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from sweep.experiment.file import same_experiment
from sweep.experiment.point import Outcome, Point, failed_outcome, project_root
from sweep.launch.backlog import Backlog
from sweep.launch.interrupt import Interrupts
from sweep.launch.serial import SerialLauncher
from sweep.launch.worker import run_point
from sweep.status import status_command
from sync.results.counts import has_counts
from sync.results.journal import Journal
from sync.results.outcome import SweepInfo
from sync.results.slo import PAPER, Slo
from sync.results.sweep import Sweep
from sync.tracking.writer import SinkWriter
from tests.forked import run_module
from tests.sweep.conftest import TINY
from tests.sweep.fake_planner import Bisections, Kept, Recording, Silent, info_of, plan_with, rate_below
from tests.sweep.points import points_of

ROOT = project_root()
NEEDED = {8.0, 4.0, 6.0, 5.0}  # rates that a bisection of 1 to 15 looks at, if 6 is the first that is not carried


TEXT = TINY.replace("1, 2, 3, 4", "range(1, 16)").replace("name: tiny", "name: planned")


@pytest.fixture
def text() -> str:
    return TEXT


@pytest.fixture(scope="module")
def points() -> list[Point]:
    return points_of(TEXT)


def bisection(points: list[Point], first_beyond: float = 6.0) -> Bisections:
    return Bisections({"one": [[point] for point in points]}, rate_below(first_beyond))


class Forbidden(SerialLauncher):
    """Fails the test when it is started."""

    def __enter__(self) -> Forbidden:
        raise AssertionError("nothing is left to run")


class Failing(SerialLauncher):
    """Points of some rates fail."""

    def __init__(self, rates: set[float]) -> None:
        super().__init__(ROOT)
        self._rates = rates

    def outcomes(self, backlog: Backlog, interrupts: Interrupts) -> Generator[Outcome, None, None]:
        while point := backlog.next_point():
            fails = point.rate in self._rates
            yield failed_outcome(point, "planted", version="0") if fails else run_point(point, ROOT)


class Interrupted(SerialLauncher):
    """A signal comes after the second outcome."""

    def outcomes(self, backlog: Backlog, interrupts: Interrupts) -> Generator[Outcome, None, None]:
        for number, outcome in enumerate(super().outcomes(backlog, interrupts), 1):
            yield outcome
            if number == 2:
                os.kill(os.getpid(), signal.SIGTERM)


def test_points_are_run_as_the_planner_wants_them_and_the_rest_of_the_grid_is_not(
    points: list[Point], text: str, tmp_path: Path
) -> None:
    planner, writer = bisection(points), Silent()
    with Journal(tmp_path / "planned") as journal:
        ended = plan_with(planner, journal, text, Recording(tmp_path / "runs"), writer=writer)
        assert journal.keys() == set(writer.submitted) == planner.outcomes.keys()
    assert planner.answers() == {"one": 4}
    assert {outcome.rate for outcome in ended.outcomes} == NEEDED
    assert [outcome.index for outcome in ended.outcomes] == sorted(outcome.index for outcome in ended.outcomes)
    assert (ended.reused, ended.missing, ended.interrupted, ended.cut_off) == (0, 0, False, 0)
    assert all(outcome.git_commit and not outcome.requests_parquet for outcome in ended.outcomes)


def test_a_second_start_takes_all_from_the_journal_and_delivers_it_again(
    points: list[Point], text: str, tmp_path: Path
) -> None:
    first, second, writer = bisection(points), bisection(points), Silent()
    with Journal(tmp_path / "planned") as journal:
        plan_with(first, journal, text, SerialLauncher(ROOT))
        ended = plan_with(second, journal, text, Forbidden(ROOT), writer=writer)
    assert second.answers() == first.answers()
    assert (ended.reused, ended.missing) == (4, 0)
    assert (set(writer.keys), writer.submitted) == (set(first.outcomes), [])


def test_another_question_runs_only_what_the_first_has_not_run(points: list[Point], text: str, tmp_path: Path) -> None:
    with Journal(tmp_path / "planned") as journal:
        plan_with(bisection(points), journal, text, SerialLauncher(ROOT))
        planner, writer = bisection(points, 4.0), Silent()  # looks at 8, 4, 2, 3
        ended = plan_with(planner, journal, text, SerialLauncher(ROOT), writer=writer)
    assert planner.answers() == {"one": 2}
    assert (ended.reused, len(writer.keys), len(writer.submitted)) == (2, 2, 2)


def test_a_sweep_that_was_killed_goes_on_where_it_was_and_runs_no_point_twice(text: str, tmp_path: Path) -> None:
    most = 1
    (tmp_path / "planned.yaml").write_text(text)
    start = partial(run_module, "tests.sweep.fake_planner", str(tmp_path / "planned.yaml"), str(tmp_path), cwd=ROOT)
    killed = start(str(most))
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    kept = Journal(tmp_path / "planned")
    assert len(Sweep("planned", kept).outcomes) == most + 1, "readers count what is finished, listed or not"
    assert (kept.growth() or pytest.fail("it grows")).is_done is False
    again = start()
    assert again.stdout == f"{{'one': 4}} {most + 1} 0\n", again.stderr
    runs = (tmp_path / "runs").read_text().split()
    assert len(runs) == len(set(runs)) == len(NEEDED)
    kept = Journal(tmp_path / "planned")
    assert kept.asked_for() == kept.last_started() == set(runs)
    assert (kept.plan() or pytest.fail("no plan")).points == len(NEEDED)


def test_an_interrupt_keeps_what_is_finished_and_says_what_is_missing(
    points: list[Point], text: str, tmp_path: Path
) -> None:
    with Journal(tmp_path / "planned") as journal:
        ended = plan_with(bisection(points), journal, text, Interrupted(ROOT))
        assert (ended.interrupted, len(ended.outcomes), ended.missing > 0) == (True, 2, True)
        assert len(Sweep("planned", journal).outcomes) == 2
        planner = bisection(points)
        ended = plan_with(planner, journal, text, SerialLauncher(ROOT))
    assert (ended.interrupted, ended.reused, planner.answers()) == (False, 2, {"one": 4})


def test_a_signal_before_the_first_run_starts_no_launcher(points: list[Point], text: str, tmp_path: Path) -> None:
    interrupts = Interrupts()
    interrupts.requested = True
    with Journal(tmp_path / "planned") as journal:
        ended = plan_with(bisection(points), journal, text, Forbidden(ROOT), interrupts=interrupts)
    assert (ended.interrupted, ended.outcomes) == (True, ())


def test_a_failed_point_is_an_outcome_and_runs_again_only_if_that_is_asked_for(
    points: list[Point], text: str, tmp_path: Path
) -> None:
    with Journal(tmp_path / "planned") as journal:
        ended = plan_with(bisection(points), journal, text, Failing({4.0}))
        assert [outcome.rate for outcome in ended.failed] == [4.0]
        planner = bisection(points)
        plan_with(planner, journal, text, Forbidden(ROOT))
        assert planner.answers() == {"one": 2}, "the planner takes a failed point for one that does not carry"
        ended = plan_with(planner := bisection(points), journal, text, SerialLauncher(ROOT), retry_failed=True)
    assert (ended.failed, planner.answers()) == ((), {"one": 4})


@pytest.mark.parametrize(("most", "given_up"), [(1, True), (2, True), (None, False)])
def test_as_many_failures_as_are_allowed_end_a_planned_sweep(
    points: list[Point], text: str, tmp_path: Path, most: int | None, given_up: bool
) -> None:
    rates = {point.rate for point in points if point.rate is not None}
    with Journal(tmp_path / "planned") as journal:
        ended = plan_with(bisection(points), journal, text, Failing(rates), max_failures=most)
    assert (ended.given_up, len(ended.failed)) == (given_up, most or 4)
    assert (ended.missing > 0) is given_up


class Broken(Bisections):
    """Raises at the third outcome."""

    def took(self, outcome: Outcome) -> None:
        if len(self.outcomes) == 2:
            raise ZeroDivisionError("planted")
        super().took(outcome)


class Stuck(Bisections):
    """Is never done, and comes to want nothing."""

    @property
    def is_done(self) -> bool:
        return False


@pytest.mark.parametrize(("kind", "error", "finished"), [(Broken, ZeroDivisionError, 3), (Stuck, RuntimeError, 4)])
def test_an_error_of_the_planner_ends_the_sweep_and_what_is_finished_stays_and_counts(
    points: list[Point], text: str, tmp_path: Path, kind: type[Bisections], error: type[Exception], finished: int
) -> None:
    with Journal(tmp_path / "planned") as journal:
        with pytest.raises(error):
            plan_with(kind({"one": [[p] for p in points]}, rate_below(6)), journal, text, SerialLauncher(ROOT))
        assert len(Sweep("planned", journal).outcomes) == finished
        ended = plan_with(bisection(points), journal, text, SerialLauncher(ROOT))
    assert (ended.reused, ended.missing) == (finished, 0)


class Down:
    """A sink that takes nothing."""

    def open(self, sweep: SweepInfo) -> None:
        raise ConnectionError("nobody answers")

    def write(self, outcome: Outcome) -> None:
        """Never called."""

    def page(self) -> None:
        """None."""

    def close(self) -> None:
        """Nothing to close."""


def test_a_sink_that_is_down_stops_nothing(points: list[Point], text: str, tmp_path: Path) -> None:
    with Journal(tmp_path / "planned") as journal:
        writer = SinkWriter(Down(), info_of(text), journal.read)
        ended = plan_with(planner := bisection(points), journal, text, SerialLauncher(ROOT), writer=writer)
        delivery = writer.close()
    assert (planner.answers(), ended.missing) == ({"one": 4}, 0)
    assert set(delivery.undelivered) == planner.outcomes.keys()


def test_outcomes_of_earlier_starts_come_with_counts_by_the_slo_that_is_asked_for(
    points: list[Point], text: str, tmp_path: Path
) -> None:
    slo = Slo(seconds={"ttft": {"p99": 0.5}})
    with Journal(tmp_path / "planned") as journal:
        plan_with(bisection(points), journal, text, SerialLauncher(ROOT))
        planner = bisection([replace(point, slo=slo) for point in points])
        plan_with(planner, journal, text, Forbidden(ROOT))
        assert all(has_counts(outcome.counts, slo.limits()) for outcome in planner.outcomes.values())
        (key, *_) = planner.outcomes
        (tmp_path / "planned" / "points" / f"{key}.parquet").unlink()
        with pytest.warns(UserWarning, match="run again"):
            ended = plan_with(bisection(points), journal, text, SerialLauncher(ROOT))
    assert ended.reused == 3
    assert all(has_counts(outcome.counts, PAPER.limits()) for outcome in ended.outcomes)


def test_points_that_other_experiments_left_are_not_counted(points: list[Point], text: str, tmp_path: Path) -> None:
    with Journal(tmp_path / "planned") as journal:
        plan_with(bisection(points), journal, text, SerialLauncher(ROOT))
        other = text.replace("one-h100", "lone")
        kept = Kept(journal, info_of(other))
        kept.keep_points({}, is_done=False)
        assert journal.asked_for() == frozenset()
        journal.write(run_point(points[0], ROOT))
        assert journal.asked_for() == {points[0].key}
        assert journal.growing(info_of(other), same_experiment)


def test_a_line_says_what_is_done_and_which_searches_are_under_way(
    points: list[Point], text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sweep.progress._LINE_EVERY_S", 0.0)
    screen = io.StringIO()
    with Journal(tmp_path / "planned") as journal:
        plan_with(bisection(points), journal, text, SerialLauncher(ROOT), screen=Console(file=screen, width=300))
    first, *_, last = screen.getvalue().splitlines()
    assert first.startswith("runs 1 done, 0 running, 0 failed, ")
    assert first.endswith(" requests/s, one: -1 to 7")
    assert last.startswith("runs 4 done, ") and last.endswith(" requests/s")


def test_the_status_of_a_planned_sweep_counts_what_is_done_and_promises_no_total(
    points: list[Point], text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def status() -> tuple[str, dict[str, object]]:
        assert status_command(["--results", str(tmp_path)]) == 0
        table = capsys.readouterr().out
        assert status_command(["--results", str(tmp_path), "--format", "json"]) == 0
        return table, json.loads(capsys.readouterr().out)[0]

    with Journal(tmp_path / "planned") as journal:
        plan_with(bisection(points), journal, text, Interrupted(ROOT))
        table, found = status()
        assert "one: -1 to 15" in table
        assert (found["completed"], found["left"], found["searches"]) == (2, None, ["one: -1 to 15"])
    table, found = status()
    assert "not complete: start it again" in table and "of" not in table.split()
    with Journal(tmp_path / "planned") as journal:
        plan_with(bisection(points), journal, text, SerialLauncher(ROOT))
    table, found = status()
    assert "not complete" not in table and "complete" in table
    assert (found["completed"], found["left"]) == (4, 0)
