"""Service level objectives: limits on a run's figures. `sync.results.verdict` judges by them.

The paper's limits (Patel et al., Splitwise, ISCA 2024, table of SLOs) are slowdowns against the same request alone on a
DGX-A100 (`sim_core.reference`): prompt time and token time at its own prompt size, together TTFT + TBT x (tokens - 1).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import groupby
from math import isfinite, nan

from sim_core.record import record
from sync.results.metrics import PERCENTILES, SLOWDOWN_PERCENTILES

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


@record
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

    def share(self, summary: Mapping[str, float]) -> float:
        """What a run takes of the limit; 1 is at the limit. NaN where the figure was not measured."""
        return summary.get(self.figure, nan) / self.largest

    def is_void(self, summary: Mapping[str, float]) -> bool:
        """Whether the limit is on the time between tokens, and no completed request has two tokens."""
        return self.metric == "tbt" and summary.get("run/completed", 0.0) > 0 and "tbt/mean_s" not in summary


@dataclass(frozen=True)
class Slo:
    """Limits on percentiles: `slowdown` against the request alone on the reference machine, `seconds` absolute."""

    slowdown: Limits = field(default_factory=dict)
    seconds: Limits = field(default_factory=dict)

    def limits(self) -> Iterator[Limit]:
        """All limits, slowdowns first, in the order in which they were written."""
        for unit in UNITS:
            for metric, by_percentile in getattr(self, unit).items():
                for percentile, largest in by_percentile.items():
                    yield Limit(metric, percentile, unit, largest)

    def tightest(self, summary: Mapping[str, float]) -> float | None:
        """The largest ratio of a run's figure to its limit; None where a figure was not measured."""
        found = self.tightest_limit(summary)
        return None if found is None else found[0]

    def tightest_limit(self, summary: Mapping[str, float]) -> tuple[float, Limit] | None:
        """The largest ratio of a run's figure to its limit, and that limit, of equals the first; None where a figure
        was not measured."""
        limits = [limit for limit in self.limits() if not limit.is_void(summary)]
        shares = [(limit.share(summary), limit) for limit in limits]
        known = bool(shares) and all(isfinite(share) for share, _ in shares)
        return max(shares, key=lambda pair: pair[0]) if known else None

    def of_each_request(self) -> dict[str, float]:
        """The limits of a single request, by column of the requests (`ttft_slowdown`, `e2e_s`): those of each metric's
        highest percentile."""
        ordered = sorted(self.limits(), key=lambda limit: limit.percentile)
        return {f"{limit.metric}_{UNITS[limit.unit][0]}": limit.largest for limit in ordered}

    def told(self) -> str:
        """`TTFT p50 2x p90 3x p99 6x, TBT p99 0.2 s`."""
        signs = {"slowdown": "x", "seconds": " s"}
        parts = []
        for (unit, metric), limits in groupby(self.limits(), key=lambda limit: (limit.unit, limit.metric)):
            texts = [f"{limit.percentile} {limit.largest:g}{signs[unit]}" for limit in limits]
            parts.append(f"{metric.upper()} {' '.join(texts)}")
        return ", ".join(parts)

    def as_plain(self) -> dict[str, dict[str, dict[str, float]]]:
        """The limits as plain values, for JSON."""
        return {unit: limits for unit, limits in asdict(self).items() if limits}


PAPER = Slo(slowdown=SLO_LIMITS)
