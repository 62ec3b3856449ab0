"""Join the shortest queue, measured in tokens."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from sim_core.batching.base import Instance
from sim_core.request import Request
from sim_core.scheduling.base import Placement, Scheduler
from sim_core.scheduling.ranking import Ranking
from sim_core.spec import SchedulerSpec


class TokenJoinShortestQueue(Scheduler):
    """Both phases go to the instance with the fewest pending tokens: prompts not done, and one per open request."""

    def __init__(self, spec: SchedulerSpec, instances: Sequence[Instance], stream: Random) -> None:
        super().__init__(spec, instances, stream)
        self.pending_tokens = [0] * len(instances)
        self._ranking = Ranking(self.pending_tokens)
        for instance in instances:
            self._ranking.add(instance.index)

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
