"""Finds the least loaded of many instances without looking at all of them."""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace

Entry = tuple[int, int, int]  # load when written, rank among equals, index


class Ranking:
    """Finds the member with the smallest load, the one that joined first among equals.

    `loads` holds a number per index, and its owner changes it. After lowering a load the owner calls `lowered`. After
    raising one it calls nothing: the member's heap entry is then too low, and is corrected when it comes to the top.
    An entry that was replaced stays in the heap as a stale one until it comes to the top, or until stale entries
    prevail and the heap is rebuilt. An entry is stale if it is not the member's own in `_entries`.
    """

    __slots__ = ("_entries", "_heap", "_joined", "loads")

    def __init__(self, loads: list[int]) -> None:
        self.loads = loads
        self._heap: list[Entry] = []
        self._entries: dict[int, Entry] = {}
        self._joined = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, index: int) -> None:
        """`index` becomes a member, the last among equals."""
        self._joined += 1
        entry = (self.loads[index], self._joined, index)
        self._entries[index] = entry
        heappush(self._heap, entry)

    def remove(self, index: int) -> None:
        """`index` is no longer a member."""
        del self._entries[index]

    def lowered(self, index: int) -> None:
        """The load of `index`, if it is a member, has become smaller."""
        entry = self._entries.get(index)
        if entry is None:
            return
        load = self.loads[index]
        if load < entry[0]:
            self._entries[index] = entry = (load, entry[1], index)
            heappush(self._heap, entry)
            if len(self._heap) > 64 + 4 * len(self._entries):
                self._heap = list(self._entries.values())
                heapify(self._heap)

    def least(self) -> int:
        """The index of the least loaded member; -1 without members."""
        heap = self._heap
        entries = self._entries
        loads = self.loads
        while heap:
            entry = heap[0]
            index = entry[2]
            if entries.get(index) is not entry:
                heappop(heap)
                continue
            load = loads[index]
            if load == entry[0]:
                return index
            entries[index] = entry = (load, entry[1], index)
            heapreplace(heap, entry)
        return -1
