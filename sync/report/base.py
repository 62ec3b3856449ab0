"""What a figure of the report is: drawn from the report's data, or left out with a reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, TypeAlias

from sync.report.data import ReportData
from sync.results.metrics import METRICS, SLOWDOWN_PERCENTILES
from sync.results.slo import Slo

if TYPE_CHECKING:
    from matplotlib.figure import Figure


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


def for_each_workload(title: str) -> Callable[[Callable[[ReportData, str], Plot | Missing]], MakeFigures]:
    """Decorate a function that draws the figure of one workload: it then draws those of all workloads."""

    def decorate(make: Callable[[ReportData, str], Plot | Missing]) -> MakeFigures:
        @wraps(make)
        def make_all(data: ReportData) -> Sequence[Plot | Missing]:
            return [make(data, name) for name in data.workloads] or [Missing(title, "the sweep has no finished runs")]

        return make_all

    return decorate


@dataclass(frozen=True)
class Panel:
    """What one of nine panels shows: a figure of the summary, its limit (None: the SLO has none) and its unit."""

    metric: str
    percentile: str
    figure: str
    limit: float | None
    unit: str

    @property
    def name(self) -> str:
        """`TTFT p99`."""
        return f"{self.metric.upper()} {self.percentile}"

    @property
    def limit_text(self) -> str:
        """The limit with its unit."""
        return "" if self.limit is None else f"{self.limit:g}{self.unit}"


def nine_panels(slo: Slo) -> list[Panel]:
    """The panels by metric, then by percentile: slowdowns, but seconds where the SLO limits these alone."""
    return [_panel(slo, metric, percentile) for metric in METRICS for percentile in SLOWDOWN_PERCENTILES]


def _panel(slo: Slo, metric: str, percentile: str) -> Panel:
    slowdown, seconds = (limits.get(metric, {}).get(percentile) for limits in (slo.slowdown, slo.seconds))
    if slowdown is None and seconds is not None:
        return Panel(metric, percentile, f"{metric}/{percentile}_s", seconds, " s")
    return Panel(metric, percentile, f"{metric}/{percentile}_slowdown", slowdown, "×")
