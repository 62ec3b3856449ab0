"""The clusters that may answer a question, and the points that ask about them.

A space holds the clusters of one system under one workload. Clusters that differ in numbers of machines alone are a
family: there a larger cluster carries at least as much, or nearly so (docs/planning.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Protocol

from sweep.experiment.point import Point
from sweep.experiment.question import Measure


@dataclass(frozen=True)
class Cluster:
    """A cluster of a space. `family` is the index of its family; `sizes` are its numbers of machines: of a baseline
    one, of a split the prompt and the token machines, empty for a system without a design. `cost` is in dollars an
    hour, `power` in power weights, `watts` by nameplate, `machines` counts all machines."""

    family: int
    sizes: tuple[int, ...]
    cost: float = field(compare=False)
    power: float = field(compare=False)
    watts: float = field(compare=False)
    machines: int = field(compare=False)

    def price(self, measure: Measure) -> float:
        """What the cluster takes of what is to be the least."""
        return float(getattr(self, "cost" if measure == "rate" else measure))

    def is_within(self, other: Cluster) -> bool:
        """Whether `other` has at least as many machines of each role, and is of the same family."""
        return self.family == other.family and all(map(int.__le__, self.sizes, other.sizes))


@dataclass(frozen=True)
class Family:
    """Clusters that differ in numbers of machines alone: every combination of `counts` (a tuple for each of
    `Cluster.sizes`, ascending), or of `listed` where only some combinations are allowed (the splits of a budget).
    `values` are the axes that all of them share, such as a scheduler."""

    values: Mapping[str, object]
    counts: tuple[tuple[int, ...], ...]
    listed: tuple[tuple[int, ...], ...] | None = None

    def sizes(self) -> Iterator[tuple[int, ...]]:
        """All numbers of machines of the family."""
        return iter(self.listed) if self.listed is not None else product(*self.counts)


class Space(Protocol):
    """The clusters of one system under one workload. `load` is the rate that is to be carried, in requests a second
    (None: the rate is searched, or the workload has none). `has_draws`: another seed gives another trace."""

    system: str
    workload: str
    load: float | None
    horizon_s: float | None
    has_draws: bool
    families: Sequence[Family]

    def cluster(self, family: int, sizes: tuple[int, ...]) -> Cluster:
        """A cluster of a family, with what it costs and draws."""

    def point(self, cluster: Cluster, rate: float | None, seed: int, longer: int = 1, asked: str = "") -> Point:
        """The point that runs a cluster at `rate` (None: the given load) with a seed, over `longer` times the horizon.
        Raises SpecError where the workload cannot be that long, or at that rate."""

    def can_last_longer(self) -> bool:
        """Whether `point` takes other values of `longer` than 1."""

    def bound_per_s(self, cluster: Cluster) -> float | None:
        """The rate that no cluster of this size can exceed for long, from its tokens a second; None: not known."""

    def balanced_per_s(self, cluster: Cluster) -> float | None:
        """As `bound_per_s`, if every machine keeps to its role: it tells which splits are balanced. None: not known."""
