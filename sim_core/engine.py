"""The clock and the events.

The heap is ordered by time alone. The order of events of one time is whatever the binary heap makes of it, a pure
function of all earlier pushes and pops. That is SplitwiseSim's order, and results depend on it: two transfers that wait
for the same memory are retried at the same times for ever, and the one that comes first gets it. A sequence number
would be tidier but give other results (SplitwiseSim with one differs from itself by 22 s on an overloaded cluster of
four machines). For the same reason arrivals that are known beforehand are all in the heap from the beginning, and a
cancelled event stays in it until its time has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from typing import Any

Handler = Callable[[Any], None]


class Event(float):
    """A future call. The number is its time in seconds, by which the heap compares events."""

    __slots__ = ("argument", "handler")

    argument: Any
    handler: Handler | None

    def cancel(self) -> None:
        """Cancel the call. The clock will not stop at its time."""
        self.handler = None


class Engine:
    """Runs events in order of time."""

    __slots__ = ("_heap", "events", "now")

    def __init__(self) -> None:
        self.now = 0.0  # seconds
        self.events = 0  # handlers called
        self._heap: list[Event] = []

    def after(self, delay_s: float, handler: Handler, argument: Any) -> None:
        """Call `handler(argument)` after `delay_s`; without a delay at once, inside the current event."""
        if delay_s == 0.0:
            handler(argument)
        else:
            self.at(self.now + delay_s, handler, argument)

    def at(self, time_s: float, handler: Handler, argument: Any) -> Event:
        """Call `handler(argument)` at `time_s`, which must not be in the past."""
        event = Event(time_s)
        event.handler = handler
        event.argument = argument
        heappush(self._heap, event)
        return event

    def at_each(self, times_s: Iterable[float], handler: Handler) -> None:
        """Call `handler(i)` at the i-th of `times_s`, which must ascend, as if they were the first events of all."""
        heap = self._heap
        before = heap[:]
        heap.clear()
        for row, time_s in enumerate(times_s):
            event = Event(time_s)
            event.handler = handler
            event.argument = row
            heap.append(event)  # ascending times are a heap already
        for event in before:
            heappush(heap, event)

    def __len__(self) -> int:
        """The number of future events, with cancelled ones."""
        return len(self._heap)

    def run(self, end_time_s: float, slices_s: Iterable[float] = ()) -> None:
        """Run until no event is left, or only events after `end_time_s` (infinity: no end), where the clock then stops.

        `slices_s`: ascending times; the next one is taken when the clock has reached the last one, and the run ends
        after the last. Otherwise the run is the same to the bit.
        """
        heap = self._heap
        calls = 0
        now = self.now
        for until_s in slices_s or (end_time_s,):
            while now < until_s and heap:
                event = heappop(heap)
                handler = event.handler
                if handler is None:
                    continue
                if event > end_time_s:
                    heappush(heap, event)  # it is still a future event, for `len`
                    self.now = now = end_time_s
                    break
                self.now = now = event + 0.0  # a plain float, so that storing `now` does not keep the event alive
                handler(event.argument)
                calls += 1
        self.events += calls
