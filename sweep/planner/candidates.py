"""The clusters of a space that may carry most: those that no other one of their family exceeds."""

from __future__ import annotations

from collections.abc import Iterator

from sweep.planner.evidence import Evidence
from sweep.planner.space import Cluster, Space


def candidates_of(evidence: Evidence) -> tuple[list[Cluster], list[Cluster]]:
    """The clusters of a space that no other one of their family exceeds, and the others, which carry no more than
    these. The one that is guessed to carry most is first, of equals that in the middle of its family."""
    largest: list[Cluster] = []
    smaller: list[Cluster] = []
    space = evidence.space
    for cluster in _clusters(space):
        (smaller if any(_exceeds(space, cluster)) else largest).append(cluster)
    middle = len(largest) / 2
    off = {cluster: abs(place - middle) for place, cluster in enumerate(largest)}
    largest.sort(key=lambda cluster: (-(evidence.guess_per_s(cluster) or 0.0), off[cluster]))
    return largest, smaller


def _clusters(space: Space) -> Iterator[Cluster]:
    for number, family in enumerate(space.families):
        for sizes in family.sizes():
            yield space.cluster(number, sizes)


def _exceeds(space: Space, cluster: Cluster) -> Iterator[bool]:
    """Whether other clusters of the family have as many machines in each role, and more in one."""
    family = space.families[cluster.family]
    if family.listed is not None:
        yield from (sizes != cluster.sizes and all(map(int.__le__, cluster.sizes, sizes)) for sizes in family.listed)
    else:
        yield from (size < counts[-1] for size, counts in zip(cluster.sizes, family.counts, strict=True))
