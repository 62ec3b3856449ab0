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
from typing import Any

from sim_core.event import Event, Handler, heappop, heappush, moved
from sim_core.native import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class Engine:
    """Runs events in order of time."""

    __slots__ = ("_heap", "_last", "events", "now")

    def __init__(self) -> None:
        self.now = 0.0  # seconds
        self.events = 0  # handlers called
        self._heap: list[Event] = []
        self._last: list[Handler] = []

    def after(self, delay_s: float, handler: Handler, argument: Any) -> None:
        """Call `handler.fire(argument)` after `delay_s`; without a delay at once, inside the current event."""
        if delay_s == 0.0:
            handler.fire(argument)
        else:
            self.at(self.now + delay_s, handler, argument)

    def at(self, time_s: float, handler: Handler, argument: Any) -> Event:
        """Call `handler.fire(argument)` at `time_s`, which must not be in the past. To cancel the call, set the event's
        `handler` to None: the clock will not stop at its time."""
        event = Event(time_s, handler, argument)
        heappush(self._heap, event)
        return event

    def again(self, event: Event, time_s: float) -> Event:
        """Repeat the call of `event` at `time_s`. Its time has come, and it was not cancelled. Returns the event of
        that call, mostly the same one: a new event costs as much as three pushes."""
        event = moved(event, time_s)
        heappush(self._heap, event)
        return event

    def last(self, handler: Handler) -> None:
        """Call `handler.fire(None)` at this time, after all events of it, also those that are still to come: for a
        handler that must see everything that happens at this time. Several are called in the order of these calls.
        Only what an event calls may call this."""
        self._last.append(handler)

    def is_last(self) -> bool:
        """Whether nothing else happens at this time, after what happens now: `last` would call at once."""
        heap = self._heap
        return not (self._last or (heap and heap[0].time_s <= self.now))

    def _fire_last(self) -> None:
        heap, last = self._heap, self._last
        while last:
            while heap and heap[0].handler is None:
                heappop(heap)
            if heap and heap[0].time_s <= self.now:
                return
            last.pop(0).fire(None)
            self.events += 1

    def at_each(self, times_s: Iterable[float], handler: Handler) -> None:
        """Call `handler.fire(i)` at the i-th of `times_s`, which must ascend, as if they were the first events of
        all."""
        heap = self._heap
        before = heap[:]
        heap.clear()
        for row, time_s in enumerate(times_s):
            heap.append(Event(time_s, handler, row))  # ascending times are a heap already
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
        for until_s in slices_s or (end_time_s,):
            self._run_until(until_s, end_time_s)

    def _run_until(self, until_s: float, end_time_s: float) -> None:
        heap = self._heap
        calls = 0
        now = self.now
        while now < until_s and heap:
            event = heappop(heap)
            handler = event.handler
            if handler is None:
                continue
            time_s = event.time_s
            if time_s > end_time_s:
                heappush(heap, event)  # it is still a future event, for `len`
                self.now = end_time_s
                break
            self.now = now = time_s
            handler.fire(event.argument)
            calls += 1
            if self._last:
                self._fire_last()
        self.events += calls


class Call(Handler):
    """Calls a function: for what happens seldom."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[[Any], None]) -> None:
        self._function = function

    def fire(self, argument: Any, /) -> None:
        self._function(argument)


class Later(Handler):
    """Fires another handler after a delay."""

    __slots__ = ("_delay_s", "_engine", "_handler")

    def __init__(self, engine: Engine, delay_s: float, handler: Handler) -> None:
        self._engine = engine
        self._delay_s = delay_s
        self._handler = handler

    def fire(self, argument: Any, /) -> None:
        self._engine.after(self._delay_s, self._handler, argument)
