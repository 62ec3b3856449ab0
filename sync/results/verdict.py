"""Whether a run is within an SLO: `verdict` judges an outcome, `judge` the figures of a run that was not stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from math import isfinite, nan
from typing import TYPE_CHECKING

from sim_core.record import record
from sync.results.metrics import METRICS
from sync.results.slo import PAPER, WITHIN, Limit, Slo

if TYPE_CHECKING:
    from sync.results.outcome import Outcome  # needs packages that a run without tracking does not

FAILED = "failed"


@record
class Verdict:
    """How an SLO judges a run. `text`: `within SLO`, or why not: `too slow: TTFT p90 p99, E2E p50`, `3 rejected`,
    `unstable: ...` or `failed`. `met`: by the name of each limit, whether it holds. `exceeded`: the limits that
    figures exceed. Both are empty for a run that failed or was stopped. `without_tbt`: the SLO limits the time between
    tokens, and no output has two tokens."""

    within: bool
    text: str
    met: Mapping[str, bool] = field(default_factory=dict)
    exceeded: tuple[Limit, ...] = ()
    without_tbt: bool = False

    @property
    def limits_met(self) -> int:
        """The number of limits that hold."""
        return sum(self.met.values())

    def figures(self) -> dict[str, float]:
        """The verdict as numbers, for tables and charts: `slo/within`, and `slo/ttft_p90` for each limit."""
        return {"slo/within": float(self.within), **{f"slo/{name}": float(holds) for name, holds in self.met.items()}}


def verdict(outcome: Outcome, slo: Slo) -> Verdict:
    """How `slo` judges `outcome`."""
    if outcome.status == "failed":
        return Verdict(False, FAILED)
    if outcome.status == "stopped":
        return Verdict(False, f"unstable: stopped at {outcome.summary.get('run/stopped_early_s', nan):.4g} s")
    return judge(outcome.summary, slo)


def judge(summary: Mapping[str, float], slo: Slo = PAPER) -> Verdict:
    """How `slo` judges the figures of a run: within it if all requests were served and every limit holds. Where every
    output is one token no request has a time between tokens, and its limits count as met."""
    exceeded: list[Limit] = []
    not_measured: list[Limit] = []
    met: dict[str, bool] = {}
    void = [limit for limit in slo.limits() if limit.is_void(summary)]
    for limit in slo.limits():
        value = summary.get(limit.figure, nan)
        holds = limit in void or value <= limit.largest
        met[limit.name] = met.get(limit.name, True) and holds
        if not holds:
            (exceeded if isfinite(value) else not_measured).append(limit)
    left = summary.get("run/rejected") or summary.get("run/unfinished") or "run/cut_at_s" in summary
    served = summary.get("run/completed", 0) > 0 and not left
    text = ", ".join(_reasons(summary, exceeded, not_measured)) or WITHIN
    return Verdict(served and all(met.values()), text, met, tuple(exceeded), bool(void))


def _reasons(summary: Mapping[str, float], exceeded: Sequence[Limit], not_measured: Sequence[Limit]) -> list[str]:
    """Why the run is not within the SLO, such as `3 rejected`, `too slow: TTFT p90 p99`; none if it is."""
    completed, rejected, unfinished, stuck, not_arrived = (
        int(summary.get(f"run/{count}", 0.0))
        for count in ("completed", "rejected", "unfinished", "standstill_requests", "not_arrived")
    )
    found = [f"standstill: {stuck} can never be served"] if stuck else []
    if "run/cut_at_s" in summary:
        found.append(f"cut at {summary['run/cut_at_s']:g} s by end_time: {not_arrived} had not arrived")
    waiting = unfinished - stuck - not_arrived
    found += [f"{count} {what}" for count, what in ((rejected, "rejected"), (waiting, "unfinished")) if count > 0]
    if not completed and not found:
        found.append("no request was completed")
    if exceeded:
        found.append(f"too slow: {_by_metric(exceeded)}")
    if not_measured and completed:
        unit = "slowdown" if all(limit.unit == "slowdown" for limit in not_measured) else "time"
        found.append(f"{unit} not measured: {_by_metric(not_measured)}")
    return found


def _by_metric(limits: Sequence[Limit]) -> str:
    """`TTFT p90 p99, E2E p50`, each percentile once, in the metrics' order."""
    percentiles = {metric: sorted({lim.percentile for lim in limits if lim.metric == metric}) for metric in METRICS}
    return ", ".join(f"{metric.upper()} {' '.join(names)}" for metric, names in percentiles.items() if names)
