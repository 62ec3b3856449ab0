"""TensorRT-LLM (2026), GUARANTEED_NO_EVICT: a request runs only where memory is left for all that it may need.

- A request is admitted if blocks are free for its prompt and all of its output, beside those that running requests may
  still need. So no request ever loses its memory. The first one without room stops the admission.
- A step gives each of the decodes a token, and computes prompts with what is left of `max_num_tokens`. A prompt runs
  whole, or waits; with `enable_chunked_prefill` it has what is left, in multiples of a block.
- A prompt waits while another one computes the first block that it lacks: then it takes that one from the cache.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.batching.paged_batcher import blocks_in
from sim_core.batching.sequence_batcher import SequenceBatcher
from sim_core.batching.vllm_sequence import Sequence
from sim_core.engine import Engine
from sim_core.errors import SpecError
from sim_core.kv.base import KvCache
from sim_core.kv.chain import Chain
from sim_core.kv.reserving import ReservingKv
from sim_core.memory import KvMemory
from sim_core.native import mypyc_attr
from sim_core.request import Task
from sim_core.spec import InstanceSpec
from sim_core.step import Step

Place = tuple[Chain, int]  # of a block


@dataclass(frozen=True, slots=True)
class TrtllmOptions:
    """The settings of TensorRT-LLM that decide what its scheduler does, with its names and defaults."""

    max_batch_size: int = 2048
    max_num_tokens: int = 8192  # of a step
    enable_chunked_prefill: bool = False
    tokens_per_block: int = 32
    enable_block_reuse: bool = True
    free_gpu_memory_fraction: float = 0.9  # for the KV cache, of the memory that the weights leave

    def __post_init__(self) -> None:
        for name in ("max_batch_size", "tokens_per_block"):
            if getattr(self, name) < 1:
                raise SpecError("must be at least 1", key=name, value=getattr(self, name))
        if self.max_num_tokens < self.max_batch_size:
            raise SpecError(
                f"must be at least max_batch_size ({self.max_batch_size}), as each running request gets a token",
                key="max_num_tokens",
                value=self.max_num_tokens,
            )
        if self.enable_chunked_prefill and self.max_num_tokens < self.tokens_per_block:
            raise SpecError(
                f"must be at least tokens_per_block ({self.tokens_per_block}), the least part of a prompt",
                key="max_num_tokens",
                value=self.max_num_tokens,
            )
        if not 0 <= self.free_gpu_memory_fraction <= 1:
            raise SpecError("must be from 0 to 1", key="free_gpu_memory_fraction", value=self.free_gpu_memory_fraction)

    @property
    def active(self) -> int:
        """The most requests that run at a time."""
        return self.max_batch_size


@mypyc_attr(allow_interpreted_subclasses=True)
class TrtllmBatcher(SequenceBatcher):
    """TensorRT-LLM's capacity scheduler and its micro-batch scheduler."""

    __slots__ = ("_budget", "_chunks", "_computes", "_contexts", "_most", "_new")

    Options = TrtllmOptions

    def __init__(self, spec: InstanceSpec, engine: Engine, kv: KvCache) -> None:
        super().__init__(spec, engine, kv)
        options = self.options
        self._budget: int = options.max_num_tokens
        self._most: int = options.max_batch_size
        self._chunks: bool = options.enable_chunked_prefill
        if not self._chunks:
            self.longest_prompt = self._budget + 1
        self._contexts: list[Sequence] = []  # those whose prompts are computed, in the order of admission
        self._new: set[Place] = set()  # blocks that are being computed, the first one that each prompt lacked
        self._computes: dict[Sequence, Place] = {}

    @classmethod
    def kv_cache(cls, spec: InstanceSpec, memory: KvMemory) -> ReservingKv:
        options: TrtllmOptions = cls.options_of(spec)
        share, size = options.free_gpu_memory_fraction, options.tokens_per_block
        free_bytes = int((memory.total_bytes - memory.weights_bytes) * share)
        blocks = blocks_in(free_bytes, size, memory, "free_gpu_memory_fraction", share)
        return ReservingKv(blocks, size, options.enable_block_reuse)

    # -- tasks come and go ---------------------------------------------------------------------------------------

    def wants(self, task: Task) -> bool:
        request = task.request
        if request.decode is task or self._running() >= self._most:
            return False
        sequence = self._sequences[request]
        if not sequence.is_loaded:
            return self.queue.length == 1 and self._may_run(sequence)
        return len(self.loaded) == 1 and self._may_run(sequence)

    def prompt_computed(self, sequence: Sequence) -> None:
        self._contexts.remove(sequence)
        if self._computes:
            place = self._computes.pop(sequence, None)
            if place is not None:
                self._new.remove(place)

    def left(self, sequence: Sequence) -> None:
        self.pool.reserved -= self._needs(sequence) - sequence.blocks
        if sequence in self._contexts:
            self.prompt_computed(sequence)

    def _running(self) -> int:
        return self.decodes.count + len(self._contexts)

    def _needs(self, sequence: Sequence) -> int:
        """The blocks of all tokens that a request may have."""
        return -(-sequence.stops_at // self.pool.size)

    def _may_run(self, sequence: Sequence) -> bool:
        """Whether memory is left for all tokens that a request may have."""
        return self._needs(sequence) - sequence.blocks <= self.pool.free - self.pool.reserved

    # -- steps ---------------------------------------------------------------------------------------------------

    def next_step(self) -> Step | None:
        self.begin()
        pool, decodes = self.pool, self.decodes
        while self.loaded and self._running() < self._most and self._may_run(self.loaded[0]):
            sequence = self.loaded[0]
            pool.reserved += self._needs(sequence) - sequence.blocks
            self.join_loaded(sequence)
        budget = self._budget - decodes.count
        for sequence in self._contexts:
            tokens = self._share(sequence.known - sequence.computed, budget)
            if tokens:
                self.compute(sequence, tokens, sequence.blocks)
                budget -= tokens
        if self.queue.length:
            self._admit(budget)
        if decodes.count:
            self.decode(1 if self._parts else decodes.ends_at[0] - decodes.passes)
        elif not self._parts:
            return None
        return self._step

    def recovery_step(self) -> Step | None:
        """As in the base class. Caches from other replicas have filled the memory, so that none has room for all of its
        tokens: the last ones to come lose theirs, and their prompts are computed here."""
        loaded = self.loaded
        while len(loaded) > 1 and not self._may_run(loaded[0]):
            sequence = loaded.pop()
            sequence.is_loaded = False
            self.lose(sequence)
            self.queue.add_again(sequence)
        return self.next_step()

    def _share(self, tokens: int, budget: int) -> int:
        """How many of the tokens of a prompt a step computes. 0: none. A prompt whose cache was lost may pass the limit
        alone, by the output that came with it."""
        if tokens <= budget or (budget == self._budget and not self._chunks):
            return tokens
        if self._chunks:
            size = self.pool.size
            return budget // size * size
        return 0

    def _admit(self, budget: int) -> None:
        """Admit those that wait, in their order, up to the first that has no room."""
        pool, queue = self.pool, self.queue
        size = pool.size
        held: list[Sequence] = []
        while budget > 0 and queue.length and self._running() + len(held) < self._most:
            sequence = queue.first()
            known = sequence.known
            hit = pool.look_up(sequence, (known - 1) // size)
            place = self._first_new(sequence, hit.blocks)
            if place is not None and place in self._new:
                queue.take_first()
                held.append(sequence)
                continue
            needs = self._needs(sequence)
            tokens = self._share(known - hit.blocks * size, budget)
            if not tokens or needs > pool.free - pool.reserved:
                break
            self.admit(sequence, hit)
            self._contexts.append(sequence)
            blocks = -(-known // size)
            self.compute(sequence, tokens, blocks)
            pool.reserved += needs - blocks
            budget -= tokens
            if place is not None:
                self._new.add(place)
                self._computes[sequence] = place
        for sequence in reversed(held):
            queue.add_again(sequence)

    def _first_new(self, sequence: Sequence, cached: int) -> Place | None:
        """The first block of a prompt that is not cached. None: no other request could use it."""
        path = sequence.path
        if path is None or (cached + 1) * self.pool.size > sequence.prompt:
            return None
        for chain, end in zip(path.chains, path.ends, strict=True):
            if cached < end:
                return chain, cached
        return None
