"""Slowdowns and times against rate, per design: a panel for each limit of the SLO."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from sync.analysis.seeds import CONFIDENCE_TEXT
from sync.report.base import Missing, Plot, for_each_workload
from sync.report.data import ReportData, RunRow, all_within, figure_interval, mean_figure, state_of
from sync.report.limits import Deciding, deciding, limit_text, shown_limits
from sync.report.style import MOST_DESIGNS, Style, columns_of, label_outer, legend_below, panels_of, styles, varied
from sync.results.grouping import grouped
from sync.results.slo import Limit, Slo

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Slowdown against rate"
_TITLES: Mapping[tuple[str, ...], str] = {("slowdown",): TITLE, ("seconds",): "Times against rate"}
_MOST_TICKS = 8


@dataclass(frozen=True)
class Line:
    """A design in the figure: its label, its look, its runs by rate, ascending, and the limits that judge them."""

    label: str
    style: Style
    runs: Mapping[float, Sequence[RunRow]]
    slo: Slo

    @cached_property
    def deciding(self) -> Deciding | None:
        """What ends its rates."""
        return deciding(self.runs, self.slo)


def title_of(slo: Slo) -> str:
    """The figure's title: what the SLO limits."""
    units = tuple(dict.fromkeys(limit.unit for limit in slo.limits()))
    return _TITLES.get(units, "Slowdowns and times against rate")


@for_each_workload(TITLE)
def slowdown(data: ReportData, workload: str) -> Plot | Missing:
    """A figure with a panel for each limit, for each workload that was run at two rates or more."""
    slo = data.answers.slo
    lines, which = champion_lines(data, workload)
    title = f"{title_of(slo)}, {workload}"
    if len({rate for line in lines for rate in line.runs}) > 1:
        return slowdown_plot(f"slowdown-{workload}", title, lines, slo, which)
    rated = any(configuration.rates for configuration in data.workloads[workload].configurations)
    none = "no run has measured what the SLO limits" if rated else "the workload has no rate"
    return Missing(title, "there is one rate" if any(line.runs for line in lines) else none)


def champion_lines(data: ReportData, workload: str) -> tuple[list[Line], str]:
    """A line for each system that has measured what the SLO limits, and a sentence: which designs these are."""
    look, slo = data.look, data.answers.slo
    champions = data.drawn_champions(workload)
    lines = [Line(c.design, look[c.system], runs, slo) for c in champions if _has_figures(runs := data.by_rate(c), slo)]
    left = len(data.champions[workload]) - len(champions)
    which = "Of each system the design that carries most."
    return lines, which + (f" {left} systems that carry less are left out." if left else "")


def design_lines(runs: Sequence[RunRow], slo: Slo, systems: Iterable[str] = ()) -> list[Line]:
    """The lines of the first designs of `runs` that were run at rates and have measured what the SLO limits. The first
    design of each of the `systems` looks as in the report; others have looks that no system has, or MLflow's colour."""
    rated = [run for run in runs if run.standing.rate is not None]
    look = styles([*systems, *(run.standing.system for run in runs if run.standing.system)])
    free = iter(varied(look.values()))
    lines: list[Line] = []
    drawn: set[str] = set()
    for members in grouped(rated, lambda run: run.standing.design):
        at_rate = grouped(members, lambda run: run.standing.rate)
        by_rate = {same[0].standing.rate or 0.0: same for same in at_rate}
        ascending = dict(sorted(by_rate.items()))
        if not _has_figures(ascending, slo):
            continue
        system, color = members[0].standing.system, members[0].standing.color
        if system and system not in drawn:
            drawn.add(system)
            style = look[system]
        else:
            style = next(free)
            style = style if system or not color else replace(style, color=color)
        lines.append(Line(members[0].standing.design, style, ascending, slo))
        if len(lines) == MOST_DESIGNS:
            break
    return lines


def _has_figures(runs_by_rate: Mapping[float, Sequence[RunRow]], slo: Slo) -> bool:
    """Whether runs at any rate have measured any of the figures that the SLO limits."""
    names = [limit.figure for limit in slo.limits()]
    return any(math.isfinite(mean_figure(runs, name)) for runs in runs_by_rate.values() for name in names)


def shown_rates(runs_by_rate: Sequence[Mapping[float, Sequence[RunRow]]]) -> list[float]:
    """The rates up to the second one that no design carries: beyond that all lines have left their panels."""
    rates = sorted({rate for runs in runs_by_rate for rate in runs})
    first_missed = [next((rate for rate, at in runs.items() if not all_within(at)), math.inf) for runs in runs_by_rate]
    beyond = [rate for rate in rates if rate > max(first_missed)]
    return [rate for rate in rates if rate not in beyond[1:]]


