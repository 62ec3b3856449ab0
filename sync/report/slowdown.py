"""Slowdown against rate, per design, with the SLO: TTFT, TBT and E2E at p50, p90 and p99."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from sync.report.base import Missing, Plot, for_each_workload, limit_text, nine_limits
from sync.report.data import ReportData, RunRow, all_within, mean_figure
from sync.report.style import MOST_DESIGNS, STYLES, Style, legend_below, panels, styles
from sync.results.grouping import grouped
from sync.results.slo import Limit, Slo

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Slowdown against rate"
_MOST_TICKS = 8
_CHAMPIONS = "Of each system the design that carries most."


@dataclass(frozen=True)
class Line:
    """A design in the figure: its label, its look, and its runs by rate, ascending."""

    label: str
    style: Style
    runs: Mapping[float, Sequence[RunRow]]


@for_each_workload(TITLE)
def slowdown(data: ReportData, workload: str) -> Plot | Missing:
    """A figure of nine panels for each workload that was run at two rates or more."""
    look = styles(data.systems)
    lines = [Line(c.design, look[c.system], data.by_rate(c)) for c in data.champions[workload]]
    lines = measured(lines, data.answers.slo)
    if len({rate for line in lines for rate in line.runs}) > 1:
        title = f"{TITLE}, {workload}"
        return slowdown_plot(f"slowdown-{workload}", title, lines[:MOST_DESIGNS], data.answers.slo, _CHAMPIONS)
    rated = any(configuration.rates for configuration in data.workloads[workload].configurations)
    none = "no run of its designs has slowdowns" if rated else "the workload has no rate"
    return Missing(f"{TITLE}, {workload}", "there is one rate" if any(line.runs for line in lines) else none)


def design_lines(runs: Sequence[RunRow], slo: Slo) -> list[Line]:
    """The lines of the first designs of `runs` that were run at rates and have slowdowns, in their own colours."""
    rated = [run for run in runs if run.standing.rate is not None]
    lines: list[Line] = []
    for members in grouped(rated, lambda run: run.standing.design):
        at_rate = grouped(members, lambda run: run.standing.rate)
        by_rate = {same[0].standing.rate or 0.0: same for same in at_rate}
        first, style = members[0].standing, STYLES[len(lines)]
        style = replace(style, color=first.color or style.color)
        lines += measured([Line(first.design, style, dict(sorted(by_rate.items())))], slo)
        if len(lines) == MOST_DESIGNS:
            break
    return lines


def measured(lines: Sequence[Line], slo: Slo) -> list[Line]:
    """The lines of which a run has measured any of the figures."""
    names = [limit.figure for limit in nine_limits(slo)]
    values = ([mean_figure(runs, name) for runs in line.runs.values() for name in names] for line in lines)
    return [line for line, figures in zip(lines, values, strict=True) if any(map(math.isfinite, figures))]


def shown_rates(runs_by_rate: Sequence[Mapping[float, Sequence[RunRow]]]) -> list[float]:
    """The rates up to the second one that no design carries: beyond that all lines have left their panels."""
    rates = sorted({rate for runs in runs_by_rate for rate in runs})
    first_missed = [next((rate for rate, at in runs.items() if not all_within(at)), math.inf) for runs in runs_by_rate]
    beyond = [rate for rate in rates if rate > max(first_missed)]
    return [rate for rate in rates if rate not in beyond[1:]]


def slowdown_plot(name: str, title: str, lines: Sequence[Line], slo: Slo, which: str) -> Plot:
    """The figure of nine panels. `which` is a sentence of the caption: which designs are drawn."""
    figure, grid = panels(3, 3, 6.6, sharex=True)
    rates = shown_rates([line.runs for line in lines])
    for axes, limit in zip(figure.axes, nine_limits(slo), strict=True):
        _draw(axes, limit, lines, rates)
        if limit.unit == "seconds":
            axes.set_ylabel(f"{limit.metric.upper()} (s)")
        elif limit.percentile == "p50":  # on the left of the row
            axes.set_ylabel(f"{limit.metric.upper()} slowdown (×)")
    for axes in grid[-1]:
        axes.set_xlabel("requests per second")
        if len(rates) <= _MOST_TICKS:
            axes.set_xticks(rates)
    legend_below(figure, grid[0][0])
    caption = (
        "Slowdowns (×) are times over those of the same request alone on a DGX-A100. Shaded, above the dashed line:"
        " outside the SLO. Lines that leave a panel are more than twice over the limit; one ends where a run was"
        f" stopped as unstable or failed. {which}"
    ).strip()
    if any(len(seeds) > 1 for line in lines for seeds in line.runs.values()):
        caption += " Lines are means over seeds, the bands around them reach from the lowest to the highest."
    if len(rates) < len({rate for line in lines for rate in line.runs}):
        caption += f" Rates above {rates[-1]:g}/s, which none carries, are left out."
    return Plot(name, title, figure, caption)


def _draw(axes: Axes, limit: Limit, lines: Sequence[Line], rates: Sequence[float]) -> None:
    for line in lines:
        figures = {r: [run.figure(limit.figure) for run in seeds] for r, seeds in line.runs.items() if r in rates}
        axes.plot(list(figures), list(map(fmean, figures.values())), label=line.label, **line.style.line)
        if several := {rate: values for rate, values in figures.items() if len(values) > 1}:
            band = list(several), list(map(min, several.values())), list(map(max, several.values()))
            axes.fill_between(*band, color=line.style.color, alpha=0.2, linewidth=0, zorder=1)
            axes.vlines(*band, color=line.style.color, linewidth=0.8, zorder=1)
    if math.isinf(limit.largest):
        axes.set_title(limit.told(), pad=3)
        axes.set_ylim(bottom=0)
        return
    axes.set_title(f"{limit.told()} (SLO {limit_text(limit)})", pad=3)
    axes.axhline(limit.largest, color="0.35", linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
    axes.axhspan(limit.largest, 2 * limit.largest, color="0.94", linewidth=0, zorder=-1)
    axes.set_ylim(0, 2 * limit.largest)
