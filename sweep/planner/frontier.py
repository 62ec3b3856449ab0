"""The clusters of a space in order: all below a price, those that no other one exceeds, those just below one."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from heapq import heapify, heappop, heappush
from itertools import product
from math import ceil

from sweep.experiment.question import Measure
from sweep.planner.space import Cluster, Space

Below = tuple[Measure, float]  # a measure, and the price in it that clusters stay below


class Frontiers:
    """What is asked again and again about the clusters of a space, each worked out once."""

    def __init__(self, space: Space) -> None:
        self._space = space
        self._clusters: dict[tuple[int, tuple[int, ...]], Cluster] = {}
        self._frontiers: dict[tuple[int, Below | None], tuple[Cluster, ...]] = {}

    @property
    def families(self) -> range:
        """The indices of the families."""
        return range(len(self._space.families))

    def cluster(self, family: int, sizes: tuple[int, ...]) -> Cluster:
        """A cluster of a family."""
        if (family, sizes) not in self._clusters:
            self._clusters[family, sizes] = self._space.cluster(family, sizes)
        return self._clusters[family, sizes]

    def members(self, family: int, limit: Below | None = None) -> Iterator[Cluster]:
        """The clusters of a family, those below a price alone."""
        own = self._space.families[family]
        if own.listed is not None or limit is None or not own.counts:
            for sizes in own.sizes():
                cluster = self.cluster(family, sizes)
                if limit is None or cluster.price(limit[0]) < limit[1]:
                    yield cluster
            return
        *outer, inner = own.counts
        for sizes in product(*outer):
            for count in inner:  # ascending, so that the first one too dear ends the row
                cluster = self.cluster(family, (*sizes, count))
                if cluster.price(limit[0]) >= limit[1]:
                    break
                yield cluster

    def largest(self, family: int, limit: Below | None) -> tuple[Cluster, ...]:
        """The clusters of a family below a price that no other such one exceeds. Without a price the largest ones."""
        if (family, limit) not in self._frontiers:
            own = self._space.families[family]
            if own.listed is not None or len(own.counts) != 2:
                found = maximal(list(self.members(family, limit)))
            elif limit is None:
                found = [self.cluster(family, (own.counts[0][-1], own.counts[1][-1]))]
            else:
                found = self._staircase(family, own.counts[0], own.counts[1], limit)
            self._frontiers[family, limit] = tuple(found)
        return self._frontiers[family, limit]

    def _staircase(self, family: int, first: Sequence[int], second: Sequence[int], limit: Below) -> list[Cluster]:
        found: list[Cluster] = []
        for count in first:
            if number := self._cheaper_ones(family, (count,), second, limit):
                cluster = self.cluster(family, (count, second[number - 1]))
                if found and found[-1].sizes[1] == cluster.sizes[1]:
                    found.pop()  # has fewer machines in the first role, and as many in the second
                found.append(cluster)
        return found

    def _cheaper_ones(self, family: int, head: tuple[int, ...], counts: Sequence[int], limit: Below) -> int:
        """How many of `counts`, in ascending order, keep the cluster with these numbers of machines below the price."""
        return bisect_left(
            counts, True, key=lambda count: self.cluster(family, (*head, count)).price(limit[0]) >= limit[1]
        )

    def ascending(self, limit: Below, key: Callable[[Cluster], tuple[float, ...]]) -> Iterator[Cluster]:
        """The clusters of all families that are not below the price, the least `key`, which begins with it, first."""
        waiting: list[tuple[tuple[float, ...], int, tuple[int, ...], int, Cluster]] = []
        rows: list[tuple[tuple[int, ...], tuple[int, ...]]] = []
        for family in self.families:
            own = self._space.families[family]
            if own.listed is not None or not own.counts:
                found = (self.cluster(family, sizes) for sizes in own.sizes())
                waiting += [(key(c), family, c.sizes, -1, c) for c in found if c.price(limit[0]) >= limit[1]]
                continue
            *outer, inner = own.counts
            for head in product(*outer):
                number = self._cheaper_ones(family, head, inner, limit)
                rows.append((head, inner))
                if number < len(inner):
                    cluster = self.cluster(family, (*head, inner[number]))
                    waiting.append((key(cluster), family, cluster.sizes, len(rows) - 1, cluster))
        heapify(waiting)
        while waiting:
            _, family, sizes, row, cluster = heappop(waiting)
            yield cluster
            if row >= 0:
                head, inner = rows[row]
                number = bisect_right(inner, sizes[-1])
                if number < len(inner):
                    dearer = self.cluster(family, (*head, inner[number]))
                    heappush(waiting, (key(dearer), family, dearer.sizes, row, dearer))

    def predecessors(self, cluster: Cluster) -> list[Cluster]:
        """The clusters with the next smaller number of machines in one role."""
        own = self._space.families[cluster.family]
        if own.listed is not None:
            smaller = [self.cluster(cluster.family, sizes) for sizes in own.listed if sizes != cluster.sizes]
            return maximal([other for other in smaller if other.is_within(cluster)])
        found = []
        for place, counts in enumerate(own.counts):
            number = bisect_left(counts, cluster.sizes[place])
            if number:
                sizes = (*cluster.sizes[:place], counts[number - 1], *cluster.sizes[place + 1 :])
                found.append(self.cluster(cluster.family, sizes))
        return found

    def with_count(self, cluster: Cluster, place: int, count: int) -> Cluster | None:
        """The cluster with another number of machines in a role; None where the family has no such cluster."""
        sizes = (*cluster.sizes[:place], count, *cluster.sizes[place + 1 :])
        listed = self._space.families[cluster.family].listed
        return self.cluster(cluster.family, sizes) if listed is None or sizes in listed else None

    def part_of(self, cluster: Cluster, part: float) -> Cluster:
        """The cluster with about `part` of the machines in each role, rounded up to numbers that the family has."""
        own = self._space.families[cluster.family]
        if own.listed is not None or not cluster.sizes:
            return cluster
        sizes = []
        for count, counts in zip(cluster.sizes, own.counts, strict=True):
            place = min(bisect_left(counts, part * count), bisect_right(counts, count) - 1)
            sizes.append(counts[place])
        return self.cluster(cluster.family, tuple(sizes))

    def grown(self, cluster: Cluster, factor: float) -> Cluster:
        """The cluster with about `factor` times as many machines in each role, as far as the family goes."""
        own = self._space.families[cluster.family]
        if own.listed is not None:
            return cluster
        sizes = []
        for count, counts in zip(cluster.sizes, own.counts, strict=True):
            sizes.append(counts[min(bisect_left(counts, ceil(factor * count)), len(counts) - 1)])
        return self.cluster(cluster.family, tuple(sizes))


def maximal(clusters: Sequence[Cluster]) -> list[Cluster]:
    """The clusters that no other one of them exceeds, each once."""
    distinct = list(dict.fromkeys(clusters))
    return [c for c in distinct if not any(c is not other and c.is_within(other) for other in distinct)]
