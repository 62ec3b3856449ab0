"""Events for the interpreter: floats, which heapq compares in C. Never compiled; see `sim_core.event`."""

from __future__ import annotations

from heapq import heappop, heappush
from typing import Any


class Event(float):
    """As `sim_core.event.Event`; the number is its time."""

    __slots__ = ("argument", "handler", "time_s")

    time_s: float
    handler: Any
    argument: Any

    def __new__(cls, time_s: float, handler: Any, argument: Any) -> Event:
        event = float.__new__(cls, time_s)
        event.time_s = time_s
        event.handler = handler
        event.argument = argument
        return event


def moved(event: Event, time_s: float) -> Event:
    """As `sim_core.event.moved`. The number cannot change, so it is another one."""
    return Event(time_s, event.handler, event.argument)


__all__ = ["Event", "heappop", "heappush", "moved"]
