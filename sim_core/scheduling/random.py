"""Anywhere."""

from __future__ import annotations

from sim_core.request import Request
from sim_core.scheduling.base import Placement, Scheduler


class Random(Scheduler):
    """Both phases on an instance drawn at random, from the run's seed."""

    def place(self, request: Request) -> Placement:
        # random() alone is promised to be the same in every Python version
        instance = self.instances[int(self.stream.random() * len(self.instances))]
        return instance, instance
