"""Join the shortest queue, counted in pending tokens: those of prompts not yet run, and one per unfinished decode."""

from __future__ import annotations

from sim_core.native import mypyc_attr
from sim_core.request import Request
from sim_core.scheduling.base import Placement, Scheduler, SplitScheduler, Start
from sim_core.scheduling.view import View
from sim_core.spec import PROMPT, TOKEN


@mypyc_attr(allow_interpreted_subclasses=True)
class TokenJoinShortestQueue(Scheduler):
    """Both phases on the replica with the fewest pending tokens."""

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self._ranking = start.view.ranking("", start.view.pending_tokens())

    def place(self, request: Request, view: View) -> Placement:
        replica = view.replicas[self._ranking.least()]
        return Placement(replica, replica)


@mypyc_attr(allow_interpreted_subclasses=True)
class KvTokenJoinShortestQueue(SplitScheduler):
    """Each phase on the replica of its role with the fewest pending tokens.

    SplitwiseSim's class of this name never counts what it assigns, so that all requests go to one instance.
    """

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        load = start.view.pending_tokens()
        self._prompts, self._tokens = (start.view.ranking(role, load) for role in (PROMPT, TOKEN))

    def place(self, request: Request, view: View) -> Placement:
        return Placement(view.replicas[self._prompts.least()], view.replicas[self._tokens.least()])
