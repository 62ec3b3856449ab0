from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sync import Outcome, SweepInfo, load_sweep
from sync.results.goodput import by_slo
from sync.results.slo import PAPER, Slo
from tests.sync.stores import keep

STRICT = Slo(seconds={"ttft": {"p99": 0.5}})


def requests(ttft_s: list[float]) -> bytes:
    n = len(ttft_s)
    columns = {
        "arrival_s": [float(i) for i in range(n)],
        "e2e_s": [1.0] * n,
        "e2e_slowdown": [1.0] * n,
        "ttft_s": ttft_s,
    }
    buffer = io.BytesIO()
    pq.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def test_goodput_by_another_slo_is_counted_anew_in_the_table_of_requests(outcome: Callable[..., Outcome]) -> None:
    summary = {"ttft/p99_s": 0.9, "goodput/attainment": 1.0, "goodput/tbt_attainment": 1.0}
    run = outcome(summary=summary, requests_parquet=requests([0.1] * 75 + [0.9] * 25))
    counted = by_slo(run, STRICT)
    assert counted.summary["goodput/attainment"] == counted.summary["goodput/ttft_attainment"] == 0.75
    assert counted.summary["ttft/p99_s"] == 0.9
    assert counted.goodput_limits == {"ttft_s": 0.5}
    assert by_slo(run, PAPER) is run
    assert by_slo(counted, STRICT) is counted


def test_without_a_table_of_requests_there_is_no_goodput_by_another_slo(outcome: Callable[..., Outcome]) -> None:
    run = outcome(summary={"ttft/p99_s": 0.9, "goodput/attainment": 1.0}, requests_parquet=b"")
    assert by_slo(run, STRICT).summary == {"ttft/p99_s": 0.9}


def test_the_table_of_runs_is_judged_by_the_experiments_slo_or_by_the_one_that_is_asked_for(
    outcome: Callable[..., Outcome], tmp_path: Path
) -> None:
    figures = {"ttft/p99_s": 0.9, "run/completed": 1.0}
    made = outcome(1, summary=figures, requests_parquet=requests([0.9]))
    failed = outcome(2, status="failed", error="boom", summary={}, requests_parquet=b"")
    keep(tmp_path, SweepInfo("mine", "", "id", "name: mine\n", 2, "python", STRICT), made, failed)
    runs = load_sweep("mine", tmp_path).runs
    assert list(runs.status) == ["completed", "failed"]
    assert list(runs.verdict) == ["too slow: TTFT p99", "failed"]
    assert (runs.loc[0, "slo/within"], runs.loc[0, "goodput/attainment"]) == (0.0, 0.0)
    lax = load_sweep("mine", tmp_path, slo=Slo(seconds={"ttft": {"p99": 1.0}})).runs
    assert (lax.loc[0, "slo/within"], lax.loc[0, "goodput/attainment"]) == (1.0, 1.0)
