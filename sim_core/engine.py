"""The clock and the events.

NOTE: the heap is ordered by time alone. Among events of one time the order is whatever the binary heap makes of it,
a pure function of all that was pushed and popped before. That is SplitwiseSim's order, and results hang on it: two
transfers that wait for the same memory are retried at the same instant for ever, and who comes first gets it. A
sequence number would be tidier, and give other results (with it SplitwiseSim itself differs from its own by 22 s on
an overloaded cluster of four machines). So arrivals, although known beforehand, are in the heap too, and a cancelled
event stays in it until its time has come.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heappop, heappush
from typing import Any

Handler = Callable[[Any], None]


class Event(float):
    """A call to come: its time in seconds, which is what the heap compares, with what is to be called."""

    __slots__ = ("argument", "handler")

    argument: Any
    handler: Handler | None

    def cancel(self) -> None:
        """Do not call it; the clock will not even stop there."""
        self.handler = None


class Engine:
    """Runs events in order of time."""

    __slots__ = ("_heap", "events", "now")

    def __init__(self) -> None:
        self.now = 0.0  # seconds
        self.events = 0  # handlers called
        self._heap: list[float] = []  # events, and the plain times of arrivals

    def after(self, delay_s: float, handler: Handler, argument: Any) -> None:
        """Call `handler(argument)` in `delay_s`; at once, inside this very event, when there is no delay."""
        if delay_s == 0.0:
            handler(argument)
        else:
            self.at(self.now + delay_s, handler, argument)

    def at(self, time_s: float, handler: Handler, argument: Any) -> Event:
        """Call `handler(argument)` at `time_s`, which must not lie in the past."""
        event = Event(time_s)
        event.handler = handler
        event.argument = argument
        heappush(self._heap, event)
        return event

    def __len__(self) -> int:
        """Events to come, cancelled ones and arrivals included."""
        return len(self._heap)

    def run(
        self,
        arrivals_s: Sequence[float],
        on_arrival: Callable[[int], None],
        end_time_s: float,
        slices_s: Iterable[float] = (),
    ) -> None:
        """Run until nothing is left, or only events after `end_time_s` (infinity: no end), where the clock then stops.

        `on_arrival(i)` is called at `arrivals_s[i]`; arrivals must be ascending. `slices_s`: ascending times of which
        the next one is asked for when the clock has reached one; the run ends with the last of them, and is otherwise
        the same to the bit.
        """
        arrivals = list(arrivals_s)
        heap = self._heap
        before = heap[:]
        heap[:] = arrivals  # ascending, so it is a heap; and the same one as if they had been pushed in turn
        for event in before:
            heappush(heap, event)
        early: set[int] = set()  # rows that the heap brought before others of the same time
        row = calls = 0
        now = self.now
        for until_s in slices_s or (end_time_s,):
            while heap and now < until_s:
                event = heappop(heap)
                if event > end_time_s:
                    if type(event) is Event and event.handler is None:
                        continue
                    heappush(heap, event)  # it is still to come, for those who ask what is
                    self.now = now = end_time_s
                    break
                if type(event) is Event:
                    handler = event.handler
                    if handler is None:
                        continue
                    self.now = now = event + 0.0  # a plain float: nobody shall keep the event alive by its time
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
