"""Goodput by another SLO than the one that a run was measured with, counted in the run's table of requests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sync.results.figures import Arriving, goodput
from sync.results.outcome import Outcome
from sync.results.parquet import UNSERVED, column_names, read_beside, read_requests
from sync.results.slo import Slo

PREFIX = "goodput/"


def must_be_counted(outcome: Outcome, slo: Slo) -> bool:
    """Whether the outcome's goodput was counted by other limits of a single request than those of `slo`."""
    return outcome.status == "completed" and outcome.goodput_limits != slo.of_each_request()


def by_slo(outcome: Outcome, slo: Slo, table: bytes = b"") -> Outcome:
    """The outcome with goodput by `slo`: as measured where that was by the same limits of a single request, else
    counted in `table` (default: the outcome's own). Without a table it has no goodput."""
    if not must_be_counted(outcome, slo):
        return outcome
    counted = _counted(outcome, table or outcome.requests_parquet, slo)
    summary = {name: value for name, value in outcome.summary.items() if not name.startswith(PREFIX)}
    summary |= {name: value for name, value in counted.items() if name.startswith(PREFIX)}
    return replace(outcome, summary=summary, goodput_limits=slo.of_each_request())


def _counted(outcome: Outcome, parquet: bytes, slo: Slo) -> dict[str, float]:
    """See `goodput`; empty without a table, and where it lacks the columns that the limits are on."""
    names = {"arrival_s", "e2e_s", "e2e_slowdown", *slo.of_each_request()}
    if not parquet or not names <= set(column_names(parquet)):  # older code left other columns
        return {}
    table = read_requests(parquet, names, outcome.summary.get("run/completed"))
    columns = {name: table[name].to_numpy().astype(np.float64) for name in names}
    unserved_s = np.array(read_beside(parquet, UNSERVED).get("arrival_s", []), dtype=np.float64)
    return goodput(columns, slo, unserved_s, Arriving.of(outcome.summary, columns["arrival_s"], unserved_s))
