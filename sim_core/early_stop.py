"""Ends a run early that is certainly unstable: more requests arrive than are served, and the backlog only grows.

The rule is off unless the spec has `stop_at_backlog_s`. While requests still arrive, the run is examined twice in each
`stop_at_backlog_s` of simulated time. It is unstable, and ends, once more requests are in the cluster than arrive in
`stop_at_backlog_s` at the mean rate so far (by Little's law they then stay longer than that, on average), and their
number has grown at each of the last four examinations. A bound of several times an acceptable end-to-end time, such as
60 s, is not met by chance. Examining a run adds no event: a run that is not ended has the same results to the bit.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator

from sim_core.engine import Engine
from sim_core.spec import SimSpec
from sim_core.workload import Workload

LOOKS_PER_BOUND, LOOKS = 2, 4
# A look is taken this much early: an event at the very same time is then always the last one before the look, however
# the two times were rounded. On a clock that reads 10,000 s they round otherwise than on one that starts at 0.
EARLIER_S = 1e-6


class EarlyStop:
    """The rule for one run. `stopped_s` is the time at which it ended the run, None as long as it has not."""

    def __init__(self, spec: SimSpec, workload: Workload, engine: Engine, in_cluster: Callable[[], int]) -> None:
        """`in_cluster` counts the requests that have arrived and not left."""
        self.stopped_s: float | None = None
        self._spec = spec
        self._workload = workload
        self._engine = engine
        self._in_cluster = in_cluster

    def slices_s(self) -> Iterable[float]:
        """The times at which to examine the run, for `Engine.run`; none without the rule, and none for a closed
        loop: its clients wait, so no backlog can grow."""
        bound_s = self._spec.stop_at_backlog_s
        return () if bound_s is None or self._workload.listens else self._looks_s(bound_s)

    def _looks_s(self, bound_s: float) -> Iterator[float]:
        engine, workload = self._engine, self._workload
        first_s, step_s = workload.first_arrival_s(), bound_s / LOOKS_PER_BOUND
        end_s = self._spec.ends_at_s(first_s)
        before = grown = look = 0
        while (until_s := first_s + (look + 1) * step_s - EARLIER_S) < min(workload.last_arrival_s(), end_s):
            yield until_s
            if engine.now >= min(workload.last_arrival_s(), end_s) or not len(engine):
                break
            # where events are rare, the clock may have passed several looks at once
            look = max(look + 1, int((engine.now - first_s + EARLIER_S) / step_s))
            present = self._in_cluster()
            grown = grown + 1 if present > before else 0
            before = present
            rate_per_s = bisect_right(workload.requests().arrival_s, engine.now) / (engine.now - first_s)
            if grown >= LOOKS and present > rate_per_s * bound_s:
                self.stopped_s = engine.now
                return
        yield end_s
