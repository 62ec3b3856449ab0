"""Sweeps made by hand: outcomes with figures that are known, and tables of requests to go with them."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from sync import Outcome, SweepInfo
from sync.report.data import ReportData
from sync.report.iterations import Iterations
from sync.results.curves import OVER_TIME, Derived, Series
from sync.results.found import Plan as FoundPlan
from sync.results.plan import Plan
from sync.results.slo import SLO_LIMITS, Slo
from sync.results.sweep import Sweep

KEYS = iter(f"{number:064x}" for number in range(1, 10**9))


def requests(count: int = 40, scale: float = 1.0) -> pd.DataFrame:
    """Requests whose phases are 0.1, 0.2, 0.3, 0.1 s, then decodes of which a fifth of the time is preempted."""
    arrival = np.arange(count) * 0.5
    decode = scale * (1.0 + np.arange(count) / 10)
    prompt_end, transfer_end, token_start = arrival + 0.3, arrival + 0.6, arrival + 0.7
    e2e = 0.7 + decode
    return pd.DataFrame(
        {
            "request_id": np.arange(count),
            "arrival_s": arrival,
            "ttft_s": prompt_end - arrival,
            "tbt_s": decode / 50,
            "e2e_s": e2e,
            "prompt_start_s": arrival + 0.1,
            "prompt_end_s": prompt_end,
            "transfer_start_s": prompt_end,
            "transfer_end_s": transfer_end,
            "token_start_s": token_start,
            "token_end_s": arrival + e2e,
            "preempted_s": 0.2 * decode,
            "preemptions": np.ones(count, dtype=int),
            **{f"{metric}_slowdown": e2e / 2 for metric in ("ttft", "tbt", "e2e")},
        }
    )


def parquet(table: pd.DataFrame, instances: dict[str, list[Any]] | None = None) -> bytes:
    curve = Series((0, 1, 2), (1.0, 3.0, 0.5))
    names = ("waiting_requests", "kv_memory_fraction")
    beside = {b"derived": Derived({f"{OVER_TIME}/{name}": curve for name in names}).to_json().encode()}
    if instances is not None:
        import zlib

        beside[b"instances"] = zlib.compress(json.dumps(instances).encode())
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pandas(table, preserve_index=False).replace_schema_metadata(beside), file)
    return file.getvalue()


def figures(load: float = 0.5, **changes: float) -> dict[str, float]:
    """A summary with every slowdown at a share of its limit."""
    summary = {
        f"{metric}/{percentile}_slowdown": load * limit
        for metric, limits in SLO_LIMITS.items()
        for percentile, limit in limits.items()
    }
    summary |= {f"{m}/{p}_s": load for m in SLO_LIMITS for p in ("p50", "p90", "p95", "p99")}
    summary |= {f"{m}/mean_s": load for m in SLO_LIMITS}
    return summary | {"run/completed": 40.0, "run/rejected": 0.0, "run/unfinished": 0.0, **changes}


def run(system: str, rate: float | None, load: float = 0.5, **changes: Any) -> Outcome:
    """A run of `system` whose slowdowns are `load` times their limits."""
    label = changes.pop("label", "4P+2T")
    split = re.fullmatch(r"(\d+)P\+(\d+)T", label)
    roles = {"prompt": {"dgx-h100": int(split[1])}, "token": {"dgx-a100": int(split[2])}} if split else {}
    design = f"{system} {label}"
    fields: dict[str, Any] = {
        "name": f"{design} conv" + ("" if rate is None else f" {rate:g} rps"),
        "system": system,
        "design": design,
        "workload": "conv",
        "roles": roles,
        "key": next(KEYS),
        "index": 0,
        "overrides": ("cluster=half_half",),
        "axes": {"workload": "conv"},
        "machines": {"dgx-a100": 4, "dgx-h100": 2},
        "cost": 100.0,
        "power": 60.0,
        "rate": rate,
        "trace": "rr_conv",
        "trace_identity": "same",
        "seed": 0,
        "status": "completed",
        "summary": figures(load),
        "requests_parquet": parquet(requests(scale=load)),
    }
    return Outcome(**(fields | changes))


def failed(system: str, rate: float, **changes: Any) -> Outcome:
    fields: dict[str, Any] = {"status": "failed", "error": "no memory", "summary": {}, "requests_parquet": b""}
    return run(system, rate, **(fields | changes))


def stopped(system: str, rate: float) -> Outcome:
    summary = {"run/stopped_early_s": 12.0, "run/unfinished": 9.0}
    return run(system, rate, status="stopped", summary=summary, requests_parquet=parquet(requests(0)))


class Memory:
    """A source of results that keeps tables of requests in a folder. `found_plan` is what a planner found."""

    found_plan: FoundPlan | None = None

    def __init__(self, outcomes: list[Outcome], folder: Path) -> None:
        self._outcomes, self._folder = {outcome.key: outcome for outcome in outcomes}, folder
        for outcome in outcomes:
            if outcome.requests_parquet:
                (folder / outcome.key).write_bytes(outcome.requests_parquet)

    def outcomes(self) -> dict[str, Outcome]:
        return self._outcomes

    def requests_file(self, key: str) -> Path | None:
        path = self._folder / key
        return path if path.exists() else None

    def last_started(self) -> frozenset[str]:
        return frozenset()

    def unusable(self) -> dict[str, str]:
        return {}

    def plan(self) -> Plan | None:
        return None

    def info(self) -> SweepInfo | None:
        return None

    def asked_for(self) -> frozenset[str]:
        return frozenset()

    def slo(self) -> Slo | None:
        return None

    def found(self) -> FoundPlan | None:
        return self.found_plan


def data_of(
    outcomes: list[Outcome], folder: Path, slo: Slo | None = None, searched: FoundPlan | None = None, **options: Any
) -> ReportData:
    source = Memory(outcomes, folder)
    source.found_plan = searched
    return ReportData(Sweep("made", source, slo=slo), **options)


def iterations(data: ReportData) -> Iterations:
    """Two machines: one of prompts from 0 to 2 s, one of decodes from 1 to 4 s."""
    rows = [
        ("0/0", "h_0", "prompt", 0.0, 1.0, 1, 1, 1, 100),
        ("0/0", "h_0", "prompt", 1.0, 2.0, 2, 2, 1, 300),
        ("0/1", "a_0", "token", 1.0, 2.0, 2, 0, 10, 2),
        ("0/1", "a_0", "token", 2.0, 4.0, 4, 0, 10, 4),
    ]
    columns = ["machine", "name", "role", "start_s", "end_s", "requests", "prompts", "iterations", "tokens"]
    return Iterations(data.runs[0].name, pd.DataFrame(rows, columns=columns), "Made by hand.")
