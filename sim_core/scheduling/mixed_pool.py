"""Splitwise's scheduler: a pool for prompts, one for decodes, and a mixed pool of replicas lent to do both."""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.native import mypyc_attr
from sim_core.request import Request
from sim_core.scheduling.base import Placement, SplitOptions, SplitScheduler, Start
from sim_core.scheduling.view import View
from sim_core.spec import MIXED, PROMPT, TOKEN


class Pool:
    """The replicas of a group by their pending tokens, and by the KV memory that is promised on them."""

    __slots__ = ("by_memory", "by_tokens")

    def __init__(self, view: View, role: str) -> None:
        self.by_tokens = view.ranking(role, view.pending_tokens())
        self.by_memory = view.ranking(role, view.promised_kv())


@dataclass(frozen=True, slots=True)
class MixedPoolOptions(SplitOptions):
    """When a prompt replica counts as overloaded."""

    prompt_max_pending_batch_tokens: float
    token_max_pending_batch_tokens: float = 0.0  # in SplitwiseSim's files, and without effect there and here


@mypyc_attr(allow_interpreted_subclasses=True)
class MixedPool(SplitScheduler):
    """Prompts go to the shortest prompt queue, decodes to the emptiest memory, each in its own pool first.

    Where the pool's best is overloaded (prompts: a queue and more than `prompt_max_pending_batch_tokens` pending;
    decodes: no memory for the whole request), the mixed pool's best is tried, then a replica of the other pool is lent
    to the mixed pool. Where that fails too, both phases run on the replica with the fewest pending tokens of all. A
    lent replica returns to its own pool when it is idle.
    """

    Options = MixedPoolOptions

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self._max_pending: float = self.options.prompt_max_pending_batch_tokens
        self._pending_tokens, self._promised_kv = start.view.pending_tokens(), start.view.promised_kv()
        self._prompts, self._mixed, self._tokens = (Pool(start.view, role) for role in (PROMPT, MIXED, TOKEN))

    def place(self, request: Request, view: View) -> Placement:
        prompt = self._prompt_choice(request, view)
        token = prompt if request.output_tokens == 1 else self._token_choice(request, view)
        if prompt >= 0 and token >= 0:
            return Placement(view.replicas[prompt], view.replicas[token])
        return self._lending(request, view, prompt, token)

    def _prompt_choice(self, request: Request, view: View) -> int:
        for pool in (self._prompts, self._mixed):
            index = pool.by_tokens.least()
            if index >= 0:
                pending = self._pending_tokens.at[index] + request.prompt_tokens
                if pending <= self._max_pending or not view.replicas[index].batcher.queue_length():
                    return index
        return -1

    def _token_choice(self, request: Request, view: View) -> int:
        needed = request.prompt_kv_tokens + request.decode_kv_tokens
        for pool in (self._tokens, self._mixed):
            index = pool.by_memory.least()
            if index >= 0 and self._promised_kv.at[index] + needed < view.replicas[index].memory.full_tokens:
                return index
        return -1

    def _lending(self, request: Request, view: View, prompt: int, token: int) -> Placement:
        """Place a request for whose prompt or decode (-1) there is no replica without lending one."""
        lent = []
        if prompt < 0:
            prompt = self._tokens.by_tokens.least()
            lent += [prompt] if prompt >= 0 else []
        if token < 0 and request.output_tokens > 1:
            token = self._prompts.by_memory.least()
            lent += [token] if token >= 0 else []
        elif token < 0:
            token = prompt
        if prompt < 0 or token < 0:
            prompt = token = self._least_pending_of_all(lent)
        replicas = view.replicas
        return Placement(replicas[prompt], replicas[token], [replicas[index] for index in lent])

    def _least_pending_of_all(self, lent: list[int]) -> int:
        """The replica with the fewest pending tokens; prompt replicas come before mixed ones, then token ones. Those in
        `lent`, one at most, already count as the last of the mixed ones."""
        gone = lent[0] if lent else -1
        prompts, tokens = (pool.by_tokens.least_without(gone) for pool in (self._prompts, self._tokens))
        candidates = [prompts, self._mixed.by_tokens.least(), *lent, tokens]
        return min((index for index in candidates if index >= 0), key=self._pending_tokens.at.__getitem__)
