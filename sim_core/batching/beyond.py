"""Counts iterations that were larger than any measured one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim_core.batching.contacts import IterationObserver

if TYPE_CHECKING:
    from sim_core.batching.base import Instance


class DecodesBeyond(IterationObserver):
    """Counts those of decodes alone. `TimeTable` counts those with prompts: there each look is one iteration."""

    def __init__(self) -> None:
        self.iterations = 0

    def iterations_ended(self, instance: Instance) -> None:
        """Add a run of iterations."""
        if not instance.prompts and instance.batch_tokens > instance.times.decode_s.measured_to:
            self.iterations += instance.planned
