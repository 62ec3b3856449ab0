"""Splitwise's scheduler: a pool for prompts, one for decodes, and a mixed pool of instances lent to do both."""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.request import Host, Request
from sim_core.scheduling.base import Placement, SplitOptions, SplitScheduler, Start
from sim_core.scheduling.ranking import Ranking
from sim_core.spec import MIXED, PROMPT, TOKEN


class Pool:
    """Instances ranked by their pending tokens, and by the KV memory that is promised on them."""

    __slots__ = ("by_memory", "by_tokens")

    def __init__(self, pending_tokens: list[int], promised_kv: list[int]) -> None:
        self.by_tokens = Ranking(pending_tokens)
        self.by_memory = Ranking(promised_kv)

    def add(self, index: int) -> None:
        self.by_tokens.add(index)
        self.by_memory.add(index)

    def remove(self, index: int) -> None:
        self.by_tokens.remove(index)
        self.by_memory.remove(index)


@dataclass(frozen=True, slots=True)
class MixedPoolOptions(SplitOptions):
    """When a prompt instance counts as overloaded."""

    prompt_max_pending_batch_tokens: float
    token_max_pending_batch_tokens: float | None = None  # in SplitwiseSim's files, and without effect there and here


class MixedPool(SplitScheduler):
    """Prompts go to the shortest prompt queue, decodes to the emptiest memory, each in its own pool first.

    Where the pool's best is overloaded (prompts: a queue and more than `prompt_max_pending_batch_tokens` pending;
    decodes: no memory for the whole request), the mixed pool's best is tried, then an instance of the other pool
    is lent to the mixed pool. Where that fails too, both phases run on the instance with the fewest pending tokens
    of all. A lent instance returns to its own pool when it is idle.
    """

    Options = MixedPoolOptions

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self._max_pending: float = self.options.prompt_max_pending_batch_tokens
        self.pending_tokens = [0] * len(self.instances)
        self.promised_kv = [0] * len(self.instances)  # tokens of KV cache placed there and not yet freed
        self.pools = {role: Pool(self.pending_tokens, self.promised_kv) for role in (PROMPT, MIXED, TOKEN)}
        self._prompt_pool, self._mixed_pool, self._token_pool = self.pools.values()
        self._pool_of = [self.pools[role] for role in self.roles]
        for index, pool in enumerate(self._pool_of):
            pool.add(index)

    def place(self, request: Request) -> Placement:
        prompt_index = self._prompt_choice(request)
        token_index = prompt_index if request.output_tokens == 1 else self._token_choice(request)
        if prompt_index < 0:
            prompt_index = self._lend(self._token_pool, self._token_pool.by_tokens.least())
        if token_index < 0 and request.output_tokens > 1:
            token_index = self._lend(self._prompt_pool, self._prompt_pool.by_memory.least())
        elif token_index < 0:
            token_index = prompt_index
        if prompt_index < 0 or token_index < 0:
            prompt_index = token_index = self._least_pending_of_all()

        self.pending_tokens[prompt_index] += request.prompt_tokens
        self.pending_tokens[token_index] += 1
        prompt_kv = request.prompt_kv_tokens
        if prompt_index != token_index:
            self.promised_kv[prompt_index] += prompt_kv
        self.promised_kv[token_index] += prompt_kv + request.decode_kv_tokens
        return self.instances[prompt_index], self.instances[token_index]

    def prompt_finished(self, request: Request) -> None:
        index = request.prompt_instance.index
        self.pending_tokens[index] -= request.prompt_tokens
        self._pool_of[index].by_tokens.lowered(index)

    def transferred(self, request: Request) -> None:
        self._free(request.prompt_instance.index, request.prompt_kv_tokens)

    def finished(self, request: Request) -> None:
        index = request.token_instance.index
        self.pending_tokens[index] -= 1
        self._pool_of[index].by_tokens.lowered(index)
        self._free(index, request.prompt_kv_tokens + request.decode_kv_tokens)

    def idle(self, instance: Host) -> None:
        index = instance.index
        if self._pool_of[index] is self._mixed_pool:
            self._move(index, self.pools[self.roles[index]])

    def _free(self, index: int, kv_tokens: int) -> None:
        self.promised_kv[index] -= kv_tokens
        self._pool_of[index].by_memory.lowered(index)

    def _prompt_choice(self, request: Request) -> int:
        for pool in (self._prompt_pool, self._mixed_pool):
            index = pool.by_tokens.least()
            if index < 0:
                continue
            pending = self.pending_tokens[index] + request.prompt_tokens
            if pending <= self._max_pending or not self.instances[index].batcher.queue:
                return index
        return -1

    def _token_choice(self, request: Request) -> int:
        needed = request.prompt_kv_tokens + request.decode_kv_tokens
        for pool in (self._token_pool, self._mixed_pool):
            index = pool.by_memory.least()
            if index >= 0 and self.promised_kv[index] + needed < self.instances[index].memory.full_tokens:
                return index
        return -1

    def _least_pending_of_all(self) -> int:
        """The instance with the fewest pending tokens; prompt instances come before mixed ones, then token ones."""
        least = [pool.by_tokens.least() for pool in (self._prompt_pool, self._mixed_pool, self._token_pool)]
        return min((index for index in least if index >= 0), key=self.pending_tokens.__getitem__)

    def _lend(self, pool: Pool, index: int) -> int:
        """Move the instance `index` (-1: none) from its own pool to the mixed one. Returns `index`."""
        if index >= 0:
            assert self._pool_of[index] is pool
            self._move(index, self._mixed_pool)
        return index

    def _move(self, index: int, pool: Pool) -> None:
        self._pool_of[index].remove(index)
        self._pool_of[index] = pool
        pool.add(index)
