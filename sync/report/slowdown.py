"""Slowdown against rate, per design, with the SLO: TTFT, TBT and E2E at p50, p90 and p99."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sync.report.base import METRICS, PERCENTILES, Missing, Plot
from sync.report.data import Champion, ReportData, label
from sync.report.style import MOST_DESIGNS, legend_below, panels, styles

TITLE = "Slowdown against rate"
_MOST_TICKS = 8


def slowdown(data: ReportData) -> Sequence[Plot | Missing]:
    """A figure of nine panels for each load that was run at two rates or more."""
    made: list[Plot | Missing] = []
    for load in data.loads:
        lines = [one for one in data.champions if one.load == load and _measured(one)]
        rates = {rate for one in lines for rate in one.runs}
        if len(rates) < 2:
            told = "has one rate" if rates else "has no rate, or no slowdowns"
            made.append(Missing(f"{TITLE}, {load}", f"it {told}"))
        else:
            made.append(_nine(data, load, lines[:MOST_DESIGNS]))
    return made or [Missing(TITLE, "the sweep has no finished runs")]


def _measured(one: Champion) -> bool:
    return any(math.isfinite(run.slowdown(m, p)) for run in one.runs.values() for m in METRICS for p in PERCENTILES)


def _nine(data: ReportData, load: str, lines: list[Champion]) -> Plot:
    figure, grid = panels(3, 3, 6.6, sharex=True)
    look = styles(data.systems)
    for row, metric in zip(grid, METRICS, strict=True):
        for panel, percentile in zip(row, PERCENTILES, strict=True):
            limit = data.limits[metric][percentile]
            for one in lines:
                style = look[one.system]
                points = [(rate, run.slowdown(metric, percentile)) for rate, run in one.runs.items()]
                panel.plot(
                    [rate for rate, _ in points],
                    [value for _, value in points],
                    label=label(one.design, load),
                    **style.line,
                )
            panel.axhline(limit, color="0.35", linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
            panel.axhspan(limit, 2 * limit, color="0.94", linewidth=0, zorder=-1)
            panel.annotate(
                f"SLO {limit:g}×", (0.02, limit), xycoords=("axes fraction", "data"), xytext=(0, 2),
                textcoords="offset points", fontsize=7, color="0.25",
            )  # fmt: skip
            panel.set_ylim(0, 2 * limit)
            panel.set_title(f"{metric.upper()} {percentile}", pad=3)
        row[0].set_ylabel(f"{metric.upper()} slowdown (×)")
    rates = sorted({rate for one in lines for rate in one.runs})
    for panel in grid[-1]:
        panel.set_xlabel("requests per second")
        if len(rates) <= _MOST_TICKS:
            panel.set_xticks(rates)
    legend_below(figure, grid[0][0], 3)
    caption = (
        "Times over those of the same request alone on a DGX-A100. Shaded: outside the SLO; lines that leave a panel"
        " are more than twice over the limit, and a line ends where a run was stopped as unstable or failed."
        " Of each system its best design: the highest rate within the SLO, then the cheapest."
    )
    return Plot(f"slowdown-{load}", f"{TITLE}, {load}", figure, caption)
