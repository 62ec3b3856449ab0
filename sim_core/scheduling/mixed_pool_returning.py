"""The mixed pool of Splitwise, from which replicas return as soon as they are not needed there."""

from __future__ import annotations

from sim_core.native import mypyc_attr
from sim_core.replica import Replica
from sim_core.request import Request
from sim_core.scheduling.base import Placement, Start
from sim_core.scheduling.mixed_pool import MixedPool
from sim_core.scheduling.view import View
from sim_core.spec import PROMPT, TOKEN


@mypyc_attr(allow_interpreted_subclasses=True)
class MixedPoolReturning(MixedPool):
    """Places requests as `mixed_pool` does, but a lent replica need not be idle to return.

    Token replicas return when a prompt finds a prompt replica that is not overloaded, and prompt replicas when a decode
    finds a token replica with room, lent or not. What they have begun they finish. With `mixed_pool` a lent replica
    that gets a new decode before it is idle never returns: the only token replica of a cluster, for example, once it
    was lent.
    """

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        # those that were lent, in the order in which they were; some may have returned by themselves, being idle
        self._lent_prompts: dict[Replica, None] = {}
        self._lent_tokens: dict[Replica, None] = {}

    def place(self, request: Request, view: View) -> Placement:
        prompt = self._prompt_choice(request, view)
        token = prompt if request.output_tokens == 1 else self._token_choice(request, view)
        replicas = view.replicas
        returned: list[Replica] = []  # each was lent before, so this costs no more than lending did
        if self._lent_tokens and prompt >= 0 and self._role(replicas[prompt]) == PROMPT:
            returned += self._lent_tokens
            self._lent_tokens.clear()
        if self._lent_prompts and token >= 0 and request.output_tokens > 1 and self._role(replicas[token]) == TOKEN:
            returned += self._lent_prompts
            self._lent_prompts.clear()
        if prompt >= 0 and token >= 0:
            placement = Placement(replicas[prompt], replicas[token])
        else:
            placement = self._lending(request, view, prompt, token)
            for replica in placement.lent:
                lent = self._lent_prompts if self._role(replica) == PROMPT else self._lent_tokens
                lent[replica] = None
        placement.returned = returned
        return placement

    def _role(self, replica: Replica) -> str:
        return self.role_of(self.spec, replica)
