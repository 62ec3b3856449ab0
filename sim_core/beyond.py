"""Counts iterations with more batch tokens than any measured one."""

from __future__ import annotations

from sim_core.replica import IterationObserver, Replica


class DecodesBeyond(IterationObserver):
    """Counts iterations of decodes alone. `TimeTable` counts those with prompts, of which each is one look-up."""

    def __init__(self) -> None:
        self.iterations = 0

    def iterations_ended(self, replica: Replica) -> None:
        """Add a run of iterations."""
        step = replica.step
        if not step.prompt_tokens and step.decodes > replica.times.measured_to:
            self.iterations += step.repeat
