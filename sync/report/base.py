"""What a figure of the report is: made of the report's data, or left out with a reason."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sync.report.data import ReportData

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


class MakeFigures(Protocol):
    """One kind of figure. Draws under the settings of `style.printed`, and neither reads nor changes anything else."""

    def __call__(self, data: ReportData) -> Sequence[Plot | Missing]:
        """The figures of this kind, at least one or what is missing for it."""
