"""Provisioning: slowdown by two machine counts, with the frontier of the SLO."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sync.report.base import METRICS, PERCENTILES, Missing, Plot
from sync.report.data import Panel, ReportData, Run, no_runs
from sync.report.style import panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

TITLE = "Provisioning"
_ROLES = re.compile(r"(?:^|\s)(\d+)P\+(\d+)T(?:\s|$)")  # of a point's name: prompt and token machines
_LEAST_FILLED = 0.3  # of a grid: what lies along a budget's line is no map
_MOST = 2.0  # times the limit: where the colours end
Grid = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Plan:
    """The runs of one system under one load and rate, by the numbers of two kinds of machines."""

    system: str
    load: str
    rate: float | None
    axes: tuple[str, str]
    cells: Mapping[tuple[int, int], Run]

    @property
    def where(self) -> str:
        """System, load and rate."""
        return f"{self.system}, {self.load}" + ("" if self.rate is None else f" at {self.rate:g} requests/s")


def heat(data: ReportData) -> Sequence[Plot | Missing]:
    """A figure of nine panels for each system and load with a grid of two machine counts, at the highest rate that a
    point of it holds, else the lowest that was run."""
    plans, thin = provisioning(data.runs)
    if not plans:
        line = "; the machine counts lie along a line (such as a budget's), and a map wants a grid" if thin else ""
        return no_runs(data, TITLE) or [Missing(TITLE, f"no system was run with two varied machine counts{line}")]
    made: list[Plot | Missing] = []
    for of in _by_system(plans):
        shown = _telling(of)
        known = any(run.served for run in shown.cells.values())
        where = f"{TITLE}: {shown.where}"
        made.append(_map(data, shown) if known else Missing(where, "no point served all of its requests"))
        if others := [plan for plan in of if plan is not shown]:
            rates = ", ".join(f"{rate:g}" for rate in sorted(plan.rate for plan in others if plan.rate is not None))
            title = f"{TITLE}: {shown.system}, {shown.load} at {rates} requests/s"
            made.append(Missing(title, "one map a system and load: of the highest rate that a point holds"))
    return made


def _by_system(plans: Sequence[Plan]) -> list[list[Plan]]:
    groups: dict[tuple[str, str], list[Plan]] = {}
    for plan in plans:
        groups.setdefault((plan.system, plan.load), []).append(plan)
    return list(groups.values())


def _telling(plans: Sequence[Plan]) -> Plan:
    held = [plan for plan in plans if cheapest(plan) is not None]
    if held:
        return max(held, key=lambda plan: plan.rate or 0.0)
    return min(plans, key=lambda plan: plan.rate or 0.0)


def provisioning(runs: Sequence[Run]) -> tuple[list[Plan], bool]:
    """The grids that are filled well enough, and whether others are not."""
    groups: dict[tuple[str, str, float | None], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.system, run.load, run.rate), []).append(run)
    plans, thin = [], False
    for (system, load, rate), members in groups.items():
        axes, cells = _counts(members)
        first, second = ({cell[side] for cell in cells} for side in (0, 1))
        if len(first) < 2 or len(second) < 2:
            continue
        if len(cells) < _LEAST_FILLED * len(first) * len(second):
            thin = True
            continue
        plans.append(Plan(system, load, rate, axes, cells))
    return plans, thin


def _counts(members: list[Run]) -> tuple[tuple[str, str], dict[tuple[int, int], Run]]:
    """The runs by two counts: of roles where the names tell them, else of the two SKUs."""
    roles = [_ROLES.search(run.outcome.name) for run in members]
    if all(roles):
        counts = [(int(found[2]), int(found[1])) for found in roles if found]
        return ("token machines", "prompt machines"), dict(zip(counts, members, strict=True))
    skus = sorted({sku for run in members for sku in run.outcome.machines})
    if len(skus) != 2:
        return ("", ""), {}
    cells = {(run.outcome.machines.get(skus[0], 0), run.outcome.machines.get(skus[1], 0)): run for run in members}
    return (f"{skus[0]} machines", f"{skus[1]} machines"), cells


def _map(data: ReportData, plan: Plan) -> Plot:
    figure, grid = panels(3, 3, 6.6, sharex=True, sharey=True)
    columns, rows = (sorted({cell[side] for cell in plan.cells}) for side in (0, 1))
    whole = _values(plan, columns, rows, lambda run: 0.0 if run.within else 2.0)
    best = cheapest(plan)
    image = None
    for line, metric in zip(grid, METRICS, strict=True):
        for panel, percentile in zip(line, PERCENTILES, strict=True):
            shown = data.panel(metric, percentile)
            values = _values(plan, columns, rows, partial(_share, shown))
            known = np.ma.masked_invalid(values)
            image = panel.imshow(known, origin="lower", aspect="auto", cmap="cividis_r", vmin=0, vmax=_MOST)
            panel.patch.set(facecolor="white", edgecolor="0.55", hatch="xxxx")  # seen where there is nothing to colour
            if shown.limit is not None:
                _frontier(panel, np.nan_to_num(values, nan=np.inf) <= 1.0, "white", "black", "solid")
            _frontier(panel, whole <= 1.0, "black", "white", (0, (2.5, 1.2)))
            if best is not None:
                panel.plot(columns.index(best[0]), rows.index(best[1]), "*", color="white", markeredgecolor="black",
                           markersize=9, markeredgewidth=0.7)  # fmt: skip
            limit = "no limit" if shown.limit is None else f"limit {shown.limit:g}{shown.unit}"
            panel.set_title(f"{metric.upper()} {percentile}, {limit}", pad=3)
            for axis, counts in ((panel.xaxis, columns), (panel.yaxis, rows)):
                step = max(1, len(counts) // 8)
                axis.set_ticks(range(0, len(counts), step), [str(count) for count in counts[::step]])
        line[0].set_ylabel(plan.axes[1])
    for panel in grid[-1]:
        panel.set_xlabel(plan.axes[0])
    if image is not None:
        every = [panel for line in grid for panel in line]
        bar = figure.colorbar(image, ax=every, shrink=0.5, aspect=30, pad=0.01, extend="max")
        bar.set_label("slowdown, as a share of its limit")
    return _told(plan, figure, best)


def _told(plan: Plan, figure: object, best: tuple[int, int] | None) -> Plot:
    star = "No point holds all nine."
    if best is not None:
        cell = plan.cells[best]
        star = f"Star: the cheapest that holds all nine, {cell.design} at ${cell.outcome.cost:,.2f} an hour."
    caption = (
        "White line: this panel's limit. Dashed line: all nine limits, with every request served. Hatched: failed,"
        f" stopped as unstable, left requests unserved, or not run. {star}"
    )
    name = f"provisioning-{plan.system}-{plan.load}" + ("" if plan.rate is None else f"-{plan.rate:g}")
    return Plot(name, f"{TITLE}: {plan.where}", figure, caption)  # type: ignore[arg-type]


def cheapest(plan: Plan) -> tuple[int, int] | None:
    """The counts of the cheapest point within the SLO, of equals the one of least power; None where none is."""
    held = {cell: run.outcome for cell, run in plan.cells.items() if run.within}

    def least(cell: tuple[int, int]) -> tuple[float, float, int]:
        return held[cell].cost, held[cell].power, sum(held[cell].machines.values())

    return min(held, key=least, default=None)  # of equals the first point, as in the answers


def _share(shown: Panel, run: Run) -> float:
    """Of the limit; NaN (which is drawn hatched) where the run does not tell, or has not served everybody."""
    return run.figure(shown.figure) / (shown.limit or 1.0) if run.served else np.nan


def _values(plan: Plan, columns: list[int], rows: list[int], value: Callable[[Run], float]) -> Grid:
    cells = [[plan.cells.get((column, row)) for column in columns] for row in rows]
    return np.array([[np.nan if run is None else value(run) for run in line] for line in cells], dtype=np.float64)


def _frontier(panel: Axes, held: npt.NDArray[np.bool_], color: str, behind: str, dashes: Any) -> None:
    """The edges between cells that hold a limit and those that do not: exact, not smoothed."""
    from matplotlib.collections import LineCollection

    edges = []
    for row, column in itertools.product(range(held.shape[0]), range(held.shape[1])):
        if column + 1 < held.shape[1] and held[row, column] != held[row, column + 1]:
            edges.append([(column + 0.5, row - 0.5), (column + 0.5, row + 0.5)])
        if row + 1 < held.shape[0] and held[row, column] != held[row + 1, column]:
            edges.append([(column - 0.5, row + 0.5), (column + 0.5, row + 0.5)])
    for shade, width, style in ((behind, 2.8, "solid"), (color, 1.4, dashes)):
        lines = LineCollection(edges, colors=shade, linewidths=width, linestyles=[style], capstyle="butt")
        panel.add_collection(lines, autolim=False)
