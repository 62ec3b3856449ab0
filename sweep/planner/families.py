"""The families of a system's clusters: which numbers of machines its experiment and its budget allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product, takewhile
from typing import Any

from configs.machines import MachineFigures, cost_and_power, provisioned_watts
from sim_core.errors import SpecError
from sweep.experiment.budget import Budget
from sweep.experiment.design import MACHINES, PROMPT, TOKEN, check_bought, check_given
from sweep.experiment.file import Design, System
from sweep.experiment.variables import work_out
from sweep.experiment.written import plain
from sweep.planner.space import Cluster, Family

_ROUNDING = 1e-9  # of a budget: sums of prices may be more by this

Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Members:
    """A family, and the values of the machine axes that make each of its clusters; where every number of machines is an
    axis of its own, `axes_of` is None: the values are the sizes."""

    family: Family
    names: tuple[str, ...]
    axes_of: Mapping[Sizes, Mapping[str, int]] | None = None

    def machine_axes(self, sizes: Sizes) -> Mapping[str, int]:
        """The values of the machine axes of a cluster."""
        return dict(zip(self.names, sizes, strict=True)) if self.axes_of is None else self.axes_of[sizes]

    @property
    def first(self) -> Sizes:
        """The sizes of the first cluster."""
        return next(self.family.sizes())


@dataclass(frozen=True)
class Prices:
    """What clusters take. `budget` is a bound on it (None: none)."""

    figures: Mapping[str, MachineFigures]
    budget: Budget | None

    def cluster(self, family: int, sizes: Sizes, machines: Mapping[str, int]) -> Cluster:
        """The cluster with these machines by SKU."""
        cost, power = cost_and_power(machines, self.figures)
        watts = provisioned_watts(machines, self.figures)
        return Cluster(family, sizes, cost, power, watts, sum(machines.values()))

    def allow(self, machines: Mapping[str, int]) -> bool:
        """Whether the budget allows these machines."""
        if self.budget is None:
            return True
        taken = sum(self.budget.weight(sku, self.figures) * count for sku, count in machines.items())
        return taken <= self.budget.total(self.figures) * (1.0 + _ROUNDING)


def numbers_of(design: Design | None) -> dict[str, str]:
    """The names of a design's numbers of machines, each with its SKU, in the order of `Cluster.sizes`."""
    if design is None:
        return {}
    return {MACHINES: design.token} if design.is_baseline else {PROMPT: design.prompt, TOKEN: design.token}


def machines_of(design: Design, sizes: Sizes) -> dict[str, int]:
    """The machines of a cluster by SKU."""
    counts: dict[str, int] = {}
    for sku, count in zip(numbers_of(design).values(), sizes, strict=True):
        counts[sku] = counts.get(sku, 0) + count
    return counts


def members(
    system: System,
    values: Mapping[str, Any],
    scope: Mapping[str, Any],
    machine_axes: Mapping[str, Sequence[Any]],
    prices: Prices,
) -> Members | None:
    """The family whose clusters share `values`; `machine_axes`, and the variables in `scope`, say how many machines
    there may be. None if the budget allows none of them. Raises SpecError for what is no number of machines."""
    assert system.design is not None
    names = tuple(numbers_of(system.design))
    for name, counts in machine_axes.items():
        for count in counts:
            check_given(system, {name: count})
    if len(machine_axes) == len(names):
        every = tuple(tuple(sorted({int(count) for count in machine_axes[name]})) for name in names)
        if prices.budget is None:
            return Members(Family(values, every), names)
        listed = tuple(_allowed(system.design, every, prices))
        return Members(Family(values, every, listed), names) if listed else None
    axes_of = dict(_worked_out(system, names, scope, machine_axes))
    listed = tuple(sizes for sizes in sorted(axes_of) if prices.allow(machines_of(system.design, sizes)))
    every = tuple(tuple(sorted({sizes[place] for sizes in listed})) for place in range(len(names)))
    return Members(Family(values, every, listed), names, axes_of) if listed else None


def _allowed(design: Design, counts: Sequence[Sizes], prices: Prices) -> Iterator[Sizes]:
    """The sizes that the budget allows; `counts` ascend."""
    for head in product(*counts[:-1]):
        sizes = ((*head, last) for last in counts[-1])
        yield from takewhile(lambda size: prices.allow(machines_of(design, size)), sizes)


def _worked_out(
    system: System, names: Sequence[str], scope: Mapping[str, Any], machine_axes: Mapping[str, Sequence[Any]]
) -> Iterator[tuple[Sizes, Mapping[str, int]]]:
    """The sizes that follow from each combination of the machine axes. `scope` has the other axes and the variables."""
    for counts in product(*machine_axes.values()):
        chosen = dict(zip(machine_axes, map(plain, counts), strict=True))
        numbers = work_out({name: value for name, value in scope.items() if name not in chosen}, chosen)
        check_bought(system, numbers)
        for name in names:
            if isinstance(numbers[name], bool) or not isinstance(numbers[name], int):
                raise SpecError("must be a whole number of machines, at least 1", key=name, value=numbers[name])
        yield tuple(int(numbers[name]) for name in names), chosen
