"""How much of its tightest limit each design takes, against rate, and which limit it reaches first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import nan
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sync.report.base import Missing, Plot, for_each_workload
from sync.report.data import ReportData, RunRow, state_of
from sync.report.limits import Deciding, served, share, share_interval, shown_limits, tightest
from sync.report.slowdown import Line, champion_lines, mark_undecided, ring, seeds_text, shown_rates, some
from sync.report.style import legend_below, panels
from sync.results.point_id import rate_text
from sync.results.slo import Slo

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "The limit that decides"
_TOP = 200.0  # percent of a limit at which the panel ends
_MOST_LETTERS = 48  # of an entry of the legend, for two in a line
_STEPS = 40  # points of a curve from one rate to the next
Floats = npt.NDArray[np.float64]


@for_each_workload(TITLE)
def tightest_limit(data: ReportData, workload: str) -> Plot | Missing | None:
    """A figure of one panel for each workload that was run at two rates or more; none where the SLO has one limit,
    which the figure of times against rate shows."""
    slo = data.answers.slo
    if len(shown_limits(slo)) == 1:
        return None
    lines, which = champion_lines(data, workload)
    title = f"{TITLE}, {workload}"
    rates = shown_rates([line.runs for line in lines])
    if len(rates) < 2:
        return Missing(title, "there is one rate" if rates else "no run has a rate and what the SLO limits")
    figure, ((panel,),) = panels(1, 1, 3.1)
    for line in lines:
        places, percents = _curve({rate: runs for rate, runs in line.runs.items() if rate in rates}, slo)
        panel.plot(places, percents, markevery=_STEPS, label=_label(line), **line.style.line)
        _draw_seeds(panel, line, rates)
        if (found := line.deciding) is not None and found.limit is not None and found.is_reached:
            ring(panel, found.rate, 100 * found.share, _TOP, line.style)
    panel.axhline(100.0, color="0.35", linewidth=0.9, linestyle=(0, (2, 2)), zorder=0)
    panel.axhspan(100.0, _TOP, color="0.94", linewidth=0, zorder=-1)
    panel.set(ylim=(0.0, _TOP), xlabel="requests per second", ylabel="% of the tightest limit")
    panel.set_xticks(some(rates))
    longest = max(len(_label(line)) for line in lines)
    legend_below(figure, panel, columns=2 if longest <= _MOST_LETTERS else 1)
    caption = (
        "The largest share of a limit that a design takes at each rate. Shaded: outside the SLO. The legend names what"
        " ends a design's rates: the limit that it reaches first, which a ring marks, straight between the rates that"
        " were run; or, where it reaches none, the limit that it is closest to. A line ends where requests were not"
        f" served.{seeds_text(lines)} {which}"
    )
    return Plot(f"tightest-{workload}", title, figure, caption)


def _draw_seeds(panel: Axes, line: Line, rates: Sequence[float]) -> None:
    """Bars for the intervals of the tightest limit's shares, and a question mark at rates that are undecided."""
    for rate, runs in line.runs.items():
        found = tightest(runs, line.slo) if rate in rates and served(runs) else None
        interval = None if found is None else share_interval(runs, found[0])
        if interval is None or interval.low is None or interval.high is None:
            continue
        mean = 100 * interval.mean
        reach = [[mean - 100 * interval.low], [100 * interval.high - mean]]
        panel.errorbar([rate], [mean], yerr=reach, fmt="none", ecolor=line.style.color, elinewidth=0.8, capsize=2)
        if state_of(runs) == "undecided":
            mark_undecided(panel, rate, mean, _TOP, line.style)


def _curve(by_rate: Mapping[float, Sequence[RunRow]], slo: Slo) -> tuple[Floats, Floats]:
    """Rates and percents of the tightest limit: the highest of the limits' lines, each straight between the rates. NaN
    where requests were not served. Every `_STEPS`-th point is a rate that was run."""
    rates = np.array(list(by_rate), dtype=float)
    shares = np.array([[share(runs, limit) if served(runs) else nan for runs in by_rate.values()]
                       for limit in shown_limits(slo)])  # fmt: skip
    between = np.arange((len(rates) - 1) * _STEPS + 1) / _STEPS
    number = np.arange(len(rates))
    lines = np.array([np.interp(between, number, line) for line in shares])
    known = np.where(np.isnan(lines), -np.inf, lines).max(axis=0)
    return np.interp(between, number, rates), np.where(np.isfinite(known), 100.0 * known, nan)


def _label(line: Line) -> str:
    return f"{line.label}: {ends_text(line.deciding)}"


def ends_text(found: Deciding | None) -> str:
    """`TTFT p90 first`, `unstable`, `none reached, closest to E2E p95 at 83%`."""
    if found is None:
        return "not known"
    if found.is_undecided:
        return f"undecided at {rate_text(found.rate)}/s, {found.text}"
    if not found.is_reached:
        return f"none reached, closest to {found.text}"
    return f"{found.text} first" if found.limit is not None else found.text
