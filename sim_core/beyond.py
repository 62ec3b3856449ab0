"""Adds up where the times of steps come from, and counts iterations with more tokens than any measured one."""

from __future__ import annotations

from collections.abc import Iterable

from sim_core.performance.step_times import ESTIMATED, EXTRAPOLATED, StepTimes
from sim_core.replica import IterationObserver, Replica


class StepsBeyond(IterationObserver):
    """Adds up the steps that are beyond the measurements, and of times of which each step has a provenance of its own
    all steps.

    `TimeTable` counts the steps with prompts itself, of which each is one look-up.
    """

    def __init__(self) -> None:
        self.iterations = 0
        self._seconds: dict[str, float] = {}  # by provenance
        self._instead: dict[str, float] = {}  # of these, what would count as `StepTimes.mostly` otherwise

    def iterations_ended(self, replica: Replica) -> None:
        """Add a run of iterations."""
        step, times, seconds = replica.step, replica.times, replica.length_s
        beyond = times.steps_beyond(step, step.repeat)
        self.iterations += beyond
        beyond_s = seconds * beyond / step.repeat
        estimated_s = (seconds - beyond_s) * times.estimated_share(step) if beyond < step.repeat else 0.0
        for name, part_s in ((EXTRAPOLATED, beyond_s), (ESTIMATED, estimated_s)):
            if part_s:
                _add(self._seconds, name, part_s)
                if times.mostly:
                    _add(self._instead, times.mostly, part_s)
        if not times.mostly and beyond < step.repeat:
            _add(self._seconds, times.provenance(step), seconds - beyond_s - estimated_s)

    def seconds_by_provenance(self, replicas: Iterable[Replica], now_s: float) -> dict[str, float]:
        """The seconds up to `now_s` in which steps of `replicas` ran, by where their times come from."""
        seconds = dict(self._seconds)
        tables: dict[int, tuple[str, float]] = {}
        for replica in replicas:
            mostly = replica.times.mostly
            if mostly:
                _add(seconds, mostly, replica.busy_until(now_s))
            tables |= {id(table): (mostly, table.seconds_beyond) for table in replica.times.tables_beyond()}
        for mostly, beyond_s in [*self._instead.items(), *tables.values()]:
            _add(seconds, mostly, -beyond_s)
        for _, beyond_s in tables.values():
            _add(seconds, EXTRAPOLATED, beyond_s)
        return {name: value for name, value in seconds.items() if value > 0.0}


def iterations_beyond(counted: StepsBeyond, times: Iterable[StepTimes]) -> int:
    """How many iterations had more tokens than any measured one, so that their time is extrapolated."""
    tables = {id(table): table for one in times for table in one.tables_beyond()}
    # each look-up of a time with prompts is one iteration; a look-up for decodes alone may be of many iterations
    return sum(table.looks_beyond for table in tables.values()) + counted.iterations


def _add(seconds: dict[str, float], name: str, amount: float) -> None:
    seconds[name] = seconds.get(name, 0.0) + amount
