"""The clock and the events: a heap of (time, sequence, handler, argument), beside it the arrivals in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

Handler = Callable[[Any], None]


class Engine:
    """Runs events in order of time; events of one time in the order in which they were scheduled.

    There is no cancelling: who may change its mind passes an epoch as the argument, and returns at once when
    the epoch is old. Arrivals, which are known beforehand and sorted, never enter the heap: they are merged in,
    before the events of the same time.
    """

    __slots__ = ("_heap", "_sequence", "events", "now")

    def __init__(self) -> None:
        self.now = 0.0  # seconds
        self.events = 0  # handlers called
        self._heap: list[tuple[float, int, Handler, Any]] = []
        self._sequence = 0

    def after(self, delay_s: float, handler: Handler, argument: Any) -> None:
        """Call `handler(argument)` in `delay_s`; at once, inside this very event, when there is no delay."""
        if delay_s == 0.0:
            handler(argument)
        else:
            self.at(self.now + delay_s, handler, argument)

    def at(self, time_s: float, handler: Handler, argument: Any) -> None:
        """Call `handler(argument)` at `time_s`, which must not lie in the past."""
        self._sequence = sequence = self._sequence + 1
        heappush(self._heap, (time_s, sequence, handler, argument))

    def run(self, arrivals_s: Sequence[float], on_arrival: Callable[[int], None], end_time_s: float) -> None:
        """Run until nothing is left, or the clock has reached `end_time_s`.

        `on_arrival(i)` is called at `arrivals_s[i]`. As in SplitwiseSim the event that reaches the end time is
        the last one run.
        """
        heap = self._heap
        count = len(arrivals_s)
        events = index = 0
        arrival = arrivals_s[0] if count else end_time_s
        while self.now < end_time_s:
            if index < count and not (heap and heap[0][0] < arrival):
                self.now = arrival
                on_arrival(index)
                index += 1
                if index < count:
                    arrival = arrivals_s[index]
            elif heap:
                self.now, _, handler, argument = heappop(heap)
                handler(argument)
            else:
                break
            events += 1
        self.events += events