def some(rates: Sequence[float]) -> Sequence[float]:
    """The rates that have a number on the axis: all, or every second, third and so on."""
    return rates[:: -(-len(rates) // _MOST_TICKS) or 1]


def slowdown_plot(name: str, title: str, lines: Sequence[Line], slo: Slo, which: str) -> Plot:
    """The figure. `which` is a sentence of the caption: which designs are drawn."""
    limits = shown_limits(slo)
    figure, shown = panels_of(len(limits), sharex=True)
    rates = shown_rates([line.runs for line in lines])
    for place, (axes, limit) in enumerate(zip(shown, limits, strict=True)):
        _draw(axes, limit, lines, rates)
        before = limits[place - 1] if place % columns_of(len(limits)) else None
        if before is None or (before.metric, before.unit) != (limit.metric, limit.unit):
            unit = " (s)" if limit.unit == "seconds" else " slowdown (×)"
            axes.set_ylabel(f"{limit.metric.upper()}{unit}")
    shown[0].set_xticks(some(rates))
    label_outer(shown, "requests per second")
    legend_below(figure, shown[0])
    relative = "Slowdowns (×) are times over those of the same request alone on a DGX-A100. " if slo.slowdown else ""
    caption = (
        f"A panel for each limit of the SLO. {relative}Shaded, above the dashed line: outside the limit. A ring marks"
        " the limit that a design reaches first. Lines that leave a panel are more than twice over the limit; one ends"
        f" where a run was stopped as unstable or failed. {which}"
    ).strip()
    caption += seeds_text(lines)
    if len(rates) < len({rate for line in lines for rate in line.runs}):
        caption += f" Rates above {rates[-1]:g}/s, which none carries, are left out."
    return Plot(name, title, figure, caption)


def _draw(axes: Axes, limit: Limit, lines: Sequence[Line], rates: Sequence[float]) -> None:
    top = 2 * limit.largest
    for line in lines:
        runs = {rate: seeds for rate, seeds in line.runs.items() if rate in rates}
        means = {rate: figure_interval(seeds, limit.figure) for rate, seeds in runs.items()}
        values = [math.nan if interval is None else interval.mean for interval in means.values()]
        axes.plot(list(means), values, label=line.label, **line.style.line)
        ends = [(r, i.low, i.high) for r, i in means.items() if i and i.low is not None and i.high is not None]
        if ends:
            places, lows, highs = (list(column) for column in zip(*ends, strict=True))
            axes.fill_between(places, lows, highs, color=line.style.color, alpha=0.2, linewidth=0, zorder=1)
            axes.vlines(places, lows, highs, color=line.style.color, linewidth=0.8, zorder=1)
        for (rate, seeds), value in zip(runs.items(), values, strict=True):
            if state_of(seeds) == "undecided" and seeds[0].judgement and seeds[0].judgement.limit == limit:
                mark_undecided(axes, rate, value, top, line.style)
        if line.deciding is not None and line.deciding.limit == limit and line.deciding.is_reached:
            ring(axes, line.deciding.rate, line.deciding.share * limit.largest, top, line.style)
    axes.set_title(f"{limit.told()} (SLO {limit_text(limit)})", pad=3)
    axes.axhline(limit.largest, color="0.35", linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
    axes.axhspan(limit.largest, 2 * limit.largest, color="0.94", linewidth=0, zorder=-1)
    axes.set_ylim(0, 2 * limit.largest)


def ring(axes: Axes, rate: float, value: float, top: float, style: Style) -> None:
    """Mark where a design reaches a limit; above the panel's `top`, at its edge."""
    axes.plot([rate], [min(value, 0.97 * top)], linestyle="", marker="o", markersize=10, markerfacecolor="none",
              markeredgecolor=style.color, markeredgewidth=1.4, zorder=4, clip_on=False)  # fmt: skip


def mark_undecided(axes: Axes, rate: float, value: float, top: float, style: Style) -> None:
    """Write a question mark beside a point at which the seeds do not tell; above the panel's `top`, at its edge."""
    if math.isfinite(value):
        axes.annotate("?", (rate, min(value, 0.9 * top)), xytext=(6, 0), textcoords="offset points", va="center",
                      fontsize=10, fontweight="bold", color=style.color, zorder=5,
                      bbox={"fc": "white", "ec": "none", "pad": 0.3})  # fmt: skip


def seeds_text(lines: Iterable[Line]) -> str:
    """What a caption says of lines over several seeds, with a space in front; empty where each rate has one."""
    groups = [seeds for line in lines for seeds in line.runs.values() if len(seeds) > 1]
    if not groups:
        return ""
    text = f" Lines are means over seeds, with their intervals at {CONFIDENCE_TEXT} by Student's t."
    if any(state_of(seeds) == "undecided" for seeds in groups):
        text += " A question mark: these seeds do not tell whether the rate is within the SLO."
    return text
