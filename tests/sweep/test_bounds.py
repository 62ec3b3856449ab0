"""The rate that a cluster cannot exceed: worked out by hand for simple clusters, and held against runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from sim_core.performance.calibrated import scaled
from sweep.experiment.point import Outcome, Point, project_root
from sweep.launch.worker import run_point
from sweep.planner.bounds import load_shares, rate_bound
from sync.results.slo import PAPER
from sync.results.verdict import verdict
from tests.sweep.points import points_of
from traces.workload import TraceRef

ROOT = project_root()
SECONDS = 150
DESIGNS = {
    "baseline-h100": "{baseline: dgx-h100}, axes: {machines: 2}",
    "splitwise-hh": "{prompt: dgx-h100, token: dgx-h100}, axes: {prompt_machines: 2, token_machines: 1}",
    "splitwise-ha": "{prompt: dgx-h100, token: dgx-a100}, axes: {prompt_machines: 1, token_machines: 2}",
}
MEASURED = {"performance_model": "db"}
CONSTANT = {"performance_model": "constant", "performance_model.prompt_time": 0.1, "performance_model.token_time": 0.02}


def points_at(design: str, trace: str, **overrides: object) -> list[Point]:
    settings = {**MEASURED, **overrides, "trace.filename": trace}
    lines = "".join(f"  {key}: {value}\n" for key, value in settings.items())
    return points_of(f"name: x\noverrides:\n{lines}systems:\n  s: {{design: {design}}}\n")


def point_of(design: str, trace: str, **overrides: object) -> Point:
    (point,) = points_at(design, trace, **overrides)
    return point


def alike(tmp_path: Path, prompt_tokens: int, output_tokens: int, **overrides: object) -> dict[str, object]:
    """The overrides by which all requests have the same sizes and all iterations of a kind take the same time."""
    rows = "".join(f"{number},2,0,{number},1,{prompt_tokens},{output_tokens}\n" for number in range(3))
    head = "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n"
    (tmp_path / "alike.csv").write_text(head + rows)
    return {**CONSTANT, "trace.dir": str(tmp_path), **overrides}


def outcome_at(point: Point, workload: str, rate: float) -> Outcome:
    """A run of the point's cluster at another rate, which ends where it is unstable."""
    trace = replace(point.trace, filename=f"rr_{workload}_{rate:.3f}_{SECONDS}s")
    spec = replace(point.spec, stop_at_backlog_s=20.0)
    return run_point(replace(point, trace=trace, spec=spec, horizon_s=float(SECONDS)), ROOT)


@pytest.fixture(scope="module")
def measured() -> Mapping[str, Point]:
    """A point of each of DESIGNS, with measured iteration times."""
    systems = "".join(f"  {name}: {{design: {design}}}\n" for name, design in DESIGNS.items())
    overrides = "overrides: {performance_model: db, trace.filename: rr_conv_1}"
    return {point.system: point for point in points_of(f"name: x\n{overrides}\nsystems:\n{systems}")}


@pytest.mark.parametrize("design", DESIGNS)
def test_no_cluster_serves_a_third_more_than_its_bound_and_none_is_far_below_it(
    measured: Mapping[str, Point], design: str
) -> None:
    point = measured[design]
    for workload in ("conv", "code"):
        bound = rate_bound(replace(point, trace=replace(point.trace, filename=f"rr_{workload}_1")), ROOT)
        assert bound is not None
        beyond = outcome_at(point, workload, 1.3 * bound)
        assert beyond.summary["run/stable"] == 0.0
        assert not verdict(beyond, PAPER).within
        assert outcome_at(point, workload, 0.5 * bound).summary["run/stable"] == 1.0


def test_the_bound_depends_neither_on_rate_nor_seed_and_grows_with_machines() -> None:
    design = '{baseline: dgx-h100}, axes: {machines: "2, 6"}'
    two, six = points_at(design, "rr_conv_1")
    other = replace(two, trace=TraceRef("rr_conv_30_2min", two.trace.dir, 7))
    bound = rate_bound(two, ROOT)
    assert bound is not None
    assert rate_bound(other, ROOT) == bound
    assert rate_bound(six, ROOT) == pytest.approx(3 * bound)


