"""Queue and memory over simulated time, design beside design at one rate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sync.report.base import Missing, Plot
from sync.report.data import ReportData, Run, side_by_side
from sync.report.style import MOST_DESIGNS, legend_below, panels, plain_symlog_ticks, styles
from sync.results.curves import OVER_TIME, Series

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Queue and memory over time"
_LONGEST = 1.5  # of the time axis, in times that the first run to end took: the others are emptying their queues
_DWARFED = 50.0  # times: above that the smaller of two queues would not be seen
_CURVES = {
    "waiting_requests": ("waiting for their prompt", "requests", 1.0),
    "kv_memory_fraction": ("KV cache held, of the cluster's", "%", 100.0),
}


def over_time(data: ReportData) -> Sequence[Plot | Missing]:
    """A figure of two panels for each load."""
    made: list[Plot | Missing] = []
    for load in data.loads:
        where, runs, absent = side_by_side(data, load)
        curves = [(run, data.derived_of(run.outcome.key).series) for run in runs[:MOST_DESIGNS]]
        curves = [(run, series) for run, series in curves if f"{OVER_TIME}/waiting_requests" in series]
        if curves:
            made.append(_two(data, where, load, curves, absent))
        else:
            reason = "no run there has left curves over time (older code left none; --fresh runs a sweep again)"
            made.append(Missing(f"{TITLE}, {where}", reason))
    return made or [Missing(TITLE, "the sweep has no finished runs")]


def _show_small_ones(panel: Axes, peaks: Sequence[float]) -> None:
    """Where one queue dwarfs another: linear up to 1, logarithmic beyond."""
    if max(peaks) > _DWARFED * max(min(peaks), 1.0):
        panel.set_yscale("symlog", linthresh=1.0)
        panel.set_ylim(0, 2 * max(peaks))
        plain_symlog_ticks(panel.yaxis, max(peaks))


def _two(
    data: ReportData, where: str, load: str, curves: Sequence[tuple[Run, dict[str, Series]]], absent: list[str]
) -> Plot:
    figure, (row,) = panels(1, 2, 2.7)
    ends = [series[f"{OVER_TIME}/waiting_requests"].steps[-1] for _, series in curves]
    last_s, cut_s = max(ends), _LONGEST * min(ends)
    look = styles(data.systems)
    for panel, (name, (words, unit, factor)) in zip(row, _CURVES.items(), strict=True):
        for number, (run, series) in enumerate(curves):
            curve = series.get(f"{OVER_TIME}/{name}")
            if curve is None:
                continue
            panel.plot(
                curve.steps, [value * factor for value in curve.values], drawstyle="steps-post",
                markevery=(number % 6, 6), label=run.design, **look[run.system].line,
            )  # fmt: skip
        panel.set_ylim(bottom=0)
        if name == "waiting_requests":
            _show_small_ones(panel, [max(s[f"{OVER_TIME}/{name}"].values) for _, s in curves])
        if cut_s < last_s:
            panel.set_xlim(right=cut_s)
        panel.set_title(words, pad=3)
        panel.set_ylabel(f"{unit} (log scale)" if panel.get_yscale() == "symlog" else unit)
        panel.set_xlabel("time since the first arrival (s)")
    legend_below(figure, row[0], 3)
    left = f" Without curves there: {', '.join(absent)}." if absent else ""
    left += f" What goes on after {cut_s:g} s is cut off." if cut_s < last_s else ""
    return Plot(
        f"over-time-{load}",
        f"{TITLE}, {where}",
        figure,
        f"{where}: means over each step, exact for completed requests, worked out from the columns of requests.{left}",
    )
