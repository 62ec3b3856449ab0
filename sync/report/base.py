"""What a figure of the report is: drawn from the report's data, or left out with a reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, TypeAlias

from sync.report.data import ReportData

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


# Makes one kind of figure: at least one, or what is missing for it; none where another kind shows the same. Called
# within `style.printed`; it reads its argument alone and changes nothing.
MakeFigures: TypeAlias = Callable[[ReportData], Sequence[Plot | Missing]]


def for_each_workload(
    title: str,
) -> Callable[[Callable[[ReportData, str], Plot | Missing | None]], MakeFigures]:
    """Decorate a function that draws the figure of one workload (None: it has none): it then draws those of all
    workloads."""

    def decorate(make: Callable[[ReportData, str], Plot | Missing | None]) -> MakeFigures:
        @wraps(make)
        def make_all(data: ReportData) -> Sequence[Plot | Missing]:
            if not data.workloads:
                return [Missing(title, "the sweep has no finished runs")]
            return [figure for name in data.workloads if (figure := make(data, name)) is not None]

        return make_all

    return decorate
