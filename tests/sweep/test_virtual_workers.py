"""Virtual time: how long a planned sweep takes with any number of workers, by the loop and the backlog of real ones."""

from __future__ import annotations

from dataclasses import replace
from math import log2

import pytest

from sweep.experiment.point import Outcome, Point, describing_fields
from tests.sweep.conftest import TINY
from tests.sweep.fake_planner import Bisections, rate_below
from tests.sweep.points import points_of
from tests.sweep.virtual_workers import Worked, longest_chain, work

PROBES, SEEDS, SEARCHES = 32, 4, 5
DEPTH = int(log2(PROBES))
LIMITS = (9.0, 17.0, 30.0, 2.0, 24.0)  # the first rate of each search that is not carried


@pytest.fixture(scope="module")
def point() -> Point:
    return points_of(TINY, "rate=1")[0]


def outcome_of(point: Point) -> Outcome:
    return Outcome(**describing_fields(point), status="completed", wall_s=seconds(point))


def seconds(point: Point) -> float:
    """Higher rates take longer, and seeds differ."""
    return (point.rate or 0.0) * (0.9 + 0.2 * point.trace.seed / SEEDS)


def planner(point: Point, searches: int = SEARCHES) -> Bisections:
    """Searches over `PROBES` - 1 rates, with `SEEDS` runs at each."""

    def of(search: int, rate: int, seed: int) -> Point:
        key, trace = f"{search}-{rate}-{seed}", replace(point.trace, seed=seed)
        return replace(point, key=key, system=str(search), rate=float(rate), trace=trace, trace_identity=key)

    def carries(outcome: Outcome) -> bool:
        return rate_below(LIMITS[int(outcome.system)])(outcome)

    rows = {
        str(search): [[of(search, rate, seed) for seed in range(SEEDS)] for rate in range(1, PROBES)]
        for search in range(searches)
    }
    return Bisections(rows, carries)


def answers_and_work(point: Point, workers: int, searches: int = SEARCHES) -> tuple[dict[str, int], Worked]:
    fresh = planner(point, searches)
    worked = work(fresh, workers, outcome_of, seconds)
    return fresh.answers(), worked


def test_one_worker_runs_what_is_needed_and_nothing_else(point: Point) -> None:
    needed = longest_chain(planner(point), outcome_of, seconds)
    answers, worked = answers_and_work(point, 1)
    assert answers == {str(search): int(first) - 2 for search, first in enumerate(LIMITS)}
    assert sorted(worked.runs) == sorted(needed.runs)
    assert len(worked.runs) == SEARCHES * DEPTH * SEEDS
    assert worked.wall_s == pytest.approx(worked.busy_s) == pytest.approx(needed.busy_s)
    assert worked.wasted(needed) == 0


def test_the_longest_chain_is_the_slowest_run_of_each_probe_one_after_the_other(point: Point) -> None:
    chain = longest_chain(planner(point, 1), outcome_of, seconds)
    probes = [16, 8, 12, 10, 9]  # with the limit 9
    slowest = 0.9 + 0.2 * (SEEDS - 1) / SEEDS
    assert chain.wall_s == pytest.approx(slowest * sum(probes))
    assert {run.split("-")[1] for run in chain.runs} == set(map(str, probes))


@pytest.mark.parametrize("workers", [2, 7, 64])
def test_more_workers_find_the_same_sooner_and_say_what_they_wasted(point: Point, workers: int) -> None:
    needed, (answers, one) = longest_chain(planner(point), outcome_of, seconds), answers_and_work(point, 1)
    same, several = answers_and_work(point, workers)
    assert same == answers
    assert len(set(several.runs)) == len(several.runs)
    assert set(needed.runs) <= set(several.runs)
    assert several.wasted(needed) == len(several.runs) - len(needed.runs) + several.cut_off
    assert several.busy_s <= several.wall_s * workers * (1 + 1e-9)
    assert one.wall_s / several.wall_s > 1.7
    assert workers < 64 or several.wall_s <= 3.0 * needed.wall_s


def test_outcomes_of_an_earlier_start_take_no_time(point: Point) -> None:
    first = planner(point)
    work(first, 2, outcome_of, seconds)
    again = planner(point)
    worked = work(again, 2, outcome_of, seconds, known=list(first.outcomes.values()))
    assert (worked.wall_s, worked.runs, again.answers()) == (0.0, (), first.answers())


def test_a_slow_driver_makes_workers_wait(point: Point) -> None:
    fast, slow = (work(planner(point), 64, outcome_of, seconds, driver_s=driver_s) for driver_s in (0.0, 5.0))
    assert slow.wall_s >= 5.0 * SEARCHES * DEPTH * SEEDS
    assert fast.wall_s < slow.wall_s
