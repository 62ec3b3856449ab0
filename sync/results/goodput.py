"""Goodput by another SLO than the one that a run was measured with, counted in the run's table of requests."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from sync.results.figures import Arriving, goodput
from sync.results.outcome import Outcome
from sync.results.parquet import UNSERVED, read_beside
from sync.results.slo import Slo

PREFIX = "goodput/"


def must_be_counted(outcome: Outcome, slo: Slo) -> bool:
    """Whether the outcome's goodput was counted by other limits of a single request than those of `slo`."""
    return outcome.status == "completed" and outcome.goodput_limits != slo.of_each_request()


def by_slo(outcome: Outcome, slo: Slo, table: bytes | Path | None = None) -> Outcome:
    """The outcome with goodput by `slo`: as measured where that was by the same limits of a single request, else
    counted in `table` (default: the outcome's own). Without a table it has no goodput."""
    if not must_be_counted(outcome, slo):
        return outcome
    rest = {name: value for name, value in outcome.summary.items() if not name.startswith(PREFIX)}
    content = table.read_bytes() if isinstance(table, Path) else table or outcome.requests_parquet
    counted = _counted(outcome, content, slo) if content else {}
    return replace(outcome, summary={**rest, **counted}, goodput_limits=slo.of_each_request())


def _counted(outcome: Outcome, parquet: bytes, slo: Slo) -> dict[str, float]:
    """The figures of goodput; none where the table lacks the columns that the limits are on."""
    names = ["arrival_s", "e2e_s", "e2e_slowdown", *sorted(slo.of_each_request())]
    if not set(names) <= set(pq.read_schema(io.BytesIO(parquet)).names):
        return {}  # a table that older code left
    table = pq.read_table(io.BytesIO(parquet), columns=list(dict.fromkeys(names)))
    columns = {name: table[name].to_numpy().astype(np.float64) for name in table.column_names}
    unserved = np.array(read_beside(parquet, UNSERVED).get("arrival_s", []), dtype=np.float64)
    figures = goodput(columns, slo, unserved, Arriving.of(outcome.summary, columns["arrival_s"], unserved))
    return {name: value for name, value in figures.items() if name.startswith(PREFIX)}
