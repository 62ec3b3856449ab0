"""Events, and the heap that orders them by time alone, as heapq does to the last tie.

Compiled, comparing two numbers costs less than heapq's call. The interpreter is quicker with heapq, which compares
floats in C: where this file runs as it is, `sim_core.event_plain` takes its place.
"""

from __future__ import annotations

from abc import abstractmethod
from types import FunctionType
from typing import Any

from sim_core.native import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class Handler:
    """Something that acts when the time of an event has come."""

    __slots__ = ()

    @abstractmethod
    def fire(self, argument: Any, /) -> None:
        """The time has come. `argument` is what the event was made with."""


class Event:
    """A future call of a handler at `time_s`. `handler` is None once the event is cancelled."""

    __slots__ = ("argument", "handler", "time_s")

    def __init__(self, time_s: float, handler: Handler | None, argument: Any) -> None:
        self.time_s = time_s
        self.handler = handler
        self.argument = argument


def moved(event: Event, time_s: float) -> Event:
    """`event`, which is in no heap, at another time: the same object where that is possible."""
    event.time_s = time_s
    return event


def heappush(heap: list[Event], event: Event) -> None:
    """As heapq.heappush, by time."""
    heap.append(event)
    _sift_down(heap, len(heap) - 1)


def heappop(heap: list[Event]) -> Event:
    """As heapq.heappop, by time."""
    last = heap.pop()
    if not heap:
        return last
    first = heap[0]
    heap[0] = last
    _sift_up(heap)
    return first


def _sift_down(heap: list[Event], position: int) -> None:
    """Move the event at `position` towards the root, past all later ones."""
    event = heap[position]
    time_s = event.time_s
    while position > 0:
        above = (position - 1) >> 1
        parent = heap[above]
        if not time_s < parent.time_s:
            break
        heap[position] = parent
        position = above
    heap[position] = event


def _sift_up(heap: list[Event]) -> None:
    """Move the root to the bottom along the earlier children, of equal ones the right one, and from there towards the
    root again."""
    end = len(heap)
    event = heap[0]
    position = 0
    child = 1
    while child < end:
        right = child + 1
        earlier = heap[child]
        if right < end:
            other = heap[right]
            if not earlier.time_s < other.time_s:
                child, earlier = right, other
        heap[position] = earlier
        position = child
        child = 2 * position + 1
    heap[position] = event
    _sift_down(heap, position)


if isinstance(heappop, FunctionType):  # not compiled
    from sim_core import event_plain

    globals().update({name: getattr(event_plain, name) for name in event_plain.__all__})
