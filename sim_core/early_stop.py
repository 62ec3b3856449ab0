"""Ends a run whose outcome is settled: more arrives than is served, and it never catches up.

The rule, off unless the spec has `stop_at_backlog_s`: the run is looked at twice in so many simulated seconds, as long
as requests still arrive. It is unstable, and ends, once more requests are in the cluster than arrive in
`stop_at_backlog_s` at the mean rate so far (by Little's law they then stay longer than that, on average), and their
number has grown at each of the last four looks. A bound of several times the end-to-end time that one would accept,
such as 60 s, is not met by chance. Looking is no event: a run that is not ended is the same to the bit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from sim_core.trace import Trace

if TYPE_CHECKING:
    from sim_core.simulation import Simulation

LOOKS_PER_BOUND, LOOKS = 2, 4
# A look is taken so much earlier, and an event at its very time is then the one after which it is taken, however the
# two times are rounded: on a clock that reads 10,000 s they are so otherwise than from 0.
EARLIER_S = 1e-6


class EarlyStop:
    """The rule, watching one run. `stopped_s` is when it ended the run, None as long as it has not."""

    def __init__(self, simulation: Simulation, trace: Trace) -> None:
        self.stopped_s: float | None = None
        self._simulation = simulation
        self._trace = trace

    def slices_s(self) -> Iterable[float]:
        """The times at which to look, for `Engine.run`; none without the rule."""
        bound_s = self._simulation.spec.stop_at_backlog_s
        return () if bound_s is None or not self._trace.arrival_s else self._looks_s(bound_s)

    def _looks_s(self, bound_s: float) -> Iterator[float]:
        engine, arrival_s = self._simulation.engine, self._trace.arrival_s
        first_s, step_s = arrival_s[0], bound_s / LOOKS_PER_BOUND
        end_s = self._simulation.spec.ends_at_s(first_s)
        last_s = min(arrival_s[-1], end_s)
        before = grown = look = 0
        while (until_s := first_s + (look + 1) * step_s - EARLIER_S) < last_s:
            yield until_s
            if engine.now >= last_s:
                break
            look = max(
                look + 1, int((engine.now - first_s + EARLIER_S) / step_s)
            )  # where events are rare, several are over
            here = sum(application.in_cluster() for application in self._simulation.applications.values())
            grown = grown + 1 if here > before else 0
            before = here
            rate_per_s = bisect_right(arrival_s, engine.now) / (engine.now - first_s)
            if grown >= LOOKS and here > rate_per_s * bound_s:
                self.stopped_s = engine.now
                return
        yield end_s
