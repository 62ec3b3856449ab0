"""Compare the event loop with the least that its events can cost: `python benchmarks/limit.py [--repeat N]`.

Every simulation of a workload has certain events: arrivals, ends of iteration runs, transfers. The limit is a loop that
handles as many events at the same times and does nothing else: each event is pushed to and popped from a heap that
holds one event for each instance, and its handler is called with an argument and does nothing. Both are timed in turn,
in CPU seconds, and the best of N counts.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from heapq import heappop, heappush
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.cases import CASES, machine, spec_and_trace
from sim_core.engine import Call, Engine
from sim_core.event import Event, Handler
from sim_core.simulation import Simulation
from sim_core.spec import SimSpec
from sim_core.trace import Trace
from sim_core.workload import OpenLoop

QUICK = ("ha-conv-70", "baseline-conv-70", "ha-conv-30")


class Ledger(Engine):
    """Records the time and the handler of each event, and counts pushes."""

    __slots__ = ("kinds", "pushes", "times_s")

    def __init__(self) -> None:
        super().__init__()
        self.times_s: list[float] = []
        self.kinds: Counter[str] = Counter()
        self.pushes = 0

    def at(self, time_s: float, handler: Handler, argument: Any) -> Event:
        """Schedule an event as the engine does; it is recorded when it happens."""
        self.pushes += 1

        return super().at(time_s, self._noted(handler), argument)

    def at_each(self, times_s: Iterable[float], handler: Handler) -> None:
        """Schedule arrivals as the engine does; they are recorded when they happen."""
        super().at_each(times_s, self._noted(handler))

    def _noted(self, handler: Handler) -> Handler:
        """A handler that records its event, and then does what `handler` does."""

        def noted(argument: Any) -> None:
            self.times_s.append(self.now)
            self.kinds[type(handler).__name__.strip("_")] += 1
            handler.fire(argument)

        return Call(noted)


def events_of(spec: SimSpec, trace: Trace) -> Ledger:
    """Run a simulation and record its events."""
    ledger = Ledger()
    simulation = Simulation(spec, ledger)
    OpenLoop(trace).begin(ledger, simulation.submit())
    ledger.run(spec.ends_at_s(trace.first_arrival_s))
    return ledger


class EmptyLoop:
    """Pops an event, calls its handler, and pushes a later event, once for each of `times_s`."""

    def __init__(self, times_s: list[float], instances: int) -> None:
        self.heap = [(time_s, number, self.handle, None) for number, time_s in enumerate(times_s[:instances])]
        self.later = iter(times_s[instances:])
        self.number = instances

    def handle(self, argument: None) -> None:
        """Push the next event."""
        for time_s in self.later:
            self.number += 1
            heappush(self.heap, (time_s, self.number, self.handle, argument))
            return

    def run(self) -> None:
        """Handle all events."""
        heap = self.heap
        while heap:
            _, _, handler, argument = heappop(heap)
            handler(argument)


def cpu_s(run: Callable[[], object]) -> float:
    """The CPU seconds of one call."""
    start = time.process_time()
    run()
    return time.process_time() - start


def measure(name: str, repeat: int) -> dict[str, object]:
    """Measure a case."""
    spec, trace = spec_and_trace(*CASES[name])
    ledger = events_of(spec, trace)
    ours, limit = [], []
    ends_at_s = spec.ends_at_s(trace.first_arrival_s)
    for _ in range(repeat):
        simulation = Simulation(spec)
        OpenLoop(trace).begin(simulation.engine, simulation.submit())
        ours.append(cpu_s(partial(simulation.engine.run, ends_at_s)))
        empty = EmptyLoop(ledger.times_s, len(simulation.replicas[0]))
        limit.append(cpu_s(empty.run))
    requests = len(trace)
    return {
        "case": name,
        "requests": requests,
        "events_per_request": {kind: round(n / requests, 2) for kind, n in ledger.kinds.most_common()},
        "pushes_per_request": round((ledger.pushes + requests) / requests, 2),
        "loop_us_per_request": [round(s / requests * 1e6, 2) for s in ours],
        "limit_us_per_request": [round(s / requests * 1e6, 2) for s in limit],
        "ratio": round(min(ours) / min(limit), 2),
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}")
    parser.add_argument("--repeat", type=int, default=7)
    arguments = parser.parse_args()
    results = [measure(name, arguments.repeat) for name in arguments.cases or QUICK]
    print(json.dumps({"machine": machine(), "results": results}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
