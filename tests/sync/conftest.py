"""Outcomes to deliver, and a results folder with a copy of the MLflow store that `template` has."""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sync import Outcome, SweepInfo
from tests.summaries import summary

OutcomeMaker = Callable[..., Outcome]


def parquet(rows: int) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"request_id": list(range(rows)), "ttft_s": [0.5] * rows}), buffer)
    return buffer.getvalue()


@pytest.fixture
def sweep() -> SweepInfo:
    return SweepInfo(
        name="quick start",
        description="A small sweep.",
        sweep_id="5eed",
        experiment_text="name: quick start\n",
        points=3,
        command="python -m sweep experiments/quickstart.yaml",
    )


@pytest.fixture
def outcome() -> OutcomeMaker:
    """Makes outcomes that differ in key and name; any field can be set."""

    def make(number: int = 0, **changes: Any) -> Outcome:
        fields: dict[str, Any] = {
            "name": f"splitwise-ha 3P+2T conv {number} rps",
            "system": "splitwise-ha",
            "design": "splitwise-ha 3P+2T",
            "workload": "conv",
            "key": f"{number:064x}",
            "index": number,
            "overrides": ("applications.0.scheduler=mixed_pool", "cluster.servers.0.count=3", "+extra=1"),
            "axes": {"rate": number},
            "machines": {"dgx-a100": 3, "dgx-h100": 2},
            "cost": 100.5,
            "power": 60.0,
            "rate": float(number),
            "trace": f"rr_conv_{number}",
            "trace_identity": "recipe",
            "seed": 7,
            "status": "completed",
            "summary": {"ttft/p99_s": 1.5, **summary()},
            "requests_parquet": parquet(4),
            "config_yaml": "seed: 7\n",
            "cpu_s": 0.5,
            "wall_s": 2.0,
            "started_at": "2026-01-02T03:04:05+00:00",
            "version": "0.1.0",
            "git_commit": "abc1234",
        }
        return Outcome(**(fields | changes))

    return make


@pytest.fixture
def run(outcome: OutcomeMaker) -> OutcomeMaker:
    """OutcomeMakers the run of a system at a rate: within the SLO or not, or `status`."""
    made = iter(range(10_000))

    def make(system: str, rate: float | None, within: bool = True, **changes: Any) -> Outcome:
        number = next(made)
        label = changes.pop("label", "3P+2T")
        workload = changes.get("workload", "conv" if rate is not None else "mine")
        fields: dict[str, Any] = {
            "name": f"{system} {label} {workload} {rate}", "system": system, "design": f"{system} {label}",
            "workload": workload, "rate": rate, "cost": 100.0, "power": 50.0, "trace": f"rr_{workload}_{rate}_2min",
            "trace_identity": f"of seed {changes.get('seed', 7)}",
            "summary": summary() if within else summary("ttft_p99"), "axes": {}, "machines": {"dgx-h100": 4},
        }  # fmt: skip
        if changes.get("status") == "failed":
            changes["summary"] = {}
        return outcome(number, **(fields | changes))

    return make


@pytest.fixture
def results(tmp_path: Path, template: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A results folder (with a space in its path) whose default MLflow store exists already."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    folder = tmp_path / "my results"
    folder.mkdir()
    shutil.copy(template, folder / "mlflow.db")
    yield folder
