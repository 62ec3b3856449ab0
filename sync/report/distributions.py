"""Whole distributions of TTFT, TBT and E2E, design beside design at one rate."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sync.report.base import Missing, Plot, for_each_workload
from sync.report.data import ReportData, Run, side_by_side
from sync.report.style import MOST_DESIGNS, legend_below, panels, plain_log_ticks

TITLE = "Distributions of latency"
METRICS = {"ttft": "time to first token", "tbt": "time between tokens", "e2e": "end to end"}
Curves = dict[str, npt.NDArray[np.float64]]
# The percents at which a curve has points: closer in the tail, where limits are.
_PERCENTS = np.concatenate([np.linspace(0, 90, 91), np.linspace(90, 99, 91)[1:], np.linspace(99, 100, 41)[1:]])


def _curves(data: ReportData, run: Run) -> Curves:
    """By metric the values at `_PERCENTS`."""
    table = data.requests_of(run)
    if table is None:
        return {}
    columns = {metric: table[f"{metric}_s"].dropna() for metric in METRICS if f"{metric}_s" in table}
    return {metric: np.percentile(values, _PERCENTS) for metric, values in columns.items() if len(values)}


def _marked(number: int) -> list[int]:
    """The points of a design's curve that have a marker: evenly spaced, at other places for each design."""
    places: list[int] = np.searchsorted(_PERCENTS, np.arange(4.0 + 20.0 * number / MOST_DESIGNS, 98, 20)).tolist()
    return places


@for_each_workload(TITLE)
def distributions(data: ReportData, workload: str) -> Plot | Missing:
    """A figure of three panels for each workload."""
    where, runs, absent = side_by_side(data, workload)
    curves = [(run, found) for run in runs[:MOST_DESIGNS] if (found := _curves(data, run))]
    if not curves:
        return Missing(f"{TITLE}, {where}", "no run there was completed and has kept its requests")
    figure, (row,) = panels(1, 3, 2.7, sharey=True)
    look = data.look
    for panel, (metric, words) in zip(row, METRICS.items(), strict=True):
        for number, (run, found) in enumerate(curves):
            if metric in found:
                line = {"markevery": _marked(number), "label": run.outcome.design, **look[run.outcome.system].line}
                panel.plot(np.maximum(found[metric], 1e-6), _PERCENTS / 100, **line)
        panel.set_xscale("log")
        if drawn := [found[metric] for _, found in curves if metric in found]:
            plain_log_ticks(panel.xaxis, max(min(curve[0] for curve in drawn), 1e-6), max(curve[-1] for curve in drawn))
        for share in (0.5, 0.9, 0.99):
            panel.axhline(share, color="0.85", linewidth=0.6, zorder=0)
        panel.set_xlabel(f"{words} (s)")
        panel.set_ylim(0, 1.005)
        panel.set_title(metric.upper(), pad=3)
    row[0].set_ylabel("share of requests")
    shares = (0, 0.25, 0.5, 0.75, 0.9, 0.99)
    row[0].set_yticks(shares, [f"{share:g}" for share in shares])
    legend_below(figure, max(row, key=lambda panel: len(panel.lines)))
    left = f" Without requests to show there: {absent}." if absent else ""
    caption = f"{where}: every completed request. The horizontal lines are p50, p90 and p99.{left}"
    return Plot(f"latency-{workload}", f"{TITLE}, {where}", figure, caption)
