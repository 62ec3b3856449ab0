"""What schedulers see: the replicas that take requests, in groups, and their loads.

Loads are counted here, once for all schedulers. Schedulers read them, and the application alone changes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sim_core.errors import SpecError
from sim_core.replica import Replica
from sim_core.request import Request
from sim_core.scheduling.prompt_loads import PromptLoads
from sim_core.scheduling.ranking import Load, Ranking
from sim_core.spec import MIXED


class _Group:
    """The replicas that do the same phases, as rankings of them."""

    __slots__ = ("own", "rankings")

    def __init__(self) -> None:
        self.own: list[Replica] = []  # those that belong here, also while they are lent
        self.rankings: list[Ranking] = []

    def join(self, index: int) -> None:
        """A replica joins, as the last one among equally loaded ones."""
        for ranking in self.rankings:
            ranking.add(index)

    def leave(self, index: int) -> None:
        """A replica leaves."""
        for ranking in self.rankings:
            ranking.remove(index)


class View:
    """The replicas of an application as its scheduler sees them, and their loads.

    A load is counted from the moment that a scheduler asks for it, which must be before the first request: loads that
    nobody asks for cost nothing. A replica itself has more to read, such as `requests`, those that wait or run there,
    and `kv`.
    """

    __slots__ = (
        "_group_of",
        "_groups",
        "_has_begun",
        "_home",
        "_open",
        "_pending",
        "_promised",
        "_prompts",
        "replicas",
    )

    def __init__(self) -> None:
        self.replicas: list[Replica] = []  # by index
        self._has_begun = False
        self._open: Load | None = None
        self._pending: Load | None = None
        self._promised: Load | None = None
        self._prompts: PromptLoads | None = None
        self._groups: dict[str, _Group] = {}
        self._home: list[_Group] = []  # by index
        self._group_of: list[_Group] = []  # by index; another than the home while a replica is lent

    def of_role(self, role: str) -> Sequence[Replica]:
        """The replicas that started with a role, in order of index, whether they are lent or not."""
        return self._group(role).own

    def open_requests(self) -> Load:
        """The requests whose next task waits or runs on a replica."""
        self._open = self._asked_for(self._open)
        return self._open

    def pending_tokens(self) -> Load:
        """Of the requests placed on a replica, the tokens of prompts that have not run yet, and one for each request
        that has not ended."""
        self._pending = self._asked_for(self._pending)
        return self._pending

    def promised_kv(self) -> Load:
        """The tokens of KV cache that the requests placed on a replica hold or will hold there."""
        self._promised = self._asked_for(self._promised)
        return self._promised

    def prompt_loads(self, compute: int, hold: int) -> PromptLoads:
        """What placed prompts have to compute and hold, with these weights of a token. It is for a scheduler that does
        not split phases, and asked for once."""
        self._check_early()
        self._prompts = loads = PromptLoads(compute, hold)
        for replica in self.replicas:
            loads.grow(replica)
        return loads

    def counts_open_requests(self) -> bool:
        """Whether a scheduler has asked for the open requests."""
        return self._open is not None

    def counted(self) -> list[Load]:
        """The loads that a scheduler has asked for."""
        return [load for load in (self._open, self._pending, self._promised) if load is not None]

    def _asked_for(self, load: Load | None) -> Load:
        if load is None:
            self._check_early()
            load = Load(len(self.replicas))
        return load

    def _check_early(self) -> None:
        if self._has_begun:
            raise SpecError("a scheduler asks for loads in its __init__: later ones lack requests", key="scheduler")

    def ranking(self, role: str, load: Load) -> Ranking:
        """The replicas that are in the group of a role, ranked by `load`, kept up to date from now on."""
        group = self._group(role)
        ranking = Ranking(load)
        group.rankings.append(ranking)
        for index, present in enumerate(self._group_of):
            if present is group:
                ranking.add(index)
        return ranking

    def begin(self) -> None:
        """The run begins: from now on no further load can be asked for."""
        self._has_begun = True

    # -- the fleet -----------------------------------------------------------------------------------------------

    def add(self, replica: Replica, role: str) -> None:
        """`replica`, whose index is the next one, takes requests from now on."""
        group = self._group(role)
        self.replicas.append(replica)
        for load in self.counted():
            load.grow()
        if self._prompts is not None:
            self._prompts.grow(replica)
        self._home.append(group)
        self._group_of.append(group)
        group.own.append(replica)
        group.join(replica.index)

    def lend(self, replicas: Iterable[Replica]) -> None:
        """Move replicas from their own groups to that of the role `MIXED`."""
        for replica in replicas:
            self._move(replica.index, self._group(MIXED))

    def give_back(self, replicas: Iterable[Replica]) -> None:
        """Let replicas that are lent return to their own groups."""
        for replica in replicas:
            self.idle(replica.index)

    def idle(self, index: int) -> None:
        """A replica has nothing left to do: if it is lent, it returns to its own group."""
        if self._group_of[index] is not self._home[index]:
            self._move(index, self._home[index])

    def _move(self, index: int, group: _Group) -> None:
        self._group_of[index].leave(index)
        self._group_of[index] = group
        group.join(index)

    def _group(self, role: str) -> _Group:
        return self._groups.setdefault(role, _Group())

    # -- counting ------------------------------------------------------------------------------------------------

    def placed(self, request: Request) -> None:
        """A request has been placed."""
        prompt, token = request.prompt_instance.index, request.token_instance.index
        if self._pending is not None:
            pending = self._pending.at
            pending[prompt] = pending[prompt] + request.prompt_tokens
            pending[token] = pending[token] + 1
        if self._promised is not None:
            promised, prompt_kv = self._promised.at, request.prompt_kv_tokens
            promised[token] = promised[token] + prompt_kv + request.decode_kv_tokens
            if prompt != token:
                promised[prompt] = promised[prompt] + prompt_kv
        if self._prompts is not None:
            self._prompts.placed(request)

    def entered(self, index: int) -> None:
        """A request's next task has arrived."""
        if self._open is not None:
            at = self._open.at
            at[index] = at[index] + 1

    def prompt_finished(self, request: Request) -> None:
        """A prompt has run: the first token is there."""
        index = request.prompt_instance.index
        if self._pending is not None:
            self._pending.lower(index, request.prompt_tokens)
        if self._open is not None and index != request.token_instance.index:
            self._open.lower(index, 1)
        if self._prompts is not None:
            self._prompts.prompt_finished(request)

    def transferred(self, request: Request) -> None:
        """A KV cache has left the replica of its prompt."""
        if self._promised is not None:
            self._promised.lower(request.prompt_instance.index, request.prompt_kv_tokens)

    def finished(self, request: Request) -> None:
        """The last token is there."""
        index = request.token_instance.index
        if self._pending is not None:
            self._pending.lower(index, 1)
        if self._promised is not None:
            self._promised.lower(index, request.prompt_kv_tokens + request.decode_kv_tokens)
        if self._open is not None:
            # also where a request of one token has never entered this replica: results of `kv_jsq` depend on it
            self._open.lower(index, 1)
        if self._prompts is not None:
            self._prompts.finished(request)
