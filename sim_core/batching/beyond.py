"""Counts iterations with more batch tokens than any measured one."""

from __future__ import annotations

from sim_core.batching.base import Instance, IterationObserver


class DecodesBeyond(IterationObserver):
    """Counts iterations of decodes alone. `TimeTable` counts those with prompts, of which each is one look-up."""

    def __init__(self) -> None:
        self.iterations = 0

    def iterations_ended(self, instance: Instance) -> None:
        """Add a run of iterations."""
        if not instance.prompts and instance.batch_tokens > instance.times.decode_s.measured_to:
            self.iterations += instance.planned
