"""Provisioning: slowdown by two machine counts, or by a budget's splits and the rate, with the frontier of the SLO."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from math import nan
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sync.report.base import Missing, Plot
from sync.report.data import ReportData, Run, all_within, mean_figure, state_of
from sync.report.limits import limit_text, served, shown_limits
from sync.report.plans import Cell, Plan, cheapest, plans_of, why_no_plans
from sync.report.style import columns_of, label_outer, panels_of
from sync.results.grouping import grouped
from sync.results.slo import Limit

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Provisioning"
_MOST = 2.0  # share of the limit at which the colours end; they change from blue to red at the limit, in the middle
_COLORS = "RdBu_r"  # to be told apart by the colour-blind; the frontier shows the limit in grey, too
_MOST_TICKS, _MOST_SPLITS = 8, 18  # on an axis
Corner = tuple[float, float]
Edge = tuple[Corner, Corner]


def heat(data: ReportData) -> Sequence[Plot | Missing]:
    """A figure with a panel for each limit, for each system and workload: a grid of two machine counts at the rate that
    the answers' cheapest clusters carry, or the splits of a budget at every rate."""
    if not data.runs:
        return [Missing(TITLE, "the sweep has no finished runs")]
    made: list[Plot | Missing] = []
    for members in grouped(plans_of(data.runs), lambda plan: (plan.system, plan.workload)):
        shown = _shown_plan(data, members)
        known = any(map(served, shown.cells.values()))
        where = f"{TITLE}: {shown.where}"
        made.append(_map(data, shown) if known else Missing(where, "no point served all of its requests"))
        if others := [plan for plan in members if plan is not shown]:
            rates = ", ".join(f"{rate:g}" for rate in sorted(plan.rate for plan in others if plan.rate is not None))
            title = f"{TITLE}: {shown.system}, {shown.workload} at {rates} requests/s"
            made.append(Missing(title, f"one map a system and workload: {_why(data, shown)}; --rate asks for another"))
    return made or [Missing(TITLE, why_no_plans(data.runs))]


def _shown_plan(data: ReportData, plans: Sequence[Plan]) -> Plan:
    """The plan at the rate that all systems are shown at, so that they can be compared, or at the nearest one."""
    wanted = data.workloads[plans[0].workload].rate or 0.0
    return min(plans, key=lambda plan: (abs((plan.rate or 0.0) - wanted), plan.rate or 0.0))


def _why(data: ReportData, shown: Plan) -> str:
    wanted = data.workloads[shown.workload].rate
    if wanted is None:
        return "at the lowest rate, since no system holds the SLO at any"
    words = "the rate for which the cheapest clusters are named"
    return f"at {words}" if shown.rate == wanted else f"at the rate nearest to {wanted:g}/s, {words}"


def _map(data: ReportData, plan: Plan) -> Plot:
    limits = shown_limits(data.answers.slo)
    figure, shown = panels_of(len(limits), sharex=True, sharey=True)
    star, star_text = _star(data, plan)
    whole = _values(plan, lambda seeds: 0.0 if all_within(seeds) else 2.0)
    for panel, limit in zip(shown, limits, strict=True):
        values = _values(plan, partial(_share, limit))
        known = np.ma.masked_invalid(values)
        image = panel.imshow(known, origin="lower", aspect="auto", cmap=_COLORS, vmin=0, vmax=_MOST)
        panel.patch.set(facecolor="white", edgecolor="0.55", hatch="xxxx")  # seen where there is nothing to colour
        _frontier(panel, np.nan_to_num(values, nan=np.inf) <= 1.0, "white", "black", "solid")
        _frontier(panel, whole <= 1.0, "black", "white", (0, (2.5, 1.2)))
        _mark(panel, plan, star)
        panel.set_title(f"{limit.told()}, limit {limit_text(limit)}", pad=3)
    _ticks(plan, shown)
    bar = figure.colorbar(image, ax=shown, shrink=0.8 if len(shown) <= 3 else 0.5, aspect=30, pad=0.01, extend="max")
    bar.set_ticks([0.0, 0.5, 1.0, 1.5, 2.0], labels=["0%", "50%", "100%", "150%", "200%"])
    bar.set_label("of the limit")
    why = "" if plan.by_rate or plan.rate is None else f" The map is {_why(data, plan)}."
    caption = (
        "A panel for each limit of the SLO: blue is within it, red beyond. White line: this panel's limit. Dashed line:"
        " all limits, with every request served. Hatched: failed,"
        f" stopped as unstable, left requests unserved, or not run.{_seeds_text(plan)} {star_text}{why}"
    )
    name = f"provisioning-{plan.system}-{plan.workload}" + ("" if plan.rate is None else f"-{plan.rate:g}")
    return Plot(name, f"{TITLE}: {plan.where}", figure, caption)


def _mark(panel: Axes, plan: Plan, star: Cell | None) -> None:
    """Write a question mark where the seeds do not tell, and a star into the cell that the answers name."""
    columns, rows = plan.sides
    ring = {"boxstyle": "circle,pad=0.1", "fc": "white", "ec": "black", "lw": 0.5}
    for (column, row), seeds in plan.cells.items():
        if state_of(seeds) == "undecided":
            at = columns.index(column), rows.index(row)
            panel.text(*at, "?", ha="center", va="center", fontsize=8, fontweight="bold", bbox=ring)
    if star is not None:
        panel.plot(columns.index(star[0]), rows.index(star[1]), "*", color="white", markeredgecolor="black",
                   markersize=9, markeredgewidth=0.7)  # fmt: skip


