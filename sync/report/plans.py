"""Which runs of a sweep make a map: a grid of two machine counts at one rate, or the splits of a budget by rate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sync.analysis.texts import joined
from sync.report.data import Run, all_within, by_seed
from sync.results.grouping import grouped

_LEAST_FILLED = 0.3  # share of a grid that is filled; counts along a line (a budget's) fill less and make no map
Cell = tuple[float, float]  # column and row


@dataclass(frozen=True)
class Plan:
    """The runs of one system under one workload. Either at one `rate` (None: the workload has none), by the numbers of
    two kinds of machines; or `by_rate`, where the columns are numbered splits, named in `words`, and the rows rates."""

    system: str
    workload: str
    rate: float | None
    axes: tuple[str, str]
    cells: Mapping[Cell, Sequence[Run]]
    by_rate: bool = False
    words: Mapping[float, str] = field(default_factory=dict)

    @property
    def sides(self) -> tuple[list[float], list[float]]:
        """The columns and the rows."""
        columns, rows = zip(*self.cells, strict=True)
        return sorted(set(columns)), sorted(set(rows))

    @property
    def where(self) -> str:
        """System, workload and rate, or the number of rates."""
        if self.by_rate:
            return f"{self.system}, {self.workload} at {len(self.sides[1])} rates"
        return f"{self.system}, {self.workload}" + ("" if self.rate is None else f" at {self.rate:g} requests/s")


def plans_of(runs: Sequence[Run]) -> list[Plan]:
    """Of each system and workload the grids at each rate; where counts lie along a line (such as a budget's), the
    splits by rate, if there are several rates."""
    groups = grouped(by_seed(runs), lambda seeds: (seeds[0].outcome.system, seeds[0].outcome.workload))
    return [plan for members in groups for plan in _grids(members) or _splits(members)]


def why_no_plans(runs: Sequence[Run]) -> str:
    """Why none of the systems has a map, by what they lack."""
    systems = grouped(by_seed(runs), lambda seeds: seeds[0].outcome.system)
    reasons = grouped(((_lack(members), members[0][0].outcome.system) for members in systems), lambda pair: pair[0])
    names = [joined([name for _, name in pairs]) for pairs in reasons]
    if len(reasons) == 1 < len(systems):
        names = ["each system"]
    return "; ".join(f"of {name} {pairs[0][0]}" for name, pairs in zip(names, reasons, strict=True))


def _lack(members: Sequence[Sequence[Run]]) -> str:
    """What the runs of a system lack to make a map."""
    outcomes = [seeds[0].outcome for seeds in members]
    if len({(tuple(sorted(o.machines.items())), repr(o.roles)) for o in outcomes}) == 1:
        return "one choice of machine counts was run, and a map needs several"
    if not _counts(members)[1]:
        return "the machines are of one kind without roles, and a map needs two counts"
    if len({outcome.rate for outcome in outcomes}) == 1:
        return "the counts lie along a line (such as a budget's) at one rate, and a map needs several rates"
    return "too few of the counts of a grid were run"


def cheapest(plan: Plan) -> Cell | None:
    """The counts of the cheapest point within the SLO, of equals the one of least power, then the first, as in the
    answers; None where none is."""

    def least(cell: Cell) -> tuple[float, float, int]:
        outcome = plan.cells[cell][0].outcome
        return outcome.cost, outcome.power, sum(outcome.machines.values())

    return min((cell for cell, seeds in plan.cells.items() if all_within(seeds)), key=least, default=None)


def _grids(members: Sequence[Sequence[Run]]) -> list[Plan]:
    """A plan for each rate at which the counts fill a grid well enough."""
    found = []
    for at_rate in grouped(members, lambda seeds: seeds[0].outcome.rate):
        first = at_rate[0][0].outcome
        axes, counts = _counts(at_rate)
        columns, rows = len({column for column, _ in counts}), len({row for _, row in counts})
        filled = len(set(counts))
        if min(columns, rows) > 1 and filled > max(columns, rows) and filled >= _LEAST_FILLED * columns * rows:
            found.append(
                Plan(first.system, first.workload, first.rate, axes, _worse_ones(zip(counts, at_rate, strict=True)))
            )
    return found


def _splits(members: Sequence[Sequence[Run]]) -> list[Plan]:
    """The plan of splits by rate; none without two splits and two rates."""
    rated = [(seeds, rate) for seeds in members if (rate := seeds[0].outcome.rate) is not None]
    axes, counts = _counts([seeds for seeds, _ in rated])
    order = sorted({(row, column) for column, row in counts})
    if len(order) < 2 or len({rate for _, rate in rated}) < 2:
        return []
    places = [(float(order.index(count[::-1])), rate) for count, (_, rate) in zip(counts, rated, strict=True)]
    words = {float(place): f"{row}+{column}" for place, (row, column) in enumerate(order)}
    named = (f"{axes[1].removesuffix(' machines')} + {axes[0]}", "requests per second")
    first = members[0][0].outcome
    cells = _worse_ones(zip(places, (seeds for seeds, _ in rated), strict=True))
    return [Plan(first.system, first.workload, None, named, cells, by_rate=True, words=words)]


def _worse_ones(cells: Iterable[tuple[Cell, Sequence[Run]]]) -> dict[Cell, Sequence[Run]]:
    """The runs by cell; of several designs in a cell, which differ by another setting, one not within the SLO."""
    found: dict[Cell, Sequence[Run]] = {}
    for cell, seeds in cells:
        if cell not in found or not all_within(seeds):
            found[cell] = seeds
    return found


def _counts(members: Sequence[Sequence[Run]]) -> tuple[tuple[str, str], list[tuple[int, int]]]:
    """The names of two counts and the counts of each point: of its roles where all points have them, else of the two
    SKUs; none where there are not two SKUs."""
    outcomes = [seeds[0].outcome for seeds in members]
    if all(outcome.roles for outcome in outcomes):
        counts = [(sum(o.roles["token"].values()), sum(o.roles["prompt"].values())) for o in outcomes]
        return ("token machines", "prompt machines"), counts
    skus = sorted({sku for outcome in outcomes for sku in outcome.machines})
    if len(skus) != 2:
        return ("", ""), []
    counts = [(outcome.machines.get(skus[0], 0), outcome.machines.get(skus[1], 0)) for outcome in outcomes]
    return (f"{skus[0]} machines", f"{skus[1]} machines"), counts
