"""Join the shortest queue, counted in requests that wait or run."""

from __future__ import annotations

from sim_core.native import mypyc_attr
from sim_core.request import Request
from sim_core.scheduling.base import Placement, Scheduler, SplitScheduler, Start
from sim_core.scheduling.view import View
from sim_core.spec import PROMPT, TOKEN


@mypyc_attr(allow_interpreted_subclasses=True)
class JoinShortestQueue(Scheduler):
    """Both phases on the replica with the fewest open requests."""

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self._ranking = start.view.ranking("", start.view.open_requests())

    def place(self, request: Request, view: View) -> Placement:
        replica = view.replicas[self._ranking.least()]
        return Placement(replica, replica)


@mypyc_attr(allow_interpreted_subclasses=True)
class KvJoinShortestQueue(SplitScheduler):
    """Each phase on the replica of its role with the fewest open requests."""

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        load = start.view.open_requests()
        self._prompts, self._tokens = (start.view.ranking(role, load) for role in (PROMPT, TOKEN))

    def place(self, request: Request, view: View) -> Placement:
        return Placement(view.replicas[self._prompts.least()], view.replicas[self._tokens.least()])
