"""What a figure of the report is: drawn from the report's data, or left out with a reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from sync.report.data import ReportData
from sync.results.slo import Slo

if TYPE_CHECKING:
    from matplotlib.figure import Figure

METRICS = {"ttft": "time to first token", "tbt": "time between tokens", "e2e": "end to end"}
PERCENTILES = ("p50", "p90", "p99")


@dataclass(frozen=True)
class Plot:
    """A drawn figure. `name` is its file's, without the ending; `caption` says what is in it and how it was made."""

    name: str
    title: str
    figure: Figure
    caption: str


@dataclass(frozen=True)
class Missing:
    """A figure that the sweep has no data for, and why."""

    title: str
    reason: str


# Makes one kind of figure: at least one, or what is missing for it. Called within `style.printed`; it reads its
# argument alone and changes nothing.
MakeFigures: TypeAlias = Callable[[ReportData], Sequence[Plot | Missing]]


def for_each_workload(
    title: str, data: ReportData, make: Callable[[ReportData, str], Plot | Missing]
) -> list[Plot | Missing]:
    """What `make` makes of each workload."""
    return [make(data, name) for name in data.workloads] or [Missing(title, "the sweep has no finished runs")]


@dataclass(frozen=True)
class Panel:
    """What one of nine panels shows: a figure of the summary, its limit (None: the SLO has none) and its unit."""

    metric: str
    percentile: str
    figure: str
    limit: float | None
    unit: str

    @property
    def limit_text(self) -> str:
        """The limit with its unit."""
        return "" if self.limit is None else f"{self.limit:g}{self.unit}"


def nine_panels(slo: Slo) -> list[list[Panel]]:
    """The panels by metric and percentile: slowdowns, but seconds where the SLO limits these alone."""
    return [[_panel(slo, metric, percentile) for percentile in PERCENTILES] for metric in METRICS]


def _panel(slo: Slo, metric: str, percentile: str) -> Panel:
    slowdown = slo.slowdown.get(metric, {}).get(percentile)
    seconds = slo.seconds.get(metric, {}).get(percentile)
    if slowdown is None and seconds is not None:
        return Panel(metric, percentile, f"{metric}/{percentile}_s", seconds, " s")
    return Panel(metric, percentile, f"{metric}/{percentile}_slowdown", slowdown, "×")
