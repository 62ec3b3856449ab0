"""What ends the rates of each design, as a table: the limit that it reaches first, and what it takes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isnan, nan

from sync.analysis.answers.words import share_text
from sync.analysis.texts import Table
from sync.report.data import ReportData, RunRow, all_within
from sync.report.limits import Deciding, amount, deciding, limit_text, share
from sync.results.point_id import rate_text

_HEADS = ("design", "highest rate within the SLO (requests/s)", "limit that it reaches first", "at that rate",
          "at the next rate")  # fmt: skip


def ends_table(data: ReportData, workload: str) -> Table | None:
    """A row for each system's design that carries most, the best first; None where the workload has no rate."""
    rows = []
    for champion in sorted(data.champions[workload], key=lambda champion: (-(champion.carries or 0.0), champion.cost)):
        by_rate = data.by_rate(champion)
        if by_rate and (found := deciding(by_rate, data.answers.slo)) is not None:
            carried = champion.state if champion.carries is None else rate_text(champion.carries)
            rows.append((champion.design, carried, _limit(found), *_around(found, by_rate)))
    title = f"{workload}: the limit that decides, of each system for the design that carries most"
    return Table(title, _HEADS, tuple(rows), words=frozenset({0, 2})) if rows else None


def _limit(found: Deciding) -> str:
    if found.limit is None:
        return f"none: {found.text}"
    beside = "; undecided" if found.is_undecided else "" if found.is_reached else "; not reached"
    return f"{found.limit.told()} (limit {limit_text(found.limit)}{beside})"


def _around(found: Deciding, by_rate: Mapping[float, Sequence[RunRow]]) -> tuple[str, str]:
    """What the design takes of the limit at the highest rate that it carries, and at the next one."""
    last: Sequence[RunRow] = ()
    for rate, runs in by_rate.items():
        if not all_within(runs):
            return _taken(found, last), f"{_taken(found, runs)} at {rate_text(rate)}/s"
        last = runs
    return _taken(found, last), "no higher rate was run"


def _taken(found: Deciding, runs: Sequence[RunRow]) -> str:
    taken = nan if found.limit is None or not runs else share(runs, found.limit)
    if found.limit is None or isnan(taken):
        return "-"
    return f"{amount(taken * found.limit.largest, found.limit)} ({share_text(taken)})"