def test_machines_that_keep_their_roles_are_bounded_by_the_busier_role(tmp_path: Path) -> None:
    design = '{prompt: dgx-h100, token: dgx-a100}, axes: {prompt_machines: 1, token_machines: "1, 3, 30"}'
    settings = alike(tmp_path, 1000, 101, **{"applications.0.scheduler": "kv_jsq"})
    settings |= {"start_state.token.max_batch_size": 10}
    # prompts: 2,048 tokens in 0.1 s are 20.48 requests/s; decodes: 10 in 0.02 s are 500 a second, of 100 a request
    bounds = [rate_bound(point, ROOT) for point in points_at(design, "alike", **settings)]
    assert bounds == pytest.approx([5.0, 15.0, 20.48])


def test_machines_that_may_be_lent_count_for_both_phases(tmp_path: Path) -> None:
    split = "{prompt: dgx-h100, token: dgx-a100}, axes: {prompt_machines: 1, token_machines: 1}"
    settings = alike(tmp_path, 1000, 101) | {"start_state.token.max_batch_size": 10}
    roles_kept = rate_bound(point_of(split, "alike", **settings, **{"applications.0.scheduler": "kv_jsq"}), ROOT)
    lent = rate_bound(point_of(split, "alike", **settings), ROOT)
    assert roles_kept is not None
    assert lent is not None
    assert lent > roles_kept


def test_memory_bounds_the_rate_of_long_outputs(tmp_path: Path) -> None:
    split = "{prompt: dgx-h100, token: dgx-a100}, axes: {prompt_machines: 1, token_machines: 1}"
    settings = alike(tmp_path, 9000, 1001, **{"applications.0.scheduler": "kv_jsq"})
    point = point_of(split, "alike", **settings)
    model, processors = point.spec.applications[0].model, point.spec.servers[0].processors
    free_bytes = sum(processor.memory_bytes for processor in processors) - model.weights_bytes
    fits = free_bytes // model.kv_bytes_per_token // 10_001  # requests, each for 1,000 iterations of 0.02 s
    bound = rate_bound(point, ROOT)
    assert bound is not None
    assert fits / 20.0 <= bound <= (fits + 1) / 20.0


def test_shares_of_the_load_say_which_kind_of_work_is_too_much(tmp_path: Path) -> None:
    split = "{prompt: dgx-h100, token: dgx-h100}, axes: {prompt_machines: 1, token_machines: 3}"
    kept = {"applications.0.scheduler": "kv_jsq"}
    shares = load_shares(point_of(split, "rr_conv_8", **kept), ROOT)
    assert set(shares) == {"prompts", "decodes", "memory"}
    assert shares["prompts"] > 1.0 > shares["memory"] > shares["decodes"] > 0.0
    twice = load_shares(point_of(split, "rr_conv_16", **kept), ROOT)
    assert twice["prompts"] == pytest.approx(2 * shares["prompts"])


def test_requests_of_one_token_are_bounded_by_prompts_alone(tmp_path: Path) -> None:
    point = point_of("{baseline: dgx-h100}, axes: {machines: 2}", "alike", **alike(tmp_path, 512, 1))
    assert rate_bound(point, ROOT) == pytest.approx(2 * 4 / 0.1)
    assert load_shares(point, ROOT) == {}  # a written trace has no rate


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_steps_that_take_a_factor_as_long_halve_or_double_the_bound(
    factor: float, measured: Mapping[str, Point]
) -> None:
    point = measured["baseline-h100"]
    slower = replace(point, spec=replace(point.spec, performance=scaled(point.spec.performance, factor, 0.0)))
    plain, bound = rate_bound(point, ROOT), rate_bound(slower, ROOT)
    assert plain is not None
    assert bound == pytest.approx(plain / factor, rel=1e-9)


def test_clusters_of_several_applications_have_no_bound() -> None:
    text = (
        "name: x\noverrides: {cluster: half_half, applications: duo, start_state: several, trace.filename: rr_code_1}"
    )
    (point,) = points_of(f"{text}\nsystems: {{s: {{}}}}\n")
    assert rate_bound(point, ROOT) is None
    assert load_shares(point, ROOT) == {}
