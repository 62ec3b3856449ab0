"""Join the shortest queue, counted in pending tokens: those of prompts not yet run, and one per unfinished decode."""

from __future__ import annotations

from sim_core.replica import Replica
from sim_core.request import Request
from sim_core.scheduling.base import Placement, Scheduler, SplitScheduler, Start
from sim_core.scheduling.ranking import Ranking


def rank(pending_tokens: list[int], members: list[Replica]) -> Ranking:
    """A ranking of `members` by their pending tokens."""
    ranking = Ranking(pending_tokens)
    for instance in members:
        ranking.add(instance.index)
    return ranking


class TokenJoinShortestQueue(Scheduler):
    """Both phases on the instance with the fewest pending tokens."""

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self.pending_tokens = [0] * len(self.instances)
        self._ranking = rank(self.pending_tokens, list(self.instances))

    def place(self, request: Request) -> Placement:
        index = self._ranking.least()
        self.pending_tokens[index] += request.prompt_tokens + 1
        instance = self.instances[index]
        return instance, instance

    def prompt_finished(self, request: Request) -> None:
        self._lower(request.prompt_instance.index, request.prompt_tokens)

    def finished(self, request: Request) -> None:
        self._lower(request.token_instance.index, 1)

    def _lower(self, index: int, tokens: int) -> None:
        self.pending_tokens[index] -= tokens
        self._ranking.lowered(index)


class KvTokenJoinShortestQueue(SplitScheduler):
    """Each phase on the instance of its role with the fewest pending tokens.

    SplitwiseSim's class of this name never counts what it assigns, so that all requests go to one instance.
    """

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self.pending_tokens = [0] * len(self.instances)
        self._prompt_ranking = rank(self.pending_tokens, self.prompt_instances)
        self._token_ranking = rank(self.pending_tokens, self.token_instances)

    def place(self, request: Request) -> Placement:
        prompt_index, token_index = self._prompt_ranking.least(), self._token_ranking.least()
        self.pending_tokens[prompt_index] += request.prompt_tokens
        self.pending_tokens[token_index] += 1
        return self.instances[prompt_index], self.instances[token_index]

    def prompt_finished(self, request: Request) -> None:
        index = request.prompt_instance.index
        self.pending_tokens[index] -= request.prompt_tokens
        self._prompt_ranking.lowered(index)

    def finished(self, request: Request) -> None:
        index = request.token_instance.index
        self.pending_tokens[index] -= 1
        self._token_ranking.lowered(index)
