from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sync import Outcome, SweepInfo, load_sweep
from sync.judging import judged_whole, judging
from sync.local_sink import LocalSink
from sync.slo import PAPER, Slo

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


def test_another_slo_is_applied_to_the_verdict_and_to_every_request(outcome: Callable[..., Outcome]) -> None:
    summary = {"ttft/p99_s": 0.9, "slo/within": 1.0, "goodput/attainment": 1.0, "goodput/tbt_attainment": 1.0}
    run = outcome(summary=summary, requests_parquet=requests([0.1] * 75 + [0.9] * 25))
    told = judged_whole(run, STRICT).summary
    assert (told["slo/within"], told["slo/ttft_p99"]) == (0.0, 0.0)
    assert told["goodput/attainment"] == told["goodput/ttft_attainment"] == 0.75
    assert told["ttft/p99_s"] == 0.9
    assert judged_whole(run, PAPER) is run


def test_a_sink_delivers_what_the_experiments_slo_says(outcome: Callable[..., Outcome], tmp_path: Path) -> None:
    plain = LocalSink(tmp_path)
    assert judging(plain, PAPER) is plain
    sink = judging(plain, STRICT)
    sink.open(SweepInfo("mine", "", "id", "name: mine\n", 2, "python"))
    sink.write(outcome(1, summary={"ttft/p99_s": 0.9, "slo/within": 1.0}, requests_parquet=requests([0.9])))
    sink.write(outcome(2, status="failed", error="boom", summary={}, requests_parquet=b""))
    assert sink.page() is None
    sink.close()
    runs = load_sweep("mine", tmp_path).runs
    assert list(runs.status) == ["completed", "failed"]
    assert runs.loc[0, "slo/within"] == 0.0
