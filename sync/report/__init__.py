"""The report of a sweep: one HTML page with its answer in words and figures."""

from collections.abc import Mapping

from sync.report.bars import bars
from sync.report.base import MakeFigures
from sync.report.batches import batches
from sync.report.distributions import distributions
from sync.report.frontier import frontier
from sync.report.gantt import gantt
from sync.report.heat import heat
from sync.report.over_time import over_time
from sync.report.slowdown import slowdown
from sync.report.throughput import throughput
from sync.report.tightest import tightest_limit

# In the order of the page. To add a kind of figure: a file with a `MakeFigures`, and a line in this table.
FIGURES: Mapping[str, MakeFigures] = {
    "frontier": frontier,
    "tightest": tightest_limit,
    "slowdown": slowdown,
    "throughput": throughput,
    "normalised": bars,
    "provisioning": heat,
    "latency": distributions,
    "batches": batches,
    "timeline": gantt,
    "over_time": over_time,
}

__all__ = ["FIGURES"]
