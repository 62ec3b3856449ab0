"""Faults of real clusters of several nodes. After each of them every point has one outcome.

Slow: a node takes some seconds of CPU to start, and a lost one is noticed by its silence. One head serves most tests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sim_core.compilation import PURE, form
from sweep.experiment.expand import expand
from sweep.experiment.file import parse_experiment
from sweep.experiment.point import Outcome, Point
from sweep.launch import backlog, ray_launcher
from sweep.launch.backlog import Backlog
from sweep.launch.interrupt import Interrupts
from sweep.launch.ray_launcher import RayLauncher
from sweep.launch.worker import run_point
from tests.faults.clusters import ROOT, Cluster, cluster, experiment
from traces.workload import TraceRef

pytestmark = pytest.mark.slow

EXPERIMENT = experiment("range(60, 80)")


def points_of(*extra: str, text: str = EXPERIMENT) -> list[Point]:
    return expand(parse_experiment(text, "x.yaml"), extra, ROOT)


def run(points: list[Point], launcher: RayLauncher, during: Callable[[int], None]) -> list[Outcome]:
    """All outcomes; `during` hears after each how many there are."""
    found = []
    with Interrupts() as interrupts, launcher:
        for outcome in launcher.outcomes(Backlog.of(points), interrupts):
            found.append(outcome)
            during(len(found))
    return found


def assert_each_once(outcomes: list[Outcome], points: list[Point]) -> None:
    assert [o.error for o in outcomes if o.status != "completed"] == []
    assert sorted(o.key for o in outcomes) == sorted(p.key for p in points)
    first = next(o for o in outcomes if o.key == points[0].key)
    assert first.requests_parquet == run_point(points[0], ROOT).requests_parquet


@pytest.fixture(scope="module")
def one_node() -> Iterator[Cluster]:
    with cluster(1) as made:
        yield made


@pytest.fixture
def two_nodes(one_node: Cluster) -> Iterator[Cluster]:
    """The last of its nodes is the one to break; the first outlives it."""
    one_node.add_node(1)
    yield one_node
    for node in one_node.nodes[1:]:
        node.kill()


def test_a_node_that_is_removed_loses_no_point_and_one_that_joins_is_used(two_nodes: Cluster) -> None:
    many = experiment("range(60, 120)")  # so that the new node, which starts while they run, has some left to run
    points, second = points_of(text=many), two_nodes.nodes[-1]
    joined: list[int] = []

    def replace_the_second(done: int) -> None:
        if two_nodes.nodes[-1] is not second:
            joined.extend(two_nodes.nodes[-1].workers())
        elif second.workers():  # busy at this moment: to wait for it would keep points from it
            second.kill()
            two_nodes.add_node(1)

    assert_each_once(run(points, RayLauncher(two_nodes.address), replace_the_second), points)
    assert joined


def test_a_node_that_is_cut_off_loses_no_point(two_nodes: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    # Ray heeds what the launcher asks for; a fraction of that, so as not to wait for it.
    monkeypatch.setitem(ray_launcher._ENVIRONMENT, "RAY_grpc_client_keepalive_time_ms", "3000")
    monkeypatch.setitem(ray_launcher._ENVIRONMENT, "RAY_grpc_client_keepalive_timeout_ms", "2000")
    points, second = points_of("rate=range(60, 70)"), two_nodes.nodes[-1]
    cut_off: list[int] = []

    def cut_off_the_second(done: int) -> None:
        if not cut_off and second.workers():
            second.freeze()
            cut_off.append(done)

    assert_each_once(run(points, RayLauncher(two_nodes.address), cut_off_the_second), points)
    assert cut_off


def test_points_for_which_there_is_never_memory_fail_and_say_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(backlog.MOST_LOST, "memory", 1)
    points = points_of("rate=60,61")
    limits = {"RAY_memory_usage_threshold": "0.0001", "RAY_memory_monitor_refresh_ms": "50"}
    with cluster(1, **limits) as made:
        outcomes = run(points, RayLauncher(made.address), lambda done: None)
    assert sorted(o.key for o in outcomes) == sorted(p.key for p in points)
    assert all((o.error or "").startswith("OutOfMemoryError: ") for o in outcomes)


def test_a_node_has_of_the_project_what_it_was_sent_and_traces_that_only_the_driver_can_see(
    one_node: Cluster, tmp_path: Path
) -> None:
    trace = "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n"
    (tmp_path / "mine.csv").write_text(trace + "0,2,0,0.5,1,100,20\n1,2,0,1.5,1,100,20\n")
    points = points_of("rate=60", f"trace.dir={tmp_path}", "trace.filename=mine")
    gone = {"trace": TraceRef("gone", str(tmp_path), 0), "trace_identity": "gone", "key": "f" * 64}
    points += [replace(point, **gone) for point in points]  # type: ignore[arg-type]
    found = {o.key: o for o in run(points, RayLauncher(one_node.address, timeout_s=60.0), lambda done: None)}
    completed, failed = found[points[0].key], found["f" * 64]
    assert (completed.status, completed.summary["run/completed"]) == ("completed", 2.0)
    assert f'File "{ROOT}' not in (failed.error or "")
    assert "/working_dir_files/" in (failed.error or "")


def test_a_run_that_takes_too_long_fails_and_the_others_do_not_wait_for_it(one_node: Cluster) -> None:
    points = points_of("rate=1,2,600")  # the last takes seconds, however fast the core is
    outcomes = {o.key: o for o in run(points, RayLauncher(one_node.address, timeout_s=0.3), lambda done: None)}
    assert [outcomes[p.key].status for p in points] == ["completed", "completed", "failed"]
    assert "took longer than 0.3 s" in (outcomes[points[2].key].error or "")


def test_a_node_with_the_compiled_core_and_one_with_the_plain_core_give_the_bytes_of_this_process() -> None:
    points = points_of("rate=range(60, 66)")
    with cluster(0) as made:
        made.add_node(1)
        made.add_node(1, **{PURE: "1"})
        outcomes = run(points, RayLauncher(made.address), lambda done: None)
    assert_each_once(outcomes, points)
    # The first node has the form of this process, whose compiled core was sent to both.
    assert {outcome.core for outcome in outcomes} == {form().text, f"plain Python: {PURE} is set"}
    by_key = {outcome.key: outcome for outcome in outcomes}
    for point in points:
        here = run_point(point, ROOT)
        assert by_key[point.key].requests_parquet == here.requests_parquet
        assert by_key[point.key].summary == here.summary
