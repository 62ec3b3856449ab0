"""What clusters lack that are too slow: runs of clusters that are known to lack it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from sim_core import Trace
from sim_core.spec import MachineLinksSpec, NetworkSpec
from sweep.experiment.point import Outcome, Point, project_root
from sweep.launch.worker import run_point
from sync.analysis.shortage import _is_capped, short_of
from sync.results.slo import PAPER
from sync.results.verdict import verdict
from tests.sweep.points import points_of

ROOT = project_root()
EXPERIMENT = """\
name: x
overrides: {performance_model: db, stop_at_backlog_s: 30, trace.filename: rr_conv_1, applications.0.scheduler: kv_jsq}
systems:
  1P6T: {design: {prompt: dgx-h100, token: dgx-h100}, axes: {prompt_machines: 1, token_machines: 6}}
  6P1T: {design: {prompt: dgx-h100, token: dgx-h100}, axes: {prompt_machines: 6, token_machines: 1}}
  6P1T-small-batches:
    design: {prompt: dgx-h100, token: dgx-h100}
    axes: {prompt_machines: 6, token_machines: 1}
    overrides: {start_state.token.max_batch_size: 16}
  1P2T-lent:
    design: {prompt: dgx-h100, token: dgx-h100}
    axes: {prompt_machines: 1, token_machines: 2}
    overrides: {applications.0.scheduler: mixed_pool}
"""


@pytest.fixture(scope="module")
def points() -> Mapping[str, Point]:
    """By system, a point of it at one request a second."""
    return {point.system: point for point in points_of(EXPERIMENT)}


def run_of(point: Point, trace: str) -> Outcome:
    """A run of the point's cluster with another trace. It is too slow."""
    outcome = run_point(replace(point, trace=replace(point.trace, filename=trace)), ROOT)
    assert not verdict(outcome, PAPER).within
    return outcome


@pytest.mark.parametrize(("rate", "status"), [(6, "completed"), (12, "stopped")])
def test_a_split_with_one_prompt_machine_lacks_prompts(points: Mapping[str, Point], rate: int, status: str) -> None:
    outcome = run_of(points["1P6T"], f"rr_conv_{rate}_2min")
    assert outcome.status == status
    assert short_of(outcome, "ttft") == "prompts"
    assert short_of(outcome, "e2e") == "prompts"


def test_machines_that_are_lent_and_run_prompts_among_decodes_lack_prompts(points: Mapping[str, Point]) -> None:
    outcome = run_of(points["1P2T-lent"], "rr_code_8_1min")
    assert [short_of(outcome, metric) for metric in ("ttft", "tbt", "e2e")] == ["prompts"] * 3


@pytest.mark.parametrize(("rate", "status"), [(2.5, "completed"), (6, "stopped")])
def test_a_split_with_one_token_machine_of_small_batches_lacks_decodes(
    points: Mapping[str, Point], rate: float, status: str
) -> None:
    outcome = run_of(points["6P1T-small-batches"], f"rr_conv_{rate}_3min")
    assert outcome.status == status
    assert (
        outcome.summary.get("memory/peak_fraction", 1.0) > 0.95
    )  # full of requests that wait for a place in the batch
    assert short_of(outcome, "tbt") == "decodes"
    assert short_of(outcome, "e2e") == "decodes"


@pytest.mark.parametrize(("rate", "status"), [(9, "completed"), (16, "stopped")])
def test_a_split_with_one_token_machine_of_large_batches_lacks_memory(
    points: Mapping[str, Point], rate: int, status: str
) -> None:
    outcome = run_of(points["6P1T"], f"rr_conv_{rate}_3min")
    assert outcome.status == status
    assert short_of(outcome, "tbt") == "memory"
    assert short_of(outcome, "e2e") == "memory"


def test_long_outputs_lack_memory(points: Mapping[str, Point]) -> None:
    trace = Trace.of([(float(number), 1500 + 20 * number, 2000 + 15 * number) for number in range(80)])
    point = points["6P1T"]
    outcome = run_point(replace(point, spec=replace(point.spec, stop_at_backlog_s=None)), ROOT, trace=trace)
    assert not verdict(outcome, PAPER).within
    assert short_of(outcome, "e2e") == "memory"


def test_a_slow_link_is_short_of_links(points: Mapping[str, Point]) -> None:
    point = points["1P6T"]
    (application,) = point.spec.applications
    slow = replace(application.scheduler, options=(("transfer_bandwidth", 1.0),))  # GiB/s
    spec = replace(point.spec, applications=(replace(application, scheduler=slow),))
    outcome = run_of(replace(point, spec=spec), "rr_conv_1_1min")
    assert short_of(outcome, "tbt") == "links"
    assert short_of(outcome, "e2e") == "links"


def test_slow_network_cards_that_transfers_share_are_short_of_links(points: Mapping[str, Point]) -> None:
    point = points["1P6T"]
    cards = NetworkSpec("shared", links=(MachineLinksSpec("dgx-h100", 5e9, 4.5e11),))  # one card of 40 Gb/s
    outcome = run_of(replace(point, spec=replace(point.spec, network=cards)), "rr_conv_1_1min")
    assert short_of(outcome, "tbt") == "links"
    assert 0.3 < outcome.summary["links/busiest_share"] <= 1.0


def test_without_a_table_or_with_one_of_older_code_nothing_is_told(points: Mapping[str, Point]) -> None:
    outcome = run_of(points["1P6T"], "rr_conv_8_20s")
    assert short_of(replace(outcome, requests_parquet=b""), "ttft") == ""
    assert short_of(replace(outcome, requests_parquet=b""), "ttft", outcome.requests_parquet) == "prompts"
    assert short_of(outcome, "throughput") == ""


def test_requests_without_a_decode_or_with_one_of_no_time_do_not_count_as_decoding() -> None:
    nan = float("nan")
    times = {
        "prompt_tokens": [100, 100, 100, 100],
        "output_tokens": [1, 2, 50, 50],
        "prompt_start_s": [0.0, 0.0, 1.0, 1.0],
        "transfer_start_s": [nan] * 4,
        "token_start_s": [nan, 1.0, 2.0, 2.0],
        "token_end_s": [1.0, 1.0, 9.0, 9.0],
    }
    columns = {name: np.array(values, dtype=np.float64) for name, values in times.items()}
    assert not _is_capped(columns)  # two at a time, which hold all that is held
    long_prompt = columns | {
        "prompt_tokens": np.array([1e6, 100, 100, 100]),
        "token_end_s": np.array([9.0, 1.0, 9.0, 9.0]),
    }
    assert _is_capped(long_prompt)  # two at a time, beside a prompt that holds nearly all
