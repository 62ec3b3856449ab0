from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console

from sweep.experiment.expand import expand
from sweep.experiment.file import parse_experiment
from sweep.experiment.point import Outcome, Point, project_root
from sweep.progress import ProgressView
from sweep.tally import MOST_SEARCHES, PlannedTally, Tally, duration_text, simulated_requests


class Clock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def points(tiny: str) -> list[Point]:
    return expand(parse_experiment(tiny, "tiny.yaml"), [], project_root())


def done(point: Point, outcome: Outcome, **changes: object) -> Outcome:
    return replace(outcome, key=point.key, name=point.name, **changes)  # type: ignore[arg-type]


def test_speeds_and_the_end_follow_from_what_is_done(points: list[Point], outcome: Outcome) -> None:
    clock = Clock()
    tally = Tally(points, lambda: 5, clock)
    assert (tally.left, tally.left_s, tally.speed_text(), tally.left_text()) == (4, None, "- runs/min", "left 4")
    clock.now_s += 2.0
    tally.add(done(points[3], outcome, wall_s=1.5))
    tally.add(done(points[2], outcome, wall_s=2.5, status="failed", summary={}, error="planted"))
    assert (tally.done, tally.failed, tally.left, tally.running) == (2, 1, 2, 2)
    assert tally.speed_text() == "60 runs/min, 2 requests/s"
    assert tally.left_s is not None
    assert 1.0 < tally.left_s < 2.0, "the long ones are done"
    assert tally.slowest == [(2.5, points[2].name), (1.5, points[3].name)]
    assert tally.status()["left"] == 2


def test_a_line_says_all_of_it(points: list[Point], outcome: Outcome) -> None:
    screen, clock = io.StringIO(), Clock()
    tally = Tally(points[:1], lambda: 0, clock)
    with ProgressView(Console(file=screen, width=300), tally) as view:
        clock.now_s += 4.0
        tally.add(done(points[0], outcome, wall_s=3.9))
        view.update()
    told = f"slowest 4 s: {points[0].name}"
    assert screen.getvalue() == f"runs 1/1 done, 0 running, 0 failed, 15 runs/min, 1 requests/s, left 0, {told}\n"


def test_a_bar_says_the_same(points: list[Point], outcome: Outcome) -> None:
    screen = io.StringIO()
    tally = Tally(points, lambda: 2, Clock())
    with ProgressView(Console(file=screen, width=200, force_terminal=True), tally) as view:
        tally.add(done(points[0], outcome))
        view.update()
    assert "1/4 done, 2 running, 0 failed" in screen.getvalue()
    assert "left 3, until about" in screen.getvalue()


def test_requests_of_a_run_that_was_stopped_are_those_that_were_simulated(outcome: Outcome) -> None:
    summary = {"run/completed": 5.0, "run/rejected": 1.0, "run/unfinished": 100.0}
    assert simulated_requests(replace(outcome, summary=summary)) == 106
    assert simulated_requests(replace(outcome, summary=summary, status="stopped")) == 6


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.4, "0 s"), (59.4, "59 s"), (59.6, "1:00 min"), (754.0, "12:34 min"), (11100.0, "3:05 h")]
)
def test_durations_are_told_in_the_unit_that_fits(seconds: float, told: str) -> None:
    assert duration_text(seconds) == told


def planned(points: list[Point], outcome: Outcome) -> PlannedTally:
    """Two outcomes of this start, three before, one of them not needed."""
    clock = Clock()
    tally = PlannedTally(lambda: 2, clock)
    clock.now_s += 2.0
    for point in points[:2]:
        tally.add(done(point, outcome))
    tally.reused, tally.unneeded = 3, 1
    tally.searches = ["ha conv: 140 to 152 requests/s", "baseline conv: 20 to 60 requests/s"]
    return tally


def test_a_planned_sweep_has_no_total_and_names_its_searches(points: list[Point], outcome: Outcome) -> None:
    tally = planned(points, outcome)
    assert (tally.total, tally.has_ended) == (None, False)
    assert tally.parts() == [
        "2 done and 3 before, 2 running, 0 failed, 1 not needed",
        "60 runs/min, 5 requests/s",
        *tally.searches,
    ]
    status = tally.status()
    assert (status["left"], status["left_s"], status["searches"]) == (None, None, tally.searches)
    tally.searches = [f"search {number}" for number in range(MOST_SEARCHES + 2)]
    assert tally.parts()[-2:] == [f"search {MOST_SEARCHES - 1}", "and 2 more searches"]


def test_a_terminal_shows_each_search_in_a_line(points: list[Point], outcome: Outcome) -> None:
    screen = io.StringIO()
    with ProgressView(Console(file=screen, width=200, force_terminal=True), planned(points, outcome)) as view:
        view.update()
    lines = [line.strip() for line in screen.getvalue().splitlines()]
    assert any(line.startswith("ha conv: 140 to 152 requests/s") for line in lines)
    assert any(line.startswith("baseline conv: 20 to 60 requests/s") for line in lines)
