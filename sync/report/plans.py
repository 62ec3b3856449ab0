"""Which runs of a sweep make a map: a grid of two machine counts at one rate, or the splits of a budget by rate."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sync.report.data import Run

_ROLES = re.compile(r"(?:^|\s)(\d+)P\+(\d+)T(?:\s|$)")  # of a point's name: prompt and token machines
_LEAST_FILLED = 0.3  # of a grid: what lies along a budget's line is no map of counts
Cell = tuple[float, float]  # column and row


@dataclass(frozen=True)
class Plan:
    """The runs of one system under one load. At one `rate` (None: the load has none), by the numbers of two kinds of
    machines; or `by_rate`, the columns being numbered splits, which `words` names, and the rows rates."""

    system: str
    load: str
    rate: float | None
    axes: tuple[str, str]
    cells: Mapping[Cell, Run]
    by_rate: bool = False
    words: Mapping[float, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """System, load and rate."""
        if self.by_rate:
            return f"{self.system}, {self.load} at {len({row for _, row in self.cells})} rates"
        return f"{self.system}, {self.load}" + ("" if self.rate is None else f" at {self.rate:g} requests/s")

    def word(self, column: float) -> str:
        """What a column is called."""
        return self.words.get(column, f"{column:g}")


def plans_of(runs: Sequence[Run]) -> tuple[list[Plan], bool]:
    """Of each system and load the grids at each rate; where counts lie along a line (such as a budget's), the splits by
    rate. And whether there are such lines at a single rate, of which no map can be made."""
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.system, run.load), []).append(run)
    plans: list[Plan] = []
    thin = False
    for members in groups.values():
        grids = _grids(members)
        splits = None if grids else _splits(members)
        plans += grids or ([splits] if splits else [])
        thin = thin or (not grids and splits is None and len(set(_counts(members)[1])) > 1)
    return plans, thin


def cheapest(plan: Plan) -> Cell | None:
    """The counts of the cheapest point within the SLO, of equals the one of least power; None where none is."""
    held = {cell: run.outcome for cell, run in plan.cells.items() if run.within}

    def least(cell: Cell) -> tuple[float, float, int]:
        return held[cell].cost, held[cell].power, sum(held[cell].machines.values())

    return min(held, key=least, default=None)  # of equals the first point, as in the answers


def _grids(members: Sequence[Run]) -> list[Plan]:
    """At each rate, where the counts fill a grid well enough."""
    found = []
    for rate in dict.fromkeys(run.rate for run in members):
        at_rate = [run for run in members if run.rate == rate]
        axes, counts = _counts(at_rate)
        columns, rows = ({count[side] for count in counts} for side in (0, 1))
        filled, sides = len(set(counts)), (len(columns), len(rows))
        if min(sides) < 2 or filled <= max(sides) or filled < _LEAST_FILLED * len(columns) * len(rows):
            continue
        found.append(Plan(at_rate[0].system, at_rate[0].load, rate, axes, _worse_ones(counts, at_rate)))
    return found


def _splits(members: Sequence[Run]) -> Plan | None:
    """Splits by rate; None where there are not two of each."""
    rated = [run for run in members if run.rate is not None]
    axes, counts = _counts(rated)
    order = sorted({(row, column) for column, row in counts})
    if len(order) < 2 or len({run.rate for run in rated}) < 2:
        return None
    places = {split: float(place) for place, split in enumerate(order)}
    cells = _worse_ones([(places[c[1], c[0]], r.rate or 0.0) for c, r in zip(counts, rated, strict=True)], rated)
    words = {float(place): f"{row}+{column}" for place, (row, column) in enumerate(order)}
    named = (f"{axes[1].removesuffix(' machines')} + {axes[0]}", "requests per second")
    return Plan(rated[0].system, rated[0].load, None, named, cells, by_rate=True, words=words)


def _worse_ones(cells: Sequence[Cell], runs: Sequence[Run]) -> dict[Cell, Run]:
    """Of several runs in a cell (of several seeds) the one that is not within the SLO, as in the answers."""
    found: dict[Cell, Run] = {}
    for cell, run in zip(cells, runs, strict=True):
        if cell not in found or not run.within:
            found[cell] = run
    return found


def _counts(members: Sequence[Run]) -> tuple[tuple[str, str], list[tuple[int, int]]]:
    """Two counts of each run: of roles where names tell them, else of the two SKUs; none where there are not two."""
    roles = [_ROLES.search(run.outcome.name) for run in members]
    if all(roles):
        return ("token machines", "prompt machines"), [(int(found[2]), int(found[1])) for found in roles if found]
    skus = sorted({sku for run in members for sku in run.outcome.machines})
    if len(skus) != 2:
        return ("", ""), []
    counts = [(run.outcome.machines.get(skus[0], 0), run.outcome.machines.get(skus[1], 0)) for run in members]
    return (f"{skus[0]} machines", f"{skus[1]} machines"), counts
