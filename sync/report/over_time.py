"""Queue and memory over simulated time, design beside design at one rate."""

from __future__ import annotations

from collections.abc import Sequence

from sync.report.base import Missing, Plot
from sync.report.data import ReportData, Run, label, side_by_side
from sync.report.style import MOST_DESIGNS, legend_below, panels, styles
from sync.series import OVER_TIME, Series

TITLE = "Queue and memory over time"
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


def _two(
    data: ReportData, where: str, load: str, curves: Sequence[tuple[Run, dict[str, Series]]], absent: list[str]
) -> Plot:
    figure, (row,) = panels(1, 2, 2.7)
    look = styles(data.systems)
    for panel, (name, (words, unit, factor)) in zip(row, _CURVES.items(), strict=True):
        for number, (run, series) in enumerate(curves):
            curve = series.get(f"{OVER_TIME}/{name}")
            if curve is None:
                continue
            panel.plot(
                curve.steps, [value * factor for value in curve.values], drawstyle="steps-post",
                markevery=(number % 6, 6), label=label(run.design, load), **look[run.system].line,
            )  # fmt: skip
        panel.set_ylim(bottom=0)
        panel.set_title(words, pad=3)
        panel.set_ylabel(unit)
        panel.set_xlabel("simulated time (s)")
    legend_below(figure, row[0], 3)
    left = f" Without curves there: {', '.join(absent)}." if absent else ""
    return Plot(
        f"over-time-{load}",
        f"{TITLE}, {where}",
        figure,
        f"{where}: means over each step, exact for completed requests, worked out from the columns of requests.{left}",
    )
