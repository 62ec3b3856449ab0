"""Join the shortest queue, counted in requests."""

from __future__ import annotations

from sim_core.replica import Replica
from sim_core.request import Host, Request
from sim_core.scheduling.base import Placement, Scheduler, SplitScheduler, Start
from sim_core.scheduling.ranking import Ranking


class OpenRequests:
    """Counts the requests at each instance, waiting or running."""

    def __init__(self, instances: int) -> None:
        self.counts = [0] * instances
        self._rankings: list[Ranking] = []

    def ranking(self, members: list[Replica]) -> Ranking:
        """A ranking of `members` by their open requests, kept up to date."""
        ranking = Ranking(self.counts)
        for instance in members:
            ranking.add(instance.index)
        self._rankings.append(ranking)
        return ranking

    def joined(self, index: int) -> None:
        self.counts[index] += 1

    def left(self, index: int) -> None:
        self.counts[index] -= 1
        for ranking in self._rankings:
            ranking.lowered(index)


class JoinShortestQueue(Scheduler):
    """Both phases on the instance with the fewest open requests."""

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self._open = OpenRequests(len(self.instances))
        self._ranking = self._open.ranking(list(self.instances))

    def place(self, request: Request) -> Placement:
        instance = self.instances[self._ranking.least()]
        return instance, instance

    def joined(self, instance: Host) -> None:
        self._open.joined(instance.index)

    def finished(self, request: Request) -> None:
        self._open.left(request.token_instance.index)


class KvJoinShortestQueue(SplitScheduler):
    """Each phase on the instance of its role with the fewest open requests."""

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self._open = OpenRequests(len(self.instances))
        self._prompt_ranking = self._open.ranking(self.prompt_instances)
        self._token_ranking = self._open.ranking(self.token_instances)

    def place(self, request: Request) -> Placement:
        return self.instances[self._prompt_ranking.least()], self.instances[self._token_ranking.least()]

    def joined(self, instance: Host) -> None:
        self._open.joined(instance.index)

    def prompt_finished(self, request: Request) -> None:
        if request.prompt_instance is not request.token_instance:
            self._open.left(request.prompt_instance.index)

    def finished(self, request: Request) -> None:
        self._open.left(request.token_instance.index)
