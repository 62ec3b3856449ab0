"""Summaries of runs that are known to be within the paper's SLO, or to miss given limits of it."""

from __future__ import annotations

from sync.results.slo import PAPER


def summary(*missed: str, **changes: float) -> dict[str, float]:
    """The figures of a run of four requests at half of each limit; of limits `missed` (`ttft_p99`) at twice."""
    figures = {limit.figure: limit.largest * (2.0 if limit.name in missed else 0.5) for limit in PAPER.limits()}
    figures |= {f"{limit.metric}/mean_s": 0.1 for limit in PAPER.limits()}
    return {**figures, "run/completed": 4.0, **changes}
