"""Random placement."""

from __future__ import annotations

from sim_core.native import mypyc_attr
from sim_core.request import Request
from sim_core.scheduling.base import Placement, Scheduler
from sim_core.scheduling.view import View


@mypyc_attr(allow_interpreted_subclasses=True)
class Random(Scheduler):
    """Both phases on a replica drawn at random, from the run's seed."""

    def place(self, request: Request, view: View) -> Placement:
        # of random.Random, only random() is promised to stay the same in all versions of Python
        replica = view.replicas[int(self.stream.random() * len(view.replicas))]
        return Placement(replica, replica)
