"""Counts iterations with more tokens than any measured one."""

from __future__ import annotations

from sim_core.replica import IterationObserver, Replica


class StepsBeyond(IterationObserver):
    """Counts the iterations of which step times say that they are beyond the measurements.

    `TimeTable` counts those with prompts itself, of which each is one look-up.
    """

    def __init__(self) -> None:
        self.iterations = 0

    def iterations_ended(self, replica: Replica) -> None:
        """Add a run of iterations."""
        step = replica.step
        self.iterations += replica.times.steps_beyond(step, step.repeat)
