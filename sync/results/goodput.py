"""Goodput, and requests beyond limits, by another SLO than the one that a run was measured with: counted in the run's
table of requests."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import replace

import numpy as np

from sync.results.counts import REQUESTS, Floats, column_of, counted, has_counts, rows_of_stopped
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
    counted = _counted(outcome, table, slo)
    summary = {name: value for name, value in outcome.summary.items() if not name.startswith(PREFIX)}
    summary |= {name: value for name, value in counted.items() if name.startswith(PREFIX)}
    return replace(outcome, summary=summary, goodput_limits=slo.of_each_request())


def lacks_counts(outcome: Outcome, slo: Slo) -> bool:
    """Whether the outcome's counts are by other limits than those of `slo`, or missing."""
    return outcome.status != "failed" and not has_counts(outcome.counts, slo.limits())


def with_counts(outcome: Outcome, slo: Slo, table: bytes = b"") -> Outcome:
    """The outcome with the counts of `sync.results.counts` by `slo`, from `table` where it lacks them. Where they
    cannot be had, since there is no table or older code left other columns, it has none."""
    if not lacks_counts(outcome, slo):
        return outcome
    limits = tuple(slo.limits())
    if outcome.status == "stopped":
        row = outcome.counts.get(REQUESTS)
        return replace(outcome, counts={} if row is None else rows_of_stopped(row, limits))
    if outcome.horizon_s is None or (read := _read(outcome, table, {"arrival_s", *map(column_of, limits)})) is None:
        return replace(outcome, counts={})
    columns, unserved_s, arriving = read
    return replace(outcome, counts=counted(columns, unserved_s, arriving.first_s, outcome.horizon_s, limits))


def _counted(outcome: Outcome, table: bytes, slo: Slo) -> dict[str, float]:
    """See `goodput`; empty where the columns that the limits are on cannot be had."""
    read = _read(outcome, table, {"arrival_s", "e2e_s", "e2e_slowdown", *slo.of_each_request()})
    if read is None:
        return {}
    columns, unserved_s, arriving = read
    return goodput(columns, slo, unserved_s, arriving)


def _read(outcome: Outcome, table: bytes, names: Set[str]) -> tuple[dict[str, Floats], Floats, Arriving] | None:
    """These columns of the requests that a run completed, the arrivals of the others, and when requests arrive; from
    `table`, or the outcome's own. None without a table, and where older code left other columns."""
    parquet = table or outcome.requests_parquet
    if not parquet or not names <= set(column_names(parquet)):
        return None
    read = read_requests(parquet, names, outcome.summary.get("run/completed"))
    columns = {name: read[name].to_numpy().astype(np.float64) for name in names}
    unserved_s = np.array(read_beside(parquet, UNSERVED).get("arrival_s", []), dtype=np.float64)
    return columns, unserved_s, Arriving.of(outcome.summary, columns["arrival_s"], unserved_s)
