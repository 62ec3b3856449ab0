"""Round robin: each request on the replica after the last one used."""

from __future__ import annotations

from sim_core.native import mypyc_attr
from sim_core.request import Request
from sim_core.scheduling.base import Placement, Scheduler, SplitScheduler
from sim_core.scheduling.view import View
from sim_core.spec import PROMPT, TOKEN


@mypyc_attr(allow_interpreted_subclasses=True)
class RoundRobin(Scheduler):
    """Both phases on the next replica."""

    _turn = 0

    def place(self, request: Request, view: View) -> Placement:
        replica = view.replicas[self._turn % len(view.replicas)]
        self._turn += 1
        return Placement(replica, replica)


@mypyc_attr(allow_interpreted_subclasses=True)
class KvRoundRobin(SplitScheduler):
    """The prompt on the next prompt replica, decoding on the next token replica."""

    _turn = 0

    def place(self, request: Request, view: View) -> Placement:
        prompts, tokens = view.of_role(PROMPT), view.of_role(TOKEN)
        placement = Placement(prompts[self._turn % len(prompts)], tokens[self._turn % len(tokens)])
        self._turn += 1
        return placement
