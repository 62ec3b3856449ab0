"""Spaces of clusters: what a search asks for is what a grid with the same rates, seeds and machines asks for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import product
from pathlib import Path

import pytest

from sim_core.errors import SpecError
from sweep.experiment.expand import Grid
from sweep.experiment.file import parse_experiment, read_experiment
from sweep.experiment.point import Point, project_root
from sweep.experiment.written import as_text
from sweep.planner.space import Cluster
from sweep.planner.spaces import ClusterSpace, searched_rate, spaces
from traces.__main__ import main as traces

ROOT = project_root()
MOST = """\
name: t
find: {most: rate}
budget: {cost: {dgx-h100: 4}}
overrides: {performance_model: db, trace.filename: "rr_conv_${rate}_2min"}
systems:
  base: {design: {baseline: dgx-h100}}
  split: {design: {prompt: dgx-h100, token: dgx-a100}}
"""
LEAST = MOST.replace("{most: rate}", "{least: cost}").replace("budget: {cost: {dgx-h100: 4}}\n", "")
SAMPLE = MOST.replace("rr_conv_${rate}_2min", "test_trace@${rate}")


@cache
def spaces_of(text: str, *extra: str) -> list[ClusterSpace]:
    return spaces(parse_experiment(text, ""), extra, ROOT)


def clusters_of(space: ClusterSpace) -> list[Cluster]:
    return [space.cluster(number, sizes) for number, family in enumerate(space.families) for sizes in family.sizes()]


def facts(point: Point) -> tuple[object, ...]:
    prices = point.cost, point.power, point.watts
    trace = point.trace, point.trace_identity, point.rate, point.requests, point.horizon_s
    return point.name, point.key, point.design, point.workload, point.axes, set(point.overrides), *prices, *trace


def test_a_search_and_a_grid_of_its_rates_and_seeds_have_the_same_points() -> None:
    extra = ["workload=conv", "trace.filename=rr_${workload}_${rate}_600s", "stop_at_backlog_s=60"]
    grid = Grid(read_experiment(ROOT / "experiments" / "isocost.yaml"), [*extra, "rate=70,70.03", "seed=5,6"], ROOT)
    expected = {point.name: facts(point) for point in grid.points()}
    asked = {}
    for space in spaces(read_experiment(ROOT / "experiments" / "isocost-find.yaml"), ["workload=conv"], ROOT):
        for cluster in clusters_of(space):
            for rate, seed in product((70.0, 70.03), (5, 6)):
                point = space.point(cluster, rate, seed)
                asked[point.name] = facts(point)
    assert asked == expected


def test_the_clusters_of_the_least_cost_are_those_of_the_grid_with_their_prices() -> None:
    grid = Grid(read_experiment(ROOT / "experiments" / "costopt.yaml"), [], ROOT)
    found = spaces(read_experiment(ROOT / "experiments" / "costopt-find.yaml"), [], ROOT)
    assert sum(space.clusters for space in found) == grid.total
    assert {(space.load, space.horizon_s) for space in found} == {(70.0, 120.0)}
    split = next(space for space in found if space.system == "splitwise-ha" and space.workload == "code")
    cluster = split.cluster(0, (3, 20))
    point = split.point(cluster, None, 7)
    assert point.name == "splitwise-ha 3P+20T stop@30s code 70 rps seed=7"
    assert (cluster.cost, cluster.power, cluster.watts) == (point.cost, point.power, point.watts)
    assert cluster.machines == sum(point.machines.values()) == 23


def test_a_budget_to_be_spent_gives_all_splits_of_its_frontier() -> None:
    base, split = spaces_of(MOST)
    assert base.families[0].listed == ((4,),)
    assert split.families[0].listed == ((1, 6), (2, 4), (3, 2))
    assert base.load is None
    assert base.horizon_s == 120.0
    assert base.has_draws


def test_a_budget_bounds_the_price_where_the_least_is_asked() -> None:
    base, split = spaces_of(LEAST + "budget: {cost: {dgx-h100: 4}}\naxes: {rate: 5}\n")
    assert [cluster.machines for cluster in clusters_of(base)] == [1, 2, 3, 4]
    costs = {cluster.sizes: cluster.cost for cluster in clusters_of(split)}
    assert max(costs.values()) <= 4 * 38.08
    assert {(1, 6), (2, 4), (3, 2), (1, 1), (3, 1)} <= costs.keys()
    assert not {(1, 7), (2, 5), (3, 3), (4, 1)} & costs.keys()


def test_machines_that_are_not_counted_have_a_generous_range() -> None:
    base, split = spaces_of(LEAST, "rate=5", "prompt_machines=2,1,2")
    assert base.families[0].counts == (tuple(range(1, 201)),)
    assert split.families[0].counts == ((1, 2), tuple(range(1, 201)))
    assert split.clusters == 400


def test_each_rate_is_a_load_of_its_own() -> None:
    loads = [(space.system, space.load) for space in spaces_of(LEAST, "rate=5,7.5")]
    assert loads == [("base", 5.0), ("base", 7.5), ("split", 5.0), ("split", 7.5)]


def test_the_rate_of_a_trace_is_the_load_where_none_is_given() -> None:
    space = spaces_of(LEAST.replace("${rate}", "8"))[0]
    assert space.load == 8.0
    with pytest.raises(SpecError, match=r"no other load can be asked for"):
        space.point(space.cluster(0, (1,)), 9.0, 0)


def test_another_load_can_be_asked_for_where_the_rate_is_an_axis() -> None:
    space = spaces_of(LEAST, "rate=5")[0]
    assert space.point(space.cluster(0, (2,)), 5.5, 0).trace.filename == "rr_conv_5.5_2min"


def test_axes_of_the_trace_make_workloads_and_others_make_families() -> None:
    text = (
        MOST.replace("2min", "${length}") + "axes: {length: '2min, 30s', start_state.instance.max_batch_size: '8, 9'}\n"
    )
    found = spaces_of(text.replace("  split: {design: {prompt: dgx-h100, token: dgx-a100}}\n", ""))
    assert [(space.workload, space.horizon_s) for space in found] == [
        ("conv length=2min", 120.0),
        ("conv length=30s", 30.0),
    ]
    assert [dict(family.values) for family in found[0].families] == [
        {"start_state.instance.max_batch_size": 8},
        {"start_state.instance.max_batch_size": 9},
    ]
    designs = {found[0].point(cluster, 3.0, 0).design for cluster in clusters_of(found[0])}
    assert designs == {"base 4xH100 max_batch_size=8", "base 4xH100 max_batch_size=9"}


def test_a_system_without_a_design_has_a_family_for_each_combination() -> None:
    text = """\
