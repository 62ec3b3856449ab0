"""Service level objectives, and `judge`, the function that says whether a run's figures meet one.

The paper's limits are slowdowns against the same request alone on a DGX-A100 (`sim_core.reference`). Source: Patel et
al., Splitwise, ISCA 2024, table of SLOs; alone means its prompt time and token time at its own prompt size, and an
end-to-end time of TTFT + TBT x (tokens - 1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import isfinite, nan

from sync.results.metrics import METRICS, PERCENTILES, SLOWDOWN_PERCENTILES

# Unit of a limit -> the end of the name of the figure that it limits, and the percentiles that a summary has of it.
UNITS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "slowdown": ("slowdown", SLOWDOWN_PERCENTILES),
    "seconds": ("s", PERCENTILES),
}
WITHIN = "within SLO"

Limits = Mapping[str, Mapping[str, float]]  # metric -> percentile -> largest value

SLO_LIMITS: Limits = {  # the paper's, as slowdowns
    "ttft": {"p50": 2.0, "p90": 3.0, "p99": 6.0},
    "tbt": {"p50": 1.25, "p90": 1.5, "p99": 5.0},
    "e2e": {"p50": 1.25, "p90": 1.5, "p99": 5.0},
}


@dataclass(frozen=True, slots=True)
class Limit:
    """One limit of an SLO: the figure `figure` of a run's summary may be at most `largest`."""

    metric: str
    percentile: str
    unit: str
    largest: float

    @property
    def figure(self) -> str:
        """The figure's name in a summary: `ttft/p99_s`, `e2e/p50_slowdown`."""
        return f"{self.metric}/{self.percentile}_{UNITS[self.unit][0]}"

    @property
    def name(self) -> str:
        """The name under which the limit's verdict is kept: `ttft_p99`."""
        return f"{self.metric}_{self.percentile}"

    def told(self) -> str:
        """`TTFT p99`."""
        return f"{self.metric.upper()} {self.percentile}"


@dataclass(frozen=True)
class Slo:
    """Limits on percentiles: `slowdown` against the request alone on the reference machine, `seconds` absolute."""

    slowdown: Limits = field(default_factory=dict)
    seconds: Limits = field(default_factory=dict)

    def limits(self) -> Iterator[Limit]:
        """All limits, slowdowns first, in the order in which they were written."""
        for unit in UNITS:
            by_metric: Limits = getattr(self, unit)
            for metric, by_percentile in by_metric.items():
                for percentile, largest in by_percentile.items():
                    yield Limit(metric, percentile, unit, largest)

    def tightest(self, summary: Mapping[str, float]) -> float | None:
        """The largest ratio of a run's figure to its limit; None where a figure was not measured."""
        shares = [
            summary.get(limit.figure, nan) / limit.largest
            for limit in self.limits()
            if not _nothing_to_judge(summary, limit)
        ]
        return max(shares) if shares and all(map(isfinite, shares)) else None

    def of_each_request(self) -> dict[str, float]:
        """The limits of a single request, by column of the requests (`ttft_slowdown`, `e2e_s`): those of each metric's
        highest percentile."""
        found: dict[str, float] = {}
        for limit in sorted(self.limits(), key=lambda limit: limit.percentile):
            found[f"{limit.metric}_{UNITS[limit.unit][0]}"] = limit.largest
        return found

    def told(self) -> str:
        """`TTFT p50 2x p90 3x p99 6x, TBT p99 0.2 s`."""
        signs = {"slowdown": "x", "seconds": " s"}
        parts: dict[tuple[str, str], list[str]] = {}
        for limit in self.limits():
            text = f"{limit.percentile} {limit.largest:g}{signs[limit.unit]}"
            parts.setdefault((limit.unit, limit.metric), []).append(text)
        return ", ".join(f"{metric.upper()} {' '.join(texts)}" for (_, metric), texts in parts.items())

    def as_plain(self) -> dict[str, dict[str, dict[str, float]]]:
        """The limits as plain values, for JSON."""
        units: dict[str, Limits] = {unit: getattr(self, unit) for unit in UNITS}
        return {
            unit: {metric: dict(by_percentile) for metric, by_percentile in limits.items()}
            for unit, limits in units.items()
            if limits
        }


