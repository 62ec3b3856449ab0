"""The scheduler of vLLM 0.33.0 (V1): what runs in a step, which request is preempted, and what a step's outputs change.

One pass, `schedule`, serves those that run, in the order in which they were admitted, and then admits those that wait.
A request is its tokens, known ones to compute: there is no prompt phase beside the decode phase, and a long prompt takes
several steps where `chunked_prefill` is on.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.batching.vllm_sequence import GONE, RUNNING, WAITING, PriorityQueue, Sequence, WaitingQueue
from sim_core.kv.paged import BlockPool, Hit
from sim_core.native import mypyc_attr


@dataclass(frozen=True)
class VllmLimits:
    """The settings of vLLM's that the scheduler has, with its names."""

    max_num_batched_tokens: int
    max_num_seqs: int
    max_num_active_seqs: int  # of those running; others wait
    max_model_len: int
    is_async: bool  # async_scheduling: a step is scheduled before the one before it has ended
    by_priority: bool  # policy: priority, not fcfs
    chunked_prefill: bool
    long_prefill_token_threshold: int  # 0: none
    threshold_adapts: bool
    reserves_full_prompt: bool  # scheduler_reserve_full_isl
    watermark_blocks: int
    prefill_interval: int  # prefill_schedule_interval; 1: none


class VllmStep:
    """What one pass has decided: `counts` tokens of `sequences`, in the order of scheduling."""

    __slots__ = (
        "admitted",
        "context_tokens",
        "counts",
        "decodes",
        "end_s",
        "preempted",
        "prompt_tokens",
        "sequences",
        "start_s",
        "yielding",
    )

    def __init__(self) -> None:
        self.sequences: list[Sequence] = []
        self.counts: list[int] = []
        self.admitted: list[tuple[Sequence, int]] = []  # in this pass, with the tokens that were cached
        self.preempted: list[Sequence] = []
        self.yielding: list[Sequence] = []  # those that the step gives a token
        self.prompt_tokens = 0
        self.decodes = 0
        self.context_tokens = 0  # held by all sequences of the step, after it
        self.start_s = 0.0
        self.end_s = 0.0


