"""The report of a sweep: figures, and a page of HTML that says in words what they come to."""

from collections.abc import Mapping

from sync.report.bars import bars
from sync.report.base import MakeFigures, Missing, Plot
from sync.report.batches import batches
from sync.report.data import ReportData, report_data
from sync.report.distributions import distributions
from sync.report.gantt import gantt
from sync.report.heat import heat
from sync.report.over_time import over_time
from sync.report.slowdown import slowdown

# In the order of the page. To add one: a file with a `MakeFigures`, and a line here.
FIGURES: Mapping[str, MakeFigures] = {
    "slowdown": slowdown,
    "normalised": bars,
    "provisioning": heat,
    "latency": distributions,
    "batches": batches,
    "timeline": gantt,
    "over_time": over_time,
}

__all__ = ["FIGURES", "MakeFigures", "Missing", "Plot", "ReportData", "report_data"]