PAPER = Slo(slowdown=SLO_LIMITS)


@dataclass(frozen=True, slots=True)
class Judgement:
    """How an SLO judges a completed run. `exceeded`: limits that its figures exceed; `not_measured`: limits whose
    figures were not measured; `met`: by the name of each limit, whether it holds. `without_tbt`: the SLO limits the
    time between tokens, and no output has two tokens. Of the unfinished requests `stuck` stand still for ever, and
    `not_arrived` had not arrived when the run was cut, at `cut_at_s`.
    """

    completed: int
    rejected: int
    unfinished: int
    exceeded: tuple[Limit, ...]
    not_measured: tuple[Limit, ...]
    met: Mapping[str, bool]
    without_tbt: bool = False
    stuck: int = 0
    not_arrived: int = 0
    cut_at_s: float | None = None

    @property
    def within(self) -> bool:
        """Whether every limit holds and every request was served."""
        served = self.completed > 0 and not (self.rejected or self.unfinished)
        return served and not self.exceeded and not self.not_measured

    def reasons(self) -> list[str]:
        """Why the run is not within the SLO, such as `3 rejected`, `too slow: TTFT p90 p99, E2E p50`; none if it is."""
        found = [f"standstill: {self.stuck} can never be served"] if self.stuck else []
        if self.cut_at_s is not None:
            found.append(f"cut at {self.cut_at_s:g} s by end_time: {self.not_arrived} had not arrived")
        waiting = self.unfinished - self.stuck - self.not_arrived
        found += [
            f"{count} {what}" for count, what in ((self.rejected, "rejected"), (waiting, "unfinished")) if count > 0
        ]
        if not self.completed and not found:
            found.append("no request was completed")
        if self.exceeded:
            found.append(f"too slow: {_by_metric(self.exceeded)}")
        if self.not_measured and self.completed:
            unit = "slowdown" if all(limit.unit == "slowdown" for limit in self.not_measured) else "time"
            found.append(f"{unit} not measured: {_by_metric(self.not_measured)}")
        return found

    def text(self) -> str:
        """`within SLO`, or the reasons why not."""
        return ", ".join(self.reasons()) or WITHIN


def judge(summary: Mapping[str, float], slo: Slo = PAPER) -> Judgement:
    """How `slo` judges the figures of a run. Where every output is one token no request has a time between tokens, and
    its limits count as met."""
    exceeded: list[Limit] = []
    not_measured: list[Limit] = []
    met: dict[str, bool] = {}
    for limit in slo.limits():
        value = summary.get(limit.figure, nan)
        holds = _nothing_to_judge(summary, limit) or value <= limit.largest
        met[limit.name] = met.get(limit.name, True) and holds
        if not holds:
            (exceeded if isfinite(value) else not_measured).append(limit)
    return Judgement(
        completed=int(summary.get("run/completed", 0.0)),
        rejected=int(summary.get("run/rejected", 0.0)),
        unfinished=int(summary.get("run/unfinished", 0.0)),
        exceeded=tuple(exceeded),
        not_measured=tuple(not_measured),
        met=met,
        stuck=int(summary.get("run/standstill_requests", 0.0)),
        not_arrived=int(summary.get("run/not_arrived", 0.0)),
        cut_at_s=summary.get("run/cut_at_s"),
        without_tbt=any(_nothing_to_judge(summary, limit) for limit in slo.limits()),
    )


def _nothing_to_judge(summary: Mapping[str, float], limit: Limit) -> bool:
    """Whether the limit is on the time between tokens, and no completed request has any."""
    return summary.get("run/completed", 0.0) > 0 and f"{limit.metric}/mean_s" not in summary and limit.metric == "tbt"


def _by_metric(limits: tuple[Limit, ...]) -> str:
    """`TTFT p90 p99, E2E p50`, each percentile once, in the metrics' order."""
    percentiles: dict[str, list[str]] = {}
    for metric in METRICS:
        for limit in limits:
            if limit.metric == metric and limit.percentile not in percentiles.setdefault(metric, []):
                percentiles[metric].append(limit.percentile)
    return ", ".join(f"{metric.upper()} {' '.join(sorted(names))}" for metric, names in percentiles.items() if names)
