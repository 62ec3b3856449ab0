from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace

import pytest

from sweep.experiment.expand import expand
from sweep.experiment.file import parse_experiment
from sweep.experiment.point import Point, project_root
from sweep.launch.backlog import MOST_LOST, TASK_S, Backlog, expected_s


@pytest.fixture
def point(tiny: str) -> Point:
    return expand(parse_experiment(tiny, "tiny.yaml"), ["rate=1"], project_root())[0]


def many(point: Point, count: int, requests: int) -> list[Point]:
    return [replace(point, key=f"{i:064x}", index=i, requests=requests) for i in range(count)]


def tasks(backlog: Backlog, cores: int) -> Iterator[tuple[Point, ...]]:
    while task := backlog.next_task(cores):
        yield task


def test_long_points_go_first_and_alone_and_short_ones_together(point: Point) -> None:
    points = [*many(point, 40, 30), *(replace(p, key=f"a{p.index}") for p in many(point, 5, 100_000))]
    made = list(tasks(Backlog(points), 1))
    assert [len(task) for task in made[:5]] == [1] * 5
    assert all(task[0].requests == 100_000 for task in made[:5])
    assert len(made[5]) > 5
    assert sorted(p.key for task in made for p in task) == sorted(p.key for p in points)


def test_points_of_one_trace_are_neighbours(point: Point) -> None:
    points = [replace(p, trace_identity=f"t{p.index % 3}") for p in many(point, 12, 100_000)]
    order = [task[0].trace_identity for task in tasks(Backlog(points), 1)]
    assert order == sorted(order)


def test_the_last_tasks_are_small_so_that_all_cores_end_together(point: Point) -> None:
    sizes = [len(task) for task in tasks(Backlog(many(point, 1000, 30)), 2)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-8:] == [1] * 8


def test_tasks_become_smaller_when_points_take_longer_than_expected(point: Point) -> None:
    backlog = Backlog(many(point, 1000, 30))
    before = backlog.next_task(2)
    for p in before:
        backlog.took(p, 10 * expected_s(p) + 1.0)
    assert len(backlog.next_task(2)) < len(before)


def test_a_task_holds_about_as_much_work_as_is_said(point: Point) -> None:
    task = Backlog(many(point, 100_000, 30)).next_task(2)
    assert TASK_S - expected_s(point) <= sum(map(expected_s, task)) <= TASK_S


def test_the_points_of_a_lost_task_are_run_alone_and_one_that_is_always_lost_is_given_up(point: Point) -> None:
    points = many(point, 20, 30)
    backlog = Backlog(points)
    task = backlog.next_task(1)
    assert len(task) > 1
    assert backlog.lost(task, "worker") is None
    assert [backlog.next_task(1) for _ in task] == [(p,) for p in task]
    for _ in range(MOST_LOST["worker"]):
        assert backlog.lost(task[:1], "worker") is None
        assert backlog.next_task(1) == task[:1]
    assert backlog.lost(task[:1], "worker") == task[0]
    assert len(backlog) == 20 - len(task)


def test_a_point_survives_more_nodes_than_workers(point: Point) -> None:
    backlog = Backlog([])
    assert all(backlog.lost([point], "node") is None for _ in range(MOST_LOST["node"]))
    assert backlog.lost([point], "node") == point


def test_a_point_that_lacked_memory_waits_longer_each_time(point: Point) -> None:
    now_s = 0.0
    backlog = Backlog([], lambda: now_s)
    for wait_s in (1.0, 2.0, 4.0, 8.0, 16.0):
        assert backlog.lost([point], "memory") is None
        now_s += wait_s - 0.1
        assert (backlog.next_task(1), len(backlog)) == ((), 1)
        now_s += 0.2
        assert backlog.next_task(1) == (point,)
    assert backlog.lost([point], "memory") == point


def test_more_requests_take_longer_and_so_does_a_higher_load_on_fewer_machines(point: Point) -> None:
    large = replace(point, requests=50_000, rate=80.0, machines={"dgx-h100": 40})
    assert expected_s(large) > expected_s(replace(large, requests=40_000))
    assert expected_s(replace(large, machines={"dgx-h100": 8})) > expected_s(large)
    assert expected_s(replace(large, rate=None)) > 0.0


def test_points_that_are_added_are_put_in_order_with_those_that_wait_and_none_is_there_twice(point: Point) -> None:
    light, heavy = many(point, 3, 30), [replace(p, key=f"a{p.index}") for p in many(point, 2, 100_000)]
    backlog = Backlog(light)
    assert backlog.next_task(1) == (light[0],)
    backlog.add([*heavy, *light])
    made = [p for task in tasks(backlog, 1) for p in task]
    assert made == [*heavy, *light[1:]]
    assert backlog.next_point() is None


def test_a_backlog_ends_once_it_is_closed_and_empty_and_takes_no_more_points(point: Point) -> None:
    backlog = Backlog()
    assert not backlog.ended
    backlog.add([point])
    backlog.close()
    assert not backlog.ended
    task = backlog.next_task(1)
    assert backlog.ended
    backlog.add([point])  # it is known already
    with pytest.raises(RuntimeError, match="closed"):
        backlog.add(many(point, 1, 30))
    backlog.lost(task, "node")
    assert not backlog.ended, "a lost point waits again"


