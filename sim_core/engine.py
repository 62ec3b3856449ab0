"""The clock and the events.

The heap is ordered by time alone. The order of events of one time is whatever the binary heap makes of it, a pure
function of all earlier pushes and pops. That is SplitwiseSim's order, and results depend on it: two transfers that wait
for the same memory are retried at the same times for ever, and the one that comes first gets it. A sequence number
would be tidier but give other results (SplitwiseSim with one differs from itself by 22 s on an overloaded cluster of
four machines). For the same reason arrivals, although known beforehand, are in the heap, and a cancelled event stays in
it until its time has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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
        self._heap: list[float] = []  # events, and the plain times of arrivals

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

    def __len__(self) -> int:
        """The number of future events, with cancelled ones and arrivals."""
        return len(self._heap)

    def run(
        self,
        arrivals_s: Sequence[float],
        on_arrival: Callable[[int], None],
        end_time_s: float,
        slices_s: Iterable[float] = (),
    ) -> None:
        """Run until no event is left, or only events after `end_time_s` (infinity: no end), where the clock then stops.

        `on_arrival(i)` is called at `arrivals_s[i]`; arrivals must be ascending. `slices_s`: ascending times; the next
        one is taken when the clock has reached the last one, and the run ends after the last. Otherwise the run is the
        same to the bit.
        """
        arrivals = list(arrivals_s)
        heap = self._heap
        before = heap[:]
        heap[:] = arrivals  # as they ascend, this is the heap that pushing them in turn would give
        for event in before:
            heappush(heap, event)
        early: set[int] = set()  # rows that the heap gave before other rows of the same time
        row = calls = 0
        now = self.now
        for until_s in slices_s or (end_time_s,):
            while heap and now < until_s:
                event = heappop(heap)
                if event > end_time_s:
                    if type(event) is Event and event.handler is None:
                        continue
                    heappush(heap, event)  # it is still a future event, for `len`
                    self.now = now = end_time_s
                    break
                if type(event) is Event:
                    handler = event.handler
                    if handler is None:
                        continue
                    self.now = now = event + 0.0  # a plain float, so that storing `now` does not keep the event alive
                    handler(event.argument)
                else:
                    self.now = now = event
                    if arrivals[row] is event:
                        on_arrival(row)
                        row += 1
                        while row in early:
                            row += 1
                    else:
                        other = row + 1
                        while arrivals[other] is not event:
                            other += 1
                        early.add(other)
                        on_arrival(other)
                calls += 1
        self.events += calls
