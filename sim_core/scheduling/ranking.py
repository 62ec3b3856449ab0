"""Finds the least loaded of many replicas without looking at all of them."""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace
from typing import Final

from sim_core.errors import InvariantError

# An entry of the heap is one number that compares as (load when written, rank among equals, index) would: three numbers
# in a tuple cost more memory and time. Loads have no limit, and may be below 0.
INDEX_BITS: Final = 16
RANK_BITS: Final = 28
LOAD_AT: Final = INDEX_BITS + RANK_BITS
INDEX: Final = (1 << INDEX_BITS) - 1
BELOW_LOAD: Final = (1 << LOAD_AT) - 1
UNRANKED: Final = -1 << 62  # below every load


class Load:
    """A number per replica, by the replica's index, and rankings by it. A replica is in one of these rankings at most.

    After raising `at[index]` its owner calls nothing: the replica's heap entry is then too low, and is corrected when
    it comes to the top. To lower it, the owner calls `lower`.
    """

    __slots__ = ("at", "entries", "joined", "ranking_of", "shown")

    def __init__(self, replicas: int = 0) -> None:
        self.at: list[int] = []
        self.shown: list[int] = []  # the load in a member's own heap entry; UNRANKED in no ranking
        self.entries: list[int] = []  # a member's own heap entry; UNRANKED in no ranking
        self.ranking_of: list[Ranking | None] = []
        self.joined = 0  # members that have joined rankings so far: no two entries of a replica have the same rank
        for _ in range(replicas):
            self.grow()

    def grow(self) -> None:
        """One more replica, without load."""
        self.at.append(0)
        self.shown.append(UNRANKED)
        self.entries.append(UNRANKED)
        self.ranking_of.append(None)

    def lower(self, index: int, amount: int) -> None:
        """Lower the load of a replica."""
        at = self.at
        at[index] = load = at[index] - amount
        if load < self.shown[index]:
            self.shown[index] = load
            self.entries[index] = entry = load << LOAD_AT | self.entries[index] & BELOW_LOAD
            ranking = self.ranking_of[index]
            assert ranking is not None
            heappush(ranking.heap, entry)
            if len(ranking.heap) > ranking.most:
                ranking.rebuild()


class Ranking:
    """Finds the member with the smallest load, the one that joined first among equals.

    An entry that was replaced stays in the heap as a stale one until it comes to the top, or until stale entries
    prevail and the heap is rebuilt. An entry is stale if it is not the member's own in `Load.entries`.
    """

    __slots__ = ("heap", "load", "most")

    def __init__(self, load: Load) -> None:
        self.load = load
        self.heap: list[int] = []
        self.most = 64  # entries of the heap before it is rebuilt

    def __len__(self) -> int:
        return sum(ranking is self for ranking in self.load.ranking_of)

    def add(self, index: int) -> None:
        """`index` becomes a member, the last among equals."""
        load = self.load
        load.joined += 1
        if index > INDEX or load.joined >> RANK_BITS:
            raise InvariantError(f"a ranking has no room for index {index} as the member number {load.joined}")
        load.ranking_of[index] = self
        load.shown[index] = amount = load.at[index]
        load.entries[index] = entry = amount << LOAD_AT | load.joined << INDEX_BITS | index
        heappush(self.heap, entry)
        self.most += 4

    def remove(self, index: int) -> None:
        """`index` is no longer a member."""
        load = self.load
        load.ranking_of[index] = None
        load.shown[index] = load.entries[index] = UNRANKED
        self.most -= 4

    def least(self) -> int:
        """The index of the least loaded member; -1 without members."""
        heap = self.heap
        load = self.load
        entries, at = load.entries, load.at
        while heap:
            entry = heap[0]
            index = entry & INDEX
            if entries[index] != entry:
                heappop(heap)
                continue
            amount = at[index]
            if amount == entry >> LOAD_AT:
                return index
            load.shown[index] = amount
            entries[index] = entry = amount << LOAD_AT | entry & BELOW_LOAD
            heapreplace(heap, entry)
        return -1

    def least_without(self, index: int) -> int:
        """The index of the least loaded member beside `index`; -1 without others."""
        if index < 0 or self.load.ranking_of[index] is not self:
            return self.least()
        entries = self.load.entries
        entry, entries[index] = entries[index], UNRANKED
        least = self.least()
        entries[index] = entry
        heappush(self.heap, entry)
        if len(self.heap) > self.most:
            self.rebuild()
        return least

    def rebuild(self) -> None:
        """Remove stale entries."""
        load = self.load
        self.heap[:] = [load.entries[index] for index, ranking in enumerate(load.ranking_of) if ranking is self]
        heapify(self.heap)
