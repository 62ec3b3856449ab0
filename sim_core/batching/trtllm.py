"""TensorRT-LLM (2026), GUARANTEED_NO_EVICT: a request runs only where memory is left for all that it may need.

- A request is admitted if blocks are free for its prompt and all of its output, beside those that running requests may
  still need. So no request ever loses its memory. The first one without room stops the admission.
- A step gives each of the decodes a token, and computes prompts with what is left of `max_num_tokens`. A prompt runs
  whole, or waits; with `enable_chunked_prefill` it has what is left, in multiples of a block.
- A prompt waits while another one computes the first block that it lacks: then it takes that one from the cache.
- With `batch_wait_timeout_iters` prompts wait beside decodes until enough of them have come to fill a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sim_core.batching.sequence_batcher import SequenceBatcher
from sim_core.batching.vllm_sequence import Sequence
from sim_core.engine import Engine
from sim_core.errors import SpecError
from sim_core.kv.base import KvCache
from sim_core.kv.chain import Chain
from sim_core.kv.reserving import ReservingKv
from sim_core.memory import KvMemory
from sim_core.native import mypyc_attr
from sim_core.options import made, read_options, reads_configuration
from sim_core.request import Task
from sim_core.section import Section
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
    batch_wait_timeout_iters: int = 0  # the most steps that prompts wait for others; 0: none
    batch_wait_max_tokens_ratio: float = 0.0  # the share of max_num_tokens from which on a step waits for no more

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
        for name in ("free_gpu_memory_fraction", "batch_wait_max_tokens_ratio"):
            if not 0 <= getattr(self, name) <= 1:
                raise SpecError("must be from 0 to 1", key=name, value=getattr(self, name))


@mypyc_attr(allow_interpreted_subclasses=True)
class TrtllmBatcher(SequenceBatcher):
    """TensorRT-LLM's capacity scheduler and its micro-batch scheduler."""

    __slots__ = (
        "_budget",
        "_chunks",
        "_computes",
        "_contexts",
        "_is_held",
        "_most",
        "_new",
        "_wait_steps",
        "_wait_tokens",
        "_waited",
    )

    Options = TrtllmOptions

    def __init__(self, spec: InstanceSpec, engine: Engine, kv: KvCache) -> None:
        super().__init__(spec, engine, kv)
        options = self.options
        self._budget: int = options.max_num_tokens
        self._most: int = options.max_batch_size
        self._chunks: bool = options.enable_chunked_prefill
        if not self._chunks:
            self.longest = self._budget + 1
        self._contexts: list[Sequence] = []  # those whose prompts are computed, in the order of admission
        self._new: set[Place] = set()  # blocks that are being computed, the first one that each prompt lacked
        self._computes: dict[Sequence, Place] = {}
        self._wait_steps: int = options.batch_wait_timeout_iters
        self._wait_tokens: float = options.batch_wait_max_tokens_ratio * self._budget
        self._waited = 0  # steps that prompts have waited for others
        self._is_held = False  # whether prompts wait for others in the running steps

    @classmethod
    @reads_configuration
    def read_limits(cls, config: Section) -> dict[str, Any]:
        options = read_options(cls.Options, config)
        most = made(TrtllmOptions, options, "batching policy trtllm").max_batch_size
        return {"max_batch_size": most, "options": options}

    @classmethod
    def kv_cache(cls, spec: InstanceSpec, memory: KvMemory) -> ReservingKv:
        options = made(TrtllmOptions, spec.options, f"batching policy {spec.policy!r}")
        free_bytes = int((memory.total_bytes - memory.weights_bytes) * options.free_gpu_memory_fraction)
        blocks = free_bytes // (options.tokens_per_block * memory.kv_bytes_per_token)
        if blocks < 1:
            raise SpecError(
                f"the KV cache has no block of {options.tokens_per_block} tokens: raise it",
                key="free_gpu_memory_fraction",
                value=options.free_gpu_memory_fraction,
            )
        return ReservingKv(blocks, options.tokens_per_block, options.enable_block_reuse)

    # -- tasks come and go ---------------------------------------------------------------------------------------

    def wants(self, task: Task) -> bool:
        request = task.request
        if request.decode is task or self._running() >= self._most:
            return False
        sequence = self._sequences[request]
        if task.is_prompt:
            return self._is_held or (self.queue.length == 1 and self._may_run(sequence))
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
        if self._wait_steps and decodes.count and self._waits(budget):
            self.decode(min(self._wait_steps - self._waited, decodes.ends_at[0] - decodes.passes))
            return self._step
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

    def _waits(self, budget: int) -> bool:
        """Whether the prompts that could run wait for others, and the step has decodes alone. As long as nobody comes
        or ends this stays so: what decodes may still need is reserved."""
        self._is_held = False
        tokens = self._next_prompt_tokens(budget)
        if not tokens:
            return False
        if self._waited >= self._wait_steps or tokens + self.decodes.count >= self._wait_tokens:
            self._waited = 0
            return False
        self._is_held = True
        return True

    def _next_prompt_tokens(self, budget: int) -> int:
        """The tokens of the prompts that the next step could compute, counted whole, without what is cached."""
        tokens = sum(sequence.known for sequence in self._contexts)
        free = self.pool.free - self.pool.reserved
        running = self._running()
        budget -= tokens
        for sequence in self.queue.in_order():
            share, needs = self._share(sequence.known, budget), self._needs(sequence)
            if budget <= 0 or running >= self._most or not share or needs > free:
                break
            tokens += sequence.known
            budget -= share
            free -= needs
            running += 1
        return tokens

    def ended(self, steps: int) -> list[Task]:
        if self._is_held:
            self._waited += steps
            self._is_held = False
        return super().ended(steps)

    def recovery_step(self) -> Step | None:
        """As in the base class. Caches from other replicas have filled the memory, so that none has room for all of its
        tokens: the last ones to come lose theirs, and their prompts are computed here."""
        loaded = self.loaded
        while len(loaded) > 1 and not self._may_run(loaded[0]):
            sequence = loaded.pop()
            sequence.is_loaded = False
            self.lose(sequence)
            sequence.request.preemptions += 1
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