@mypyc_attr(allow_interpreted_subclasses=True)
class VllmScheduler:
    """The requests of one replica, those that run and those that wait, and their blocks."""

    __slots__ = (
        "_held",
        "_last_prefill",
        "_left_backlog",
        "_ran_prefill",
        "_steps",
        "has_gone",
        "limits",
        "pool",
        "running",
        "waiting",
    )

    def __init__(self, limits: VllmLimits, pool: BlockPool) -> None:
        self.limits = limits
        self.pool = pool
        self.running: list[Sequence] = []  # in order of admission
        self.waiting: WaitingQueue = PriorityQueue() if limits.by_priority else WaitingQueue()
        self.has_gone = False  # whether a request has gone since the last pass
        self._steps = 0  # passes that scheduled something
        self._last_prefill = 0  # the step, by its number, that last had tokens of a prompt
        self._left_backlog = False
        self._held = False  # whether this pass leaves prompts alone: see `prefill_interval`
        self._ran_prefill = False

    # -- coming and going --------------------------------------------------------------------------------------------

    def has_requests(self) -> bool:
        return bool(self.running) or self.waiting.length > 0

    def add(self, sequence: Sequence) -> None:
        """A request comes. Its content must have entered the pool."""
        self.waiting.add(sequence)

    def abort(self, sequence: Sequence) -> None:
        """A request goes before its end."""
        if sequence.state == RUNNING:
            self.running.remove(sequence)
        elif sequence.state == WAITING:
            self.waiting.gone()
        else:
            return
        self._forget(sequence)

    def _forget(self, sequence: Sequence) -> None:
        sequence.state = GONE
        self.pool.give_back(sequence)
        self.pool.leave(sequence)
        self.has_gone = True

    # -- one pass ----------------------------------------------------------------------------------------------------

    def schedule(self) -> VllmStep:
        """Decide the next step. Takes blocks, and counts the tokens as computed."""
        limits = self.limits
        self.has_gone = False
        step = VllmStep()
        threshold = self._threshold()
        self._held = limits.prefill_interval > 1 and self._holds_prompts()
        self._ran_prefill = False
        budget = self._run(step, threshold)
        if not step.preempted:
            self._admit(step, threshold, budget)
            if not self._held:
                self._left_backlog = self.waiting.length > 0
        self._advance(step)
        return step

    def _threshold(self) -> int:
        """The most tokens of one request in a pass; 0: no limit."""
        limits = self.limits
        requests = len(self.running) + self.waiting.length
        threshold = limits.long_prefill_token_threshold
        if requests <= 1:
            return 0
        if limits.threshold_adapts:
            return max(threshold, limits.max_num_batched_tokens // requests)
        return threshold

    def _holds_prompts(self) -> bool:
        if self._left_backlog or self._steps + 1 - self._last_prefill >= self.limits.prefill_interval:
            return False
        return any(not sequence.is_mid_prompt for sequence in self.running)

    def _run(self, step: VllmStep, threshold: int) -> int:
        """Schedule those that run. Returns the budget that is left."""
        limits, pool, running = self.limits, self.pool, self.running
        size = pool.size
        is_async = limits.is_async
        budget = limits.max_num_batched_tokens
        index = 0
        while budget > 0 and index < len(running):
            sequence = running[index]
            computed, in_flight = sequence.computed, sequence.in_flight
            if (self._held and sequence.is_mid_prompt) or (
                is_async and in_flight > 0 and computed + 2 - in_flight >= sequence.limit
            ):
                index += 1
                continue
            tokens = sequence.known + in_flight - computed
            if 0 < threshold < tokens:
                tokens = threshold
            tokens = min(tokens, budget, limits.max_model_len - computed - 1)
            if tokens <= 0:
                index += 1
                continue
            blocks = -(-(computed + tokens) // size) - sequence.blocks
            is_last = is_gone = False
            while blocks > pool.free:
                victim = self._victim()
                place = running.index(victim) if limits.by_priority else len(running) - 1
                del running[place]
                self._preempt(victim, step)
                if victim is sequence:
                    is_gone = True
                    is_last = not limits.by_priority
                    break
                if place < index:
                    index -= 1
                    budget += _drop(step, victim)
            if is_last:
                break
            if is_gone:
                continue
            if blocks > 0:
                pool.take(sequence, blocks)
            pool.hash(sequence, min(computed + tokens, sequence.known) // size)
            if sequence.is_mid_prompt:
                self._ran_prefill = True
            step.sequences.append(sequence)
            step.counts.append(tokens)
            budget -= tokens
            index += 1
        return budget

    def _victim(self) -> Sequence:
        running = self.running
        victim = running[-1]
        if self.limits.by_priority:
            victim = running[0]
            for sequence in running:
                if (sequence.priority, sequence.arrival_s) > (victim.priority, victim.arrival_s):
                    victim = sequence
        return victim

    def _preempt(self, sequence: Sequence, step: VllmStep) -> None:
        """Take all blocks of a request, which is out of those running already: it will be computed again."""
        self.pool.give_back(sequence)
        sequence.state = WAITING
        sequence.computed = 0
        sequence.in_flight = 0  # what is in flight still arrives
        sequence.is_mid_prompt = False
        sequence.preemptions += 1
        self.waiting.add_again(sequence)
        step.preempted.append(sequence)

    def _admit(self, step: VllmStep, threshold: int, budget: int) -> None:
        """Admit those that wait, in their order, up to the first that has no room."""
        limits, pool, running, waiting = self.limits, self.pool, self.running, self.waiting
        size = pool.size
        while budget > 0 and waiting.length and len(running) < limits.max_num_active_seqs:
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
                if not limits.chunked_prefill:
                    return
                tokens = budget
            if not self._has_room(hit, known, cached + tokens):
                return
            waiting.take_first()
            running.append(sequence)
            sequence.state = RUNNING
            sequence.computed = cached
            if sequence.first_hit < 0:
                sequence.first_hit = cached
            pool.hold(sequence, hit)
            pool.take(sequence, -(-(cached + tokens) // size) - sequence.blocks)
            pool.hash(sequence, (cached + tokens) // size)
            if cached < known - 1:
                self._ran_prefill = True
            step.admitted.append((sequence, cached))
            step.sequences.append(sequence)
            step.counts.append(tokens)
            budget -= tokens

    def _has_room(self, hit: Hit, known: int, computed: int) -> bool:
        """Whether a waiting request can be admitted that has `known` tokens, of which `computed` are after its first
        step."""
        limits, pool = self.limits, self.pool
        room = pool.free + hit.blocks - hit.idle
        if self.running:
            room -= limits.watermark_blocks
        size = pool.size
        if limits.reserves_full_prompt and -(-min(known, limits.max_model_len) // size) > room:
            return False
        return -(-computed // size) <= room

    def _advance(self, step: VllmStep) -> None:
        """Count the tokens of a pass as computed."""
        is_async = self.limits.is_async
        for sequence, tokens in zip(step.sequences, step.counts, strict=True):
            computed = sequence.computed
            if tokens == 1 and computed >= sequence.prompt:
                step.decodes += 1
            else:
                step.prompt_tokens += tokens
            sequence.computed = computed = computed + tokens
            step.context_tokens += computed
            sequence.is_mid_prompt = computed < sequence.known + sequence.in_flight
            if not sequence.is_mid_prompt:
                step.yielding.append(sequence)
                if is_async:
                    sequence.in_flight += 1
        if step.sequences:
            self._steps += 1
            if self._ran_prefill:
                self._last_prefill = self._steps

    # -- the outputs of a step -----------------------------------------------------------------------------------------

    def apply(self, step: VllmStep) -> list[Sequence]:
        """Take the outputs of a step. Returns the requests that have ended by it, in order; they are gone then."""
        is_async = self.limits.is_async
        pool = self.pool
        ended: list[Sequence] = []
        for sequence in step.yielding:
            if sequence.state == GONE:
                continue
            sequence.known += 1
            if is_async and sequence.state == RUNNING:
                sequence.in_flight -= 1
                pool.hash(sequence, (sequence.computed - sequence.in_flight) // pool.size)
            if sequence.known >= sequence.ends_at:
                if sequence.state == RUNNING:
                    self.running.remove(sequence)
                else:
                    self.waiting.gone()
                self._forget(sequence)
                ended.append(sequence)
        return ended


def _drop(step: VllmStep, sequence: Sequence) -> int:
    """Take a request out of a pass again. Returns the tokens that it had there."""
    if sequence not in step.sequences:
        return 0
    index = step.sequences.index(sequence)
    del step.sequences[index]
    return step.counts.pop(index)
