"""Which of the requests that wait vLLM's scheduler admits in a pass, and what it gives them."""

from __future__ import annotations

from sim_core.batching.vllm_members import VllmMembers
from sim_core.batching.vllm_options import VllmOptions
from sim_core.batching.vllm_sequence import RUNNING, Sequence
from sim_core.batching.vllm_step import VllmStep
from sim_core.kv.paged import Hit, PagedKv
from sim_core.native import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class VllmAdmission(VllmMembers):
    """The rules of admission: the head of the queue goes first, and what has no room blocks all behind it."""

    __slots__ = (
        "_active",
        "_admissions",
        "_budget",
        "_chunks",
        "_counts",
        "_held",
        "_interval",
        "_ran_prefill",
        "_reserves",
        "_watermark_blocks",
        "longest",
    )

    def __init__(self, options: VllmOptions, pool: PagedKv) -> None:
        super().__init__(pool, options.async_scheduling, options.policy == "priority")
        counts = pool.counts
        assert counts is not None
        self._counts = counts
        self._budget = options.max_num_batched_tokens
        self._active = options.active
        self.longest = options.longest
        self._chunks = options.enable_chunked_prefill
        self._reserves = options.scheduler_reserve_full_isl
        self._watermark_blocks = int(options.watermark * (pool.usable + 1))  # vLLM counts a block that it never uses
        self._interval = options.prefill_schedule_interval
        self._admissions = 0
        self._held = False  # whether this pass leaves prompts alone
        self._ran_prefill = False  # whether this pass has tokens of a prompt

    def _admit(self, step: VllmStep, threshold: int, budget: int) -> None:
        """Admit those that wait, in their order, up to the first that has no room."""
        pool, running, waiting = self.pool, self.running, self.waiting
        size = pool.size
        while budget > 0 and waiting.length and len(running) < self._active:
            sequence = waiting.first()
            known = sequence.known
            hit = pool.look_up(sequence, (known - 1) // size)
            cached = hit.blocks * size
            if self._held and cached < known - 1:
                return
            tokens = known - cached
            if 0 < threshold < tokens:
                tokens = threshold
            if tokens > budget:
                if not self._chunks:
                    return
                tokens = budget
            if not self._has_room(hit, known, cached + tokens):
                return
            waiting.take_first()
            sequence.computed = cached
            self._counts.admitted(known, cached, sequence.lost)
            if not sequence.lost:
                sequence.request.cached_tokens = cached
            pool.hold(sequence, hit)
            pool.take(sequence, -(-(cached + tokens) // size) - sequence.blocks)
            pool.hash(sequence, (cached + tokens) // size)
            self._ran_prefill |= cached < known - 1
            self._join(step, sequence, cached, tokens)
            budget -= tokens

    def _admit_loaded(self, step: VllmStep, budget: int) -> int:
        """Admit requests whose cache came from another replica; they have room. Returns the budget that is left."""
        loaded = self.loaded
        while budget > 0 and loaded and len(self.running) < self._active:
            sequence = loaded.popleft()
            sequence.is_loaded = False
            self.pool.hash(sequence, sequence.computed // self.pool.size)
            self._join(step, sequence, 0, 1)
            budget -= 1
        return budget

    def _join(self, step: VllmStep, sequence: Sequence, cached: int, tokens: int) -> None:
        """A request runs from now on."""
        self.running.append(sequence)
        self._admissions += 1
        sequence.order = self._admissions
        sequence.state = RUNNING
        step.admitted.append(sequence)
        step.cached.append(cached)
        step.sequences.append(sequence)
        step.counts.append(tokens)

    def _has_room(self, hit: Hit, known: int, computed: int) -> bool:
        """Whether a waiting request can be admitted that has `known` tokens, of which `computed` are after its first
        step."""
        pool = self.pool
        size = pool.size
        room = pool.free + hit.blocks - hit.idle
        if self.running:
            room -= self._watermark_blocks
        if self._reserves and -(-min(known, self.longest) // size) > room:
            return False
        return -(-computed // size) <= room

    def _may_admit(self) -> bool:
        """Whether the head of the queue, which found no room just now, may find it while the decodes go on.

        They take memory and give none back. Cached blocks of the head's that nobody uses are free blocks, and one less
        of these is one more to compute. So it waits on, unless it shares a text with one of those that run.
        """
        if len(self.running) >= self._active or self.decodes.count >= self._budget:
            return False
        if self.loaded or self._interval > 1:
            return True
        return self.pool.caching and self.waiting.first().request.content is not None
