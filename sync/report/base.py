"""What a figure of the report is: drawn from the report's data, or left out with a reason."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, TypeAlias

from sync.report.data import ReportData
from sync.results.metrics import METRICS, SLOWDOWN_PERCENTILES
from sync.results.slo import Limit, Slo

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


def nine_limits(slo: Slo) -> list[Limit]:
    """What nine panels show, by metric, then by percentile: the limit on the slowdown, else the one in seconds, else an
    infinite one on the slowdown."""
    limits = {(limit.metric, limit.percentile): limit for limit in reversed(list(slo.limits()))}  # slowdowns are first
    return [limits.get((m, p), Limit(m, p, "slowdown", math.inf)) for m in METRICS for p in SLOWDOWN_PERCENTILES]


def limit_text(limit: Limit) -> str:
    """The limit with its unit: `6×`, `0.7 s`."""
    return f"{limit.largest:g}{'×' if limit.unit == 'slowdown' else ' s'}"
