"""Round robin: each request on the instance after the last one used."""

from __future__ import annotations

from itertools import cycle

from sim_core.request import Request
from sim_core.scheduling.base import Placement, Scheduler, SplitScheduler, Start


class RoundRobin(Scheduler):
    """Both phases on the next instance."""

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self._turns = cycle(self.instances)

    def place(self, request: Request) -> Placement:
        instance = next(self._turns)
        return instance, instance


class KvRoundRobin(SplitScheduler):
    """The prompt on the next prompt instance, decoding on the next token instance."""

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self._prompt_turns = cycle(self.prompt_instances)
        self._token_turns = cycle(self.token_instances)

    def place(self, request: Request) -> Placement:
        return next(self._prompt_turns), next(self._token_turns)