name: t
find: {least: watts}
overrides: {performance_model: db, start_state: baseline, trace.filename: rr_conv_5}
axes: {cluster.servers.1.count: "1, 2"}
systems: {a: {}}
"""
    (space,) = spaces_of(text)
    clusters = clusters_of(space)
    assert [cluster.sizes for cluster in clusters] == [(), ()]
    assert clusters[1].watts - clusters[0].watts == pytest.approx(10_200.0)
    assert [space.point(cluster, None, 0).watts for cluster in clusters] == [cluster.watts for cluster in clusters]


def test_a_searched_run_may_be_stopped_early_unless_the_experiment_says_otherwise() -> None:
    def stop_s(*extra: str) -> float | None:
        space = spaces_of(MOST, *extra)[0]
        return space.point(clusters_of(space)[0], 3.0, 0).spec.stop_at_backlog_s

    assert stop_s() == 30.0  # a quarter of two minutes
    assert stop_s("trace.filename=rr_conv_${rate}_600s") == 60.0
    assert stop_s("stop_at_backlog_s=5") == 5.0


def test_a_longer_run_is_of_another_trace_and_has_another_name() -> None:
    space = spaces_of(MOST)[0]
    short, long = (space.point(clusters_of(space)[0], 3.0, 1, longer=times) for times in (1, 6))
    assert space.can_last_longer()
    assert (long.trace.filename, long.horizon_s) == ("rr_conv_3_12min", 720.0)
    assert long.spec == short.spec
    assert long.workload == "conv 720s" != short.workload
    assert long.point_id != short.point_id


def test_a_file_is_searched_at_its_rates_and_cannot_last_longer() -> None:
    space = spaces_of(SAMPLE)[0]
    point = space.point(clusters_of(space)[0], 0.5, 3, asked="first look")
    assert (point.trace.filename, point.rate, point.workload) == ("test_trace@0.5", 0.5, "test_trace")
    assert (point.horizon_s, space.horizon_s) == (4.0, None)
    assert point.asked == "first look"
    assert not space.has_draws
    assert not space.can_last_longer()
    with pytest.raises(SpecError, match=r"trace\.filename='test_trace@0\.5': this trace cannot be made longer"):
        space.point(clusters_of(space)[0], 0.5, 3, longer=6)


def test_a_trace_named_by_its_seed_is_another_repetition_with_each_seed(tmp_path: Path) -> None:
    for seed in range(8):
        part = str(tmp_path / f"part_{seed}.csv")
        assert traces(["generate", "rr_conv_1_10s", "--seed", str(seed), "--out", part]) == 0
    text = MOST.replace("rr_conv_${rate}_2min", "part_${seed}@${rate}") + f"axes: {{trace.dir: [{tmp_path}]}}\n"
    space = spaces_of(text, "find.seeds=8")[0]
    points = [space.point(clusters_of(space)[0], 2.0, seed) for seed in range(3)]
    assert space.has_draws
    assert not space.can_last_longer()
    assert [point.trace.filename for point in points] == ["part_0@2", "part_1@2", "part_2@2"]
    assert len({point.trace_identity for point in points}) == 3
    with pytest.raises(
        SpecError, match=r"part_8@1.*no such file.*find\.seeds=9 asks for the traces of the seeds 0 to 8"
    ):
        spaces_of(text, "find.seeds=9")
    (tmp_path / "part_5.csv").write_bytes((tmp_path / "part_2.csv").read_bytes())
    with pytest.raises(SpecError, match=r"part_5@1': the trace of seed 5 is that of seed 2 again: each seed needs one"):
        spaces_of.__wrapped__(text, "find.seeds=8")  # not the kept ones: a file has changed


def test_a_run_with_an_end_cannot_last_longer() -> None:
    assert not spaces_of(MOST, "end_time=60")[0].can_last_longer()


@pytest.mark.parametrize(
    ("rate", "text"),
    [
        (70.0, "70"),
        (8.1604834, "8.16048"),
        (0.3000000004, "0.3"),
        (0.0000123456, "0.0000123456"),
        (1234567.0, "1234570"),
    ],
)
def test_a_rate_is_written_with_six_digits_and_without_an_exponent(rate: float, text: str) -> None:
    number = searched_rate(rate)
    assert number == float(text)
    assert as_text(number, "rate", "") == text


def test_the_trace_has_the_rate_as_it_is_written() -> None:
    space = spaces_of(MOST)[0]
    point = space.point(clusters_of(space)[0], 8.1604834, 0)
    assert (point.trace.filename, point.rate) == ("rr_conv_8.16048_2min", 8.16048)


def test_a_rate_that_gives_no_such_trace_is_refused_in_one_line() -> None:
    space = spaces_of(MOST)[0]
    with pytest.raises(SpecError, match=r"system base \(.*rate=2000000\).*must be from 0\.000001") as caught:
        space.point(clusters_of(space)[0], 2e6, 0)
    assert "\n" not in str(caught.value)


BAD: list[tuple[str, Callable[[str], str], tuple[str, ...], str]] = [
    ("a rate that nothing uses", lambda s: s.replace("${rate}", "7"), (), r"systems\.base: trace\.filename='rr"),
    ("a rate axis", lambda s: s + "axes: {rate: 7}\n", (), r"axes\.rate='7': the rate is what"),
    ("a rate variable", lambda s: s + "variables: {rate: 7}\n", (), r"variables\.rate=7: the rate is what"),
    ("a rate that is typed", lambda s: s, ("rate=7",), r"rate: the rate is what"),
    ("a seed axis", lambda s: s + "axes: {seed: '1, 2'}\n", (), r"axes\.seed='1, 2': a search draws its own seeds"),
    ("a seed that is typed", lambda s: s, ("seed=3",), r"seed: a search draws its own seeds"),
    ("a small budget", lambda s: s.replace("{dgx-h100: 4}", "3"), (), r"3\.00 dollars an hour is not enough"),
    ("files of rates", lambda s: s.replace("rr_conv_", "a_"), (), r"no such file.*a search tries .* here 1$"),
    ("a trace's own rate", lambda s: s.replace("rr_conv_${rate}", "test_trace@3"), (), r"does not depend on"),
    ("a width of 0", lambda s: s, ("find.width=0",), r"find\.width=0: must be from 0\.5% to 100%"),
    ("two questions", lambda s: s, ("find={most: rate, least: cost}",), r"say one of the two"),
    ("no question", lambda s: s, ("find.least",), r"one value is needed here"),
    ("an odd machine", lambda s: LEAST,
     ("rate=3", "machines=0,1"), r"machines=0: must be a whole number of machines"),
    ("no load", lambda s: s.replace("most: rate", "least: cost"), (), r"find\.least='cost': \$\{rate\} is not given"),
    ("a bound that buys nothing", lambda s: s.replace("{dgx-h100: 4}", "3").replace("most: rate", "least: cost"),
     ("rate=3",), r"system base: budget='3\.00 dollars an hour': buys none of the clusters"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "extra", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_question_is_refused_in_one_line(
    change: Callable[[str], str], extra: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(change(MOST))
    with pytest.raises(SpecError, match=message) as caught:
        spaces(read_experiment(path), extra, ROOT)
    assert "\n" not in str(caught.value)
