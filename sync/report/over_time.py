"""Queue and memory over simulated time, design beside design at one rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sync.report.base import Missing, Plot, for_each_workload
from sync.report.data import ReportData, side_by_side
from sync.report.style import MOST_DESIGNS, legend_below, panels, plain_symlog_ticks
from sync.results.curves import OVER_TIME

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Queue and memory over time"
_LONGEST = 1.5  # the time axis over the length of the shortest run: longer runs are emptying their queues
_DWARFED = 50.0  # ratio of two queues beyond which the smaller one would not be seen
_CURVES = {
    "waiting_requests": ("waiting for their prompt", "requests", 1.0),
    "kv_memory_fraction": ("KV cache held, of the cluster's", "%", 100.0),
}


def _show_small_queues(panel: Axes, peaks: Sequence[float]) -> None:
    """Make the axis linear up to 1 and logarithmic beyond, where one queue dwarfs another."""
    if max(peaks) > _DWARFED * max(min(peaks), 1.0):
        panel.set_yscale("symlog", linthresh=1.0)
        panel.set_ylim(0, 2 * max(peaks))
        plain_symlog_ticks(panel.yaxis, max(peaks))


@for_each_workload(TITLE)
def over_time(data: ReportData, workload: str) -> Plot | Missing:
    """A figure of two panels for each workload."""
    where, runs, absent = side_by_side(data, workload)
    curves = [(run, data.derived_of(run).series) for run in runs[:MOST_DESIGNS]]
    curves = [(run, series) for run, series in curves if f"{OVER_TIME}/waiting_requests" in series]
    if not curves:
        reason = "no run there has left curves over time (older code left none; --fresh runs a sweep again)"
        return Missing(f"{TITLE}, {where}", reason)
    figure, (row,) = panels(1, 2, 2.7)
    ends = [series[f"{OVER_TIME}/waiting_requests"].steps[-1] for _, series in curves]
    last_s, cut_s = max(ends), _LONGEST * min(ends)
    look = data.look
    for panel, (name, (words, unit, factor)) in zip(row, _CURVES.items(), strict=True):
        for number, (run, series) in enumerate(curves):
            if (curve := series.get(f"{OVER_TIME}/{name}")) is not None:
                line = {"markevery": (number % 6, 6), "label": run.outcome.design, **look[run.outcome.system].line}
                panel.plot(curve.steps, [value * factor for value in curve.values], drawstyle="steps-post", **line)
        panel.set_ylim(bottom=0)
        if name == "waiting_requests":
            _show_small_queues(panel, [max(series[f"{OVER_TIME}/{name}"].values) for _, series in curves])
        if cut_s < last_s:
            panel.set_xlim(right=cut_s)
        panel.set_title(words, pad=3)
        panel.set_ylabel(f"{unit} (log scale)" if panel.get_yscale() == "symlog" else unit)
        panel.set_xlabel("time since the first arrival (s)")
    legend_below(figure, row[0])
    left = f" Without curves there: {absent}." if absent else ""
    left += f" What goes on after {cut_s:g} s is cut off." if cut_s < last_s else ""
    text = "means over each step, exact for completed requests, worked out from the columns of requests."
    return Plot(f"over-time-{workload}", f"{TITLE}, {where}", figure, f"{where}: {text}{left}")
