"""Slowdown against rate, per design, with the SLO: TTFT, TBT and E2E at p50, p90 and p99."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sync.report.base import METRICS, PERCENTILES, Missing, Plot
from sync.report.data import Champion, Panel, ReportData
from sync.report.style import MOST_DESIGNS, legend_below, panels, styles

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Slowdown against rate"
_MOST_TICKS = 8


def slowdown(data: ReportData) -> Sequence[Plot | Missing]:
    """A figure of nine panels for each load that was run at two rates or more."""
    made: list[Plot | Missing] = []
    for load in data.loads:
        lines = [one for one in data.of_load(load) if _measured(data, one)]
        rates = {rate for one in lines for rate in one.runs}
        if len(rates) < 2:
            rated = any(run.rate is not None for run in data.runs if run.load == load)
            none = "no run of its designs has slowdowns" if rated else "the workload has no rate"
            made.append(Missing(f"{TITLE}, {load}", "there is one rate" if rates else none))
        else:
            made.append(_nine(data, load, lines[:MOST_DESIGNS], shown_rates(lines)))
    return made or [Missing(TITLE, "the sweep has no finished runs")]


def _measured(data: ReportData, one: Champion) -> bool:
    figures = [data.panel(metric, percentile).figure for metric in METRICS for percentile in PERCENTILES]
    return any(math.isfinite(run.figure(name)) for run in one.runs.values() for name in figures)


def shown_rates(lines: Sequence[Champion]) -> list[float]:
    """Up to the second rate that no design carries: beyond, there is nothing but lines that have left their panels."""
    rates = sorted({rate for one in lines for rate in one.runs})
    last = [
        rate for one in lines if (rate := next((r for r, run in one.runs.items() if not run.within), None)) is not None
    ]
    beyond = [rate for rate in rates if last and len(last) == len(lines) and rate > max(last)]
    return [rate for rate in rates if rate not in beyond[1:]]


def _nine(data: ReportData, load: str, lines: list[Champion], rates: list[float]) -> Plot:
    figure, grid = panels(3, 3, 6.6, sharex=True)
    look = styles(data.systems)
    for row, metric in zip(grid, METRICS, strict=True):
        for axes, percentile in zip(row, PERCENTILES, strict=True):
            shown = data.panel(metric, percentile)
            for one in lines:
                points = {rate: run.figure(shown.figure) for rate, run in one.runs.items() if rate in rates}
                axes.plot(list(points), list(points.values()), label=one.design, **look[one.system].line)
                _band(axes, one, shown, rates, look[one.system].color)
            _limit(axes, shown)
            limit = "" if shown.limit is None else f" (SLO {shown.limit:g}{shown.unit})"
            axes.set_title(f"{metric.upper()} {percentile}{limit}", pad=3)
            if axes is row[0] or shown.unit != "×":
                axes.set_ylabel(f"{metric.upper()} slowdown (×)" if shown.unit == "×" else f"{metric.upper()} (s)")
    for axes in grid[-1]:
        axes.set_xlabel("requests per second")
        if len(rates) <= _MOST_TICKS:
            axes.set_xticks(rates)
    legend_below(figure, grid[0][0], 3)
    caption = (
        "Slowdowns (×) are times over those of the same request alone on a DGX-A100. Shaded, above the dashed line:"
        " outside the SLO. Lines that leave a panel are more than twice over the limit; one ends where a run was"
        " stopped as unstable or failed. Of each system the design that carries most."
    )
    if any(len(repeated.runs) > 1 for one in lines for repeated in one.runs.values()):
        caption += " Lines are means over seeds, the bands around them reach from the lowest to the highest."
    if len(rates) < len({rate for one in lines for rate in one.runs}):
        caption += f" Rates above {rates[-1]:g}/s, which none carries, are left out."
    return Plot(f"slowdown-{load}", f"{TITLE}, {load}", figure, caption)


def _band(axes: Axes, one: Champion, shown: Panel, rates: Sequence[float], color: str) -> None:
    """From the lowest to the highest seed, at rates that were run with several."""
    spreads = {rate: run.spread(shown.figure) for rate, run in one.runs.items() if rate in rates and len(run.runs) > 1}
    if spreads:
        low, high = zip(*spreads.values(), strict=True)
        axes.fill_between(list(spreads), low, high, color=color, alpha=0.2, linewidth=0, zorder=1)
        axes.vlines(list(spreads), low, high, color=color, linewidth=0.8, zorder=1)


def _limit(axes: Axes, shown: Panel) -> None:
    if shown.limit is None:
        axes.set_ylim(bottom=0)
        return
    axes.axhline(shown.limit, color="0.35", linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
    axes.axhspan(shown.limit, 2 * shown.limit, color="0.94", linewidth=0, zorder=-1)
    axes.set_ylim(0, 2 * shown.limit)