def _seeds_text(plan: Plan) -> str:
    """What the caption says of several seeds, with a space in front."""
    if all(len(seeds) == 1 for seeds in plan.cells.values()):
        return ""
    text = " Colours are means over seeds; the dashed line is where the seeds together are within the SLO."
    if any(state_of(seeds) == "undecided" for seeds in plan.cells.values()):
        text += " Question mark: undecided with these seeds."
    return text


def _ticks(plan: Plan, shown: Sequence[Axes]) -> None:
    columns, rows = plan.sides
    marked = range(0, len(columns), -(-len(columns) // _MOST_SPLITS)) if plan.by_rate else round_places(columns)
    panel = shown[0]  # all panels share its axes
    panel.set_xticks(list(marked), [plan.words.get(columns[n], f"{columns[n]:g}") for n in marked])
    panel.set_yticks(list(at := round_places(rows)), [f"{rows[place]:g}" for place in at])
    for place, axes in enumerate(shown):
        if place % columns_of(len(shown)) == 0:
            axes.set_ylabel(plan.axes[1])
        if plan.by_rate and len(marked) * len(shown) > _MOST_TICKS:
            axes.tick_params(axis="x", labelrotation=90, labelsize=6)
    label_outer(shown, plan.axes[0])


def round_places(values: Sequence[float]) -> Sequence[int]:
    """The places of an axis that have a figure: round values, as many as there is room for."""
    for step in (1, 2, 5, 10, 20, 50, 100, 200, 500):
        places = [place for place, value in enumerate(values) if value % step == 0]
        if 2 <= len(places) <= _MOST_TICKS:
            return places
    return range(0, len(values), -(-len(values) // _MOST_TICKS))


def _star(data: ReportData, plan: Plan) -> tuple[Cell | None, str]:
    """The cell that the answers name, and a sentence of the caption about it."""
    if not plan.by_rate:
        if (best := cheapest(plan)) is None:
            return None, "No point holds all limits."
        star = plan.cells[best][0].outcome
        return best, f"Star: the cheapest that holds all limits, {star.design} at ${star.cost:,.2f} an hour."
    champion = next(c for c in data.champions[plan.workload] if c.system == plan.system)
    wanted = champion.design, champion.carries
    found = (cell for cell, at in plan.cells.items() if (at[0].outcome.design, at[0].outcome.rate) == wanted)
    if (place := next(found, None)) is None:
        return None, "No split holds all limits at the lowest rate."
    return place, f"Star: the most that a split carries, {champion.design} at {champion.carries:g}/s."


def _share(limit: Limit, seeds: Sequence[Run]) -> float:
    """The share of the limit, the mean of all seeds; NaN, drawn hatched, where it was not measured or a request was not
    served."""
    if not served(seeds) or any(run.outcome.status != "completed" for run in seeds):
        return nan
    return 0.0 if all(limit.is_void(run.figures) for run in seeds) else mean_figure(seeds, limit.figure) / limit.largest


def _values(plan: Plan, value: Callable[[Sequence[Run]], float]) -> npt.NDArray[np.float64]:
    columns, rows = plan.sides
    cells = [[plan.cells.get((column, row)) for column in columns] for row in rows]
    return np.array([[nan if seeds is None else value(seeds) for seeds in line] for line in cells], dtype=np.float64)


def _frontier(panel: Axes, held: npt.NDArray[np.bool_], color: str, behind: str, dashes: Any) -> None:
    """Draw the edges between cells that hold a limit and cells that do not: exact, not smoothed."""
    from matplotlib.collections import LineCollection

    edges: list[Edge] = []
    for row, column in itertools.product(range(held.shape[0]), range(held.shape[1])):
        if column + 1 < held.shape[1] and held[row, column] != held[row, column + 1]:
            edges.append(((column + 0.5, row - 0.5), (column + 0.5, row + 0.5)))
        if row + 1 < held.shape[0] and held[row, column] != held[row + 1, column]:
            edges.append(((column - 0.5, row + 0.5), (column + 0.5, row + 0.5)))
    paths = chained(edges)
    for shade, width, style in ((behind, 2.8, "solid"), (color, 1.4, dashes)):
        lines = LineCollection(paths, colors=shade, linewidths=width, linestyles=[style], capstyle="butt")
        panel.add_collection(lines, autolim=False)


def chained(edges: Sequence[Edge]) -> list[list[Corner]]:
    """The edges joined to lines as long as possible: a line shorter than a dash would show no dashes."""
    beside: defaultdict[Corner, list[Corner]] = defaultdict(list)
    for start, end in edges:
        beside[start].append(end)
        beside[end].append(start)
    paths = []
    ends = [corner for corner, others in beside.items() if len(others) % 2]
    for start in [*ends, *beside]:  # first the lines that have ends; then loops are left
        path = [start]
        while beside[path[-1]]:
            onward = beside[path[-1]].pop()
            beside[onward].remove(path[-1])
            path.append(onward)
        paths += [path] if len(path) > 1 else []
    return paths
