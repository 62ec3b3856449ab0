"""Random placement."""

from __future__ import annotations

from sim_core.request import Request
from sim_core.scheduling.base import Placement, Scheduler


class Random(Scheduler):
    """Both phases on an instance drawn at random, from the run's seed."""

    def place(self, request: Request) -> Placement:
        # of random.Random, only random() is promised to stay the same in all versions of Python
        instance = self.instances[int(self.stream.random() * len(self.instances))]
        return instance, instance
