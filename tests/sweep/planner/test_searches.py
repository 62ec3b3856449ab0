"""What the searches find, in worlds whose answers are known."""

from __future__ import annotations

import random
from dataclasses import replace
from math import log
from typing import Any

import numpy as np
import pytest

from sweep.experiment.point import Outcome, Point, failed_outcome
from sweep.experiment.question import Question
from sweep.planner.evidence import Look
from sweep.planner.interval import Capacity
from sweep.planner.probing import hopeless_times, looks
from sweep.planner.searches import Planner
from sweep.planner.space import Family
from sync.analysis.repetitions import Sample, quantile
from sync.results.found import Found
from sync.results.slo import PAPER
from tests.sweep.planner.worlds import LEAST, MOST, ONE_LIMIT, World, answered, copy_of, counts_of

SPLITS = tuple((prompts, (1520 - 38 * prompts) // 18) for prompts in range(3, 40, 3))


def capacity(sizes: tuple[int, ...]) -> float:
    """Prompts or decodes are short."""
    return min(6.0 * sizes[0], 4.5 * sizes[-1])


def machines(*counts: int) -> tuple[Family, ...]:
    return (Family({}, (counts,)),)


def found_in(world: World, question: Question, at_once: int = 6) -> Found:
    planner = Planner(question, [world], ONE_LIMIT)
    answered(planner, world.outcome, at_once=at_once)
    assert planner.is_done
    (found,) = planner.plan().found
    return found


def test_the_interval_of_one_cluster_holds_its_capacity() -> None:
    found = found_in(World(lambda sizes: 2.7 * sizes[0], machines(3), spread=0.1), MOST)
    assert found.decided
    assert found.rate is not None and found.rate.high is not None
    assert found.rate.low <= 8.1 <= found.rate.high <= 1.0301 * found.rate.low
    assert found.rate.low <= found.rate.estimate <= found.rate.high
    assert found.binding == "TTFT p90"
    assert found.horizon_s == 600.0


def test_between_the_ends_of_an_interval_no_rate_is_judged_that_cannot_make_it_narrow() -> None:
    world = World(lambda sizes: 2.7 * sizes[0], machines(3), spread=0.1)
    planner = Planner(MOST, [world], ONE_LIMIT)
    seeds: dict[float | None, set[object]] = {}

    def outcome(point: Point) -> Outcome:
        if point.axes["longer"] == 1:
            seeds.setdefault(point.rate, set()).add(point.axes["seed"])
        return world.outcome(point)

    answered(planner, outcome)
    judged = [rate for rate, drawn in seeds.items() if len(drawn) >= 8]
    (found,) = planner.plan().found
    assert found.rate is not None
    assert {found.rate.low, found.rate.high} <= set(judged) and len(judged) <= 5


def test_each_cheaper_cluster_fails_at_the_whole_level_however_many_there_are() -> None:
    world = World(
        lambda sizes: 200.0 if sum(sizes) > 12 else 66.0,
        (Family({}, counts_of(range(1, 13), range(1, 13))),),
        load=70.0,
        spread=0.3,
    )
    found = found_in(world, Question("least", "machines"))
    assert (found.decided, found.value, len(found.certificate)) == (True, 13.0, 11)
    level = MOST.level / len(looks(MOST))
    tested = [(line.t, line.seeds) for line in found.certificate if line.t is not None]
    assert all(t >= quantile(1.0 - level, seeds - 1) for t, seeds in tested)
    assert any(t < quantile(1.0 - level / 11, seeds - 1) for t, seeds in tested)


@pytest.mark.parametrize("question", [MOST, LEAST])
def test_the_answer_does_not_depend_on_how_many_runs_are_made_at_once(question: Question) -> None:
    load = None if question is MOST else 70.0
    families = (
        (Family({}, (), SPLITS),) if question is MOST else (Family({}, counts_of(range(2, 30, 2), range(2, 50, 2))),)
    )
    world = World(capacity, families, load=load)
    assert found_in(world, question, at_once=1) == found_in(world, question, at_once=6)


@pytest.mark.parametrize("order", range(3))
def test_the_answer_does_not_depend_on_the_order_of_outcomes(order: int) -> None:
    world = World(capacity, (Family({}, (), SPLITS),))
    planner, draw = Planner(MOST, [world], ONE_LIMIT), random.Random(order)
    while not planner.is_done:
        points = list(planner.wanted(12))
        for point in draw.sample(points, k=draw.randint(min(1, len(points)), len(points))):
            planner.took(world.outcome(point))
    assert planner.plan().found == (found_in(world, MOST),)


def test_the_best_split_is_found_and_all_others_fail() -> None:
    found = found_in(World(capacity, (Family({}, (), SPLITS),), spread=0.05), MOST)
    best = max(map(capacity, SPLITS))
    assert found.rate is not None and found.rate.high is not None
    assert found.rate.low <= best <= found.rate.high
    assert len(found.certificate) == len(SPLITS) - 1
    assert {line.verdict for line in found.certificate} <= {"fails", "undecided"}


def test_a_search_that_was_interrupted_ends_with_the_same_answer_and_runs_nothing_twice() -> None:
    world = World(capacity, (Family({}, counts_of(range(2, 30, 2), range(2, 50, 2))),), load=70.0)
    first = Planner(LEAST, [world], ONE_LIMIT)
    kept: dict[str, Outcome] = {}
    for _ in range(40):
        point = first.wanted(4)[0]
        kept[point.key] = world.outcome(point)
        first.took(kept[point.key])
    second = Planner(LEAST, [world], ONE_LIMIT)
    runs: list[str] = []

    def outcome(point: Point) -> Outcome:
        if point.key not in kept:
            runs.append(point.key)
        return kept.get(point.key) or world.outcome(point)

    answered(second, outcome)
    assert second.plan().found == (found_in(world, LEAST),)
    assert len(runs) == len(set(runs))


@pytest.mark.parametrize("seed", range(8))
def test_the_cheapest_cluster_is_that_of_full_enumeration(seed: int) -> None:
    draw = random.Random(seed)
    prompt, token = draw.uniform(3.0, 8.0), draw.uniform(3.0, 8.0)

    def capacity(sizes: tuple[int, ...]) -> float:
        return min(prompt * sizes[0], token * sizes[1]) + 0.05 * sum(sizes)

    world = World(capacity, (Family({}, counts_of(range(1, 25), range(1, 25))),), load=61.0, spread=0.02, slope=40.0)
    clusters = [world.cluster(0, sizes) for sizes in world.families[0].sizes()]
    best = min(cluster.cost for cluster in clusters if capacity(cluster.sizes) >= 61.0)
    found = found_in(world, LEAST)
    if found.decided:
        assert found.value == best
    else:
        assert min(line.cost for line in found.undecided) <= best <= (found.value or 1e9)


def test_of_equal_prices_every_split_is_tried() -> None:
    def capacity(sizes: tuple[int, ...]) -> float:
        return 100.0 if sizes == (3, 2) else 30.0 if sum(sizes) <= 5 else 90.0

    families = (Family({}, counts_of(range(1, 8), range(1, 8))),)
    found = found_in(World(capacity, families, load=70.0, spread=0.02), Question("least", "machines"))
    assert (found.design, found.value) == ("world 3+2", 5.0)


def test_where_no_cluster_carries_the_load_the_answer_is_none() -> None:
    found = found_in(World(lambda sizes: 1.0 * sizes[0], machines(1, 2, 4, 8), load=70.0), LEAST)
    assert (found.none, found.decided, found.value, found.undecided) == (True, True, None, ())
    assert found.binding == "TTFT p90"


def test_where_no_rate_is_carried_the_answer_is_none() -> None:
    found = found_in(World(lambda sizes: 1e-6, machines(3)), MOST)
    assert (found.none, found.decided) == (True, True)
    assert found.rate is not None and found.rate.low == 0.0


def test_where_every_rate_is_carried_the_search_ends_and_says_so() -> None:
    found = found_in(World(lambda sizes: 1e12, machines(3)), MOST)
    assert not found.decided and not found.none
    assert "no rate up to" in found.why_open
    assert found.rate is not None and found.rate.high is None


def test_where_the_smallest_cluster_carries_the_load_it_is_the_answer() -> None:
    found = found_in(World(lambda sizes: 1000.0 * sizes[0], machines(1, 2, 3), load=70.0), LEAST)
    assert (found.decided, found.design, found.next) == (True, "world 1", ())


def test_a_cluster_that_seeds_do_not_decide_is_named() -> None:
    world = World(
        lambda sizes: 70.0 if sizes[0] == 7 else 10.0 * sizes[0], machines(*range(1, 12)), load=70.0, spread=0.8
    )
    found = found_in(world, replace(LEAST, seeds=16))
    if not found.decided:
        assert [line.design for line in found.undecided] == ["world 7"]
        assert found.value is not None and found.value > 7 * 38


def test_a_cluster_right_at_the_limit_is_given_up_before_it_has_taken_all_seeds() -> None:
    def capacity(sizes: tuple[int, ...]) -> float:
        return 70.0 if sizes[0] == 7 else 10.0 * sizes[0]

    world = World(capacity, machines(*range(1, 12)), load=70.0, spread=0.3)
    seeds = [found_in(copy_of(world, system=f"world{n}"), LEAST).undecided for n in range(6)]
    given_up = [line.seeds for lines in seeds for line in lines]
    assert given_up and min(given_up) in (16, 32)


def test_a_failed_run_leaves_its_cluster_open_and_the_reason_is_told() -> None:
    world = World(lambda sizes: 10.0 * sizes[0], machines(*range(1, 12)), load=70.0, spread=0.02)

    def outcome(point: Point) -> Outcome:
        if point.axes["sizes"] == (7,):
            return failed_outcome(point, "MemoryError: too much", version="1")
        return world.outcome(point)

    planner = Planner(LEAST, [world], ONE_LIMIT)
    answered(planner, outcome)
    (found,) = planner.plan().found
    assert not found.decided
    assert (found.design, [line.design for line in found.undecided]) == ("world 8", ["world 7"])
    assert "MemoryError" in found.undecided[0].limit


def test_a_split_of_which_a_run_fails_is_left_out_of_the_highest_rate_and_the_answer_is_open() -> None:
    world = World(capacity, (Family({}, (), SPLITS),), spread=0.05)
    best = max(SPLITS, key=capacity)

    def outcome(point: Point) -> Outcome:
        made = world.outcome(point)
        return failed_outcome(point, "TimeoutError: too long", version="1") if point.axes["sizes"] == best else made

    planner = Planner(MOST, [world], ONE_LIMIT)
    answered(planner, outcome, at_once=6)
    (found,) = planner.plan().found
    assert not found.decided and "TimeoutError" in found.why_open
    assert found.rate is not None
    assert found.rate.low <= sorted(map(capacity, SPLITS))[-2] <= (found.rate.high or 0.0)


def test_where_all_runs_fail_nothing_is_said_of_the_rate() -> None:
    world = World(capacity, machines(3))
    planner = Planner(MOST, [world], ONE_LIMIT)
    answered(planner, lambda point: failed_outcome(point, "MemoryError: all of it", version="1"))
    (found,) = planner.plan().found
    assert (found.decided, found.none) == (False, False)
    assert "MemoryError" in found.why_open


def test_a_written_trace_has_an_answer_without_an_interval() -> None:
    world = World(lambda sizes: 8.1, machines(3), has_draws=False, spread=0.0)
    found = found_in(world, MOST)
    assert found.rate is not None and found.rate.high is not None
    assert found.rate.low <= 8.1 <= found.rate.high
    assert found.seeds == 1 and not found.decided
    assert "no interval" in found.why_open


def test_a_smaller_cluster_that_carries_more_is_a_violation_that_the_audit_reports() -> None:
    def capacity(sizes: tuple[int, ...]) -> float:
        return 200.0 if sizes[0] == 5 else 6.0 * sizes[0]

    found = found_in(
        World(capacity, machines(*range(4, 20)), load=70.0, spread=0.02, bound=lambda sizes: 8.0 * sizes[0]), LEAST
    )
    assert found.audit is not None and found.audit.violations
    assert not found.decided


def test_a_longer_horizon_that_does_not_hold_is_told() -> None:
    world = World(lambda sizes: 8.1, machines(3), spread=0.02)

    def outcome(point: Point) -> Outcome:
        made = world.outcome(point)
        if point.axes["longer"] == 1:
            return made
        (beyond,) = (name for name in made.counts if ">" in name)
        return replace(made, counts={**made.counts, beyond: [0] * 20 + [500] * 10})

    planner = Planner(MOST, [world], ONE_LIMIT)
    answered(planner, outcome)
    (found,) = planner.plan().found
    assert found.holds_longer is False
    assert found.longer is not None
    assert (found.longer.horizon_s, found.longer.share) == (3600.0, pytest.approx(5.0))


def test_a_workload_that_cannot_be_longer_leaves_the_horizon_open() -> None:
    assert found_in(World(lambda sizes: 8.1, machines(3), lasts=False), MOST).holds_longer is None


def test_unserved_requests_fail_a_cluster_whatever_the_times_are() -> None:
    world = World(lambda sizes: 10.0 * sizes[0], machines(*range(1, 12)), load=70.0, spread=0.02)

    def outcome(point: Point) -> Outcome:
        made = world.outcome(point)
        sizes: Any = point.axes["sizes"]
        return replace(made, summary={**made.summary, "run/rejected": 1.0}) if sizes[0] < 9 else made

    planner = Planner(LEAST, [world], ONE_LIMIT)
    answered(planner, outcome)
    (found,) = planner.plan().found
    assert found.design == "world 9"


def test_runs_of_points_that_were_not_needed_are_counted_as_wasted() -> None:
    world = World(capacity, (Family({}, (), SPLITS),))
    planner = Planner(MOST, [world], ONE_LIMIT)
    runs = answered(planner, world.outcome, room=40, at_once=40)
    plan = planner.plan()
    assert plan.runs == runs
    assert plan.wasted == runs - plan.found[0].runs > 0


def test_a_capacity_of_the_rate_number_0_is_more_than_none_and_more_than_lower_ones() -> None:
    cluster = World(capacity, machines(3)).cluster(0, (3,))
    none, below, zero = (Capacity(cluster, low, 10, 1.0, 8) for low in (None, -2, 0))
    assert zero.carries_more_than(below) and zero.carries_more_than(none) and below.carries_more_than(none)
    assert not below.carries_more_than(zero) and not none.carries_more_than(below)


def test_what_repetitions_take_in_common_is_of_one_limit() -> None:
    beyond = np.array([[800.0, 1.0], [2.0, 900.0], [90.0, 80.0]])
    look = Look.at(Sample(tuple(PAPER.limits())[:2], np.full((3, 2), 1000.0), beyond))
    allowed = Sample(tuple(PAPER.limits())[:2], np.full((1, 2), 1000.0), np.zeros((1, 2))).allowed * 1000.0
    assert look.each == pytest.approx([log(800.5 / allowed[0]), log(900.5 / allowed[1]), log(80.5 / allowed[1])])
    assert look.common == pytest.approx(max(log(2.5 / allowed[0]), log(1.5 / allowed[1])))


def test_few_repetitions_fail_a_cluster_that_is_within_the_limit_no_more_often_than_the_level_allows() -> None:
    """The worst case: a repetition takes nothing, or just so much that the first one fails the cluster."""
    draw, level, failed = random.Random(1), 0.05, 0
    for _ in range(4000):
        taken = [draw.choices((0.0, 1.0 / level), (1.0 - level, level))[0] for _ in range(4)]
        if draw.random() < 0.5:  # another shape of the same mean: what repetitions take is likely in the middle
            taken = [draw.choices((0.0, 4.5), (1.0 - 1 / 4.5, 1 / 4.5))[0] for _ in range(4)]
        failed += any(min(taken[:seeds]) >= times for seeds, times in hopeless_times(level).items())
    assert 0 < failed / 4000 <= level + 0.01
    assert hopeless_times(0.025) == pytest.approx({1: 40.0, 2: 6.325, 4: 2.515}, rel=1e-3)