def test_who_waits_for_points_wakes_when_another_thread_adds_some_or_closes(point: Point) -> None:
    backlog = Backlog()
    for change in (lambda: backlog.add([point]), backlog.close):
        thread = threading.Timer(0.05, change)
        thread.start()
        backlog.wait(60.0)
        thread.join()
        assert backlog.next_point() == (None if backlog.ended else point)


def test_the_points_that_still_need_a_trace_are_counted(point: Point) -> None:
    points = many(point, 3, 30)
    backlog = Backlog(points[:2])
    backlog.took(points[0], 1.0)
    assert backlog.unfinished(point.trace_identity) == 1
    backlog.add(points[2:])
    assert backlog.unfinished(point.trace_identity) == 2
    for _ in range(MOST_LOST["worker"] + 1):
        backlog.lost(points[1:2], "worker")
    assert backlog.unfinished(point.trace_identity) == 1, "a point that is given up needs no trace"


def keys(points: Iterable[Point]) -> list[str]:
    return [point.key for point in points]


def test_points_that_are_offered_are_handed_out_in_their_order_whatever_they_weigh(point: Point) -> None:
    light, heavy = many(point, 3, 30), [replace(p, key=f"a{p.index}") for p in many(point, 2, 100_000)]
    offered = [light[2], heavy[0], light[0], heavy[1], light[1]]
    backlog = Backlog()
    backlog.offer(offered)
    assert list(tasks(backlog, 8)) == [(p,) for p in offered]
    backlog = Backlog()
    backlog.offer(offered)
    assert [backlog.next_point() for _ in range(6)] == [*offered, None]


def test_an_offer_withdraws_points_that_wait_and_brings_back_none_that_was_handed_out(point: Point) -> None:
    first, second, third, fourth = points = many(point, 4, 30)
    backlog = Backlog()
    backlog.offer(points[:3])
    assert backlog.next_task(8) == (first,)
    backlog.offer([fourth, first, third])
    assert len(backlog) == 2
    assert backlog.next_task(8) == (fourth,)
    backlog.took(first, 0.1)
    backlog.offer([second, *points])  # the second was withdrawn before
    assert list(tasks(backlog, 8)) == [(second,), (third,)]
    backlog.offer([])
    assert (len(backlog), backlog.next_point()) == (0, None)


def test_short_points_that_are_offered_are_grouped_only_if_enough_wait_for_all_cores(point: Point) -> None:
    points = many(point, 1000, 30)
    backlog = Backlog()
    backlog.offer(points)
    made = list(tasks(backlog, 2))
    assert keys(p for task in made for p in task) == keys(points)
    assert len(made[0]) > 5
    assert [len(task) for task in made[-8:]] == [1] * 8
    backlog.offer([replace(p, key=f"b{p.index}") for p in points[:8]])
    assert len(backlog.next_task(2)) == 1


def test_a_lost_point_is_run_again_whether_or_not_it_is_offered(point: Point) -> None:
    first, second = many(point, 2, 30)
    backlog = Backlog()
    backlog.offer([first, second])
    backlog.lost(backlog.next_task(2), "worker")
    backlog.offer([second, first])
    assert list(tasks(backlog, 2)) == [(first,), (second,)], "the lost one waits once"
    for _ in range(MOST_LOST["worker"] - 1):
        assert backlog.lost([first], "worker") is None
        assert backlog.next_task(2) == (first,)
    assert backlog.lost([first], "worker") == first
    backlog.offer([first])
    assert backlog.next_task(2) == ()


def test_traces_are_needed_no_more_once_their_points_are_finished_given_up_or_withdrawn(point: Point) -> None:
    points = [replace(p, trace_identity=name) for p, name in zip(many(point, 4, 30), "aabc", strict=True)]
    backlog = Backlog()
    backlog.offer(points)
    assert [backlog.unfinished(name) for name in "abc"] == [2, 1, 1]
    assert backlog.next_task(8) == (points[0],)
    backlog.took(points[0], 0.1)
    assert backlog.unneeded_traces() == set()
    backlog.offer(points[2:3])
    assert backlog.unneeded_traces() == {"a", "c"}
    assert backlog.unneeded_traces() == set(), "each is said once"
    backlog.offer([])
    backlog.offer(points)
    assert backlog.unneeded_traces() == set(), "it is needed again"
    assert [backlog.unfinished(name) for name in "abc"] == [1, 1, 1]


def test_a_backlog_takes_either_offers_or_additions(point: Point) -> None:
    first, second = many(point, 2, 30)
    with pytest.raises(RuntimeError, match="added to"):
        Backlog([first]).offer([second])
    backlog = Backlog()
    backlog.offer([first])
    with pytest.raises(RuntimeError, match="offered"):
        backlog.add([second])
    backlog.close()
    backlog.offer([first])
    with pytest.raises(RuntimeError, match="closed"):
        backlog.offer([second])
    assert (backlog.next_point(), backlog.ended) == (first, True)
