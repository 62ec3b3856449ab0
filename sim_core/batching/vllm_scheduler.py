"""The scheduler of vLLM 0.33.0 (V1): what runs in a step, which request is preempted, and which one is admitted.

One pass, `schedule`, serves those that run, in the order in which they were admitted, and then admits those that wait.
A request is its tokens, known ones to compute: there is no prompt phase beside the decode phase, and a long prompt
takes several steps where chunked prefill is on.
"""

from __future__ import annotations

from sim_core.batching.vllm_admission import VllmAdmission
from sim_core.batching.vllm_options import VllmOptions
from sim_core.batching.vllm_sequence import RUNNING, WAITING, Sequence, goes_after
from sim_core.batching.vllm_step import VllmStep
from sim_core.kv.paged import PagedKv
from sim_core.native import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class VllmScheduler(VllmAdmission):
    """The rules: what one pass decides."""

    __slots__ = (
        "_by_priority",
        "_last_prefill",
        "_left_backlog",
        "_threshold",
        "_threshold_adapts",
        "_ties_ordered",
    )

    def __init__(self, options: VllmOptions, pool: PagedKv) -> None:
        super().__init__(options, pool)
        self._by_priority = options.policy == "priority"
        self._threshold = options.long_prefill_token_threshold
        self._threshold_adapts = options.long_prefill_token_threshold_adaptive
        self._last_prefill = -self._interval  # the step, by its number, that last had tokens of a prompt: long ago
        self._left_backlog = False
        self._ties_ordered = False  # whether of those that came at the same time the last one is preempted first

    # -- one pass ----------------------------------------------------------------------------------------------------

    def schedule(self) -> VllmStep:
        """Decide the next step. Takes blocks, and counts the tokens as computed."""
        self.has_gone = False
        threshold = self._threshold_now()
        self._held = self._interval > 1 and self._holds_prompts()
        self._ran_prefill = False
        decodes = self.decodes
        is_plain = self._is_plain(threshold)
        if not is_plain:
            for sequence in decodes.all():
                self._single_out(sequence)
        self.passes = number = self.passes + 1
        step = self._new_step(number)
        budget = self._budget - decodes.count
        if is_plain:
            self._count_decodes(step)
            candidates = self._loose
        else:
            candidates = self.running
        budget = self._run(step, candidates, threshold, budget)
        if not step.preempted:
            if self.loaded:
                budget = self._admit_loaded(step, budget)
            if self.waiting.length:
                self._admit(step, threshold, budget)
            if not self._held:
                self._left_backlog = self.waiting.length > 0
        self._advance(step)
        self.in_flight.append(step)
        ends_at, passes = decodes.ends_at, decodes.passes
        while ends_at and ends_at[0] == passes:
            sequence = decodes.first_to_end()
            self._single_out(sequence)
            if self.is_async and sequence.computed + 1 < sequence.stops_at:
                self._loose.append(sequence)
        self._sort_out(step, candidates)
        return step

    def _threshold_now(self) -> int:
        """The most tokens of one request in a pass; 0: no limit."""
        if not self._threshold:
            return 0
        requests = len(self.running) + self.waiting.length + len(self.loaded)
        if requests <= 1:
            return 0
        if self._threshold_adapts:
            return max(self._threshold, self._budget // requests)
        return self._threshold

    def _holds_prompts(self) -> bool:
        """Whether this pass computes no prompts, as there are decodes and the last prompt is not long ago."""
        if self._left_backlog or self.steps + 1 - self._last_prefill >= self._interval:
            return False
        return len(self.running) > sum(sequence.is_mid_prompt for sequence in self._loose)

    def _is_plain(self, threshold: int) -> bool:
        """Whether each of the decodes gets a token in this pass, and each other request what it would get in the order
        of the running ones, without a preemption."""
        decodes = self.decodes
        budget = self._budget - decodes.count
        if budget < 0:
            return False
        free = self.pool.free - decodes.needed()
        if free < 0:
            return False
        loose = self._loose
        if not loose:
            return True
        size = self.pool.size
        are_last = loose[0].order > decodes.newest
        for sequence in loose:
            tokens = self._tokens(sequence, threshold)
            if tokens > budget:
                if not are_last:
                    return False
                tokens = budget
            if tokens:
                if not are_last and self.pool.shares_chain(sequence):
                    return False  # the order in which blocks get the same hash matters
                budget -= tokens
                free -= -(-(sequence.computed + tokens) // size) - sequence.blocks
                if free < 0:
                    return False
        return True

    def _tokens(self, sequence: Sequence, threshold: int) -> int:
        """The tokens that a running request has in this pass if the budget allows; 0: none."""
        computed, in_flight = sequence.computed, sequence.in_flight
        if self._held and sequence.is_mid_prompt:
            return 0
        if in_flight > 0 and computed + 2 - in_flight >= sequence.stops_at:
            return 0  # the step in flight ends it
        tokens = sequence.known + in_flight - computed
        if 0 < threshold < tokens:
            tokens = threshold
        return max(min(tokens, self.longest - computed - 1), 0)

    def _count_decodes(self, step: VllmStep) -> None:
        """Give each of the decodes its token."""
        decodes = self.decodes
        count = decodes.count
        if not count:
            return
        step.members = step.decodes = count
        step.decode_context = decodes.context()
        blocks = decodes.needed()
        if blocks:
            self.pool.draw(blocks)
        decodes.passes += 1

    def _run(self, step: VllmStep, candidates: list[Sequence], threshold: int, budget: int) -> int:
        """Schedule those that run: all of them, or those that decode not alone. Returns the budget that is left."""
        pool = self.pool
        size = pool.size
        index = 0
        while budget > 0 and index < len(candidates):
            sequence = candidates[index]
            tokens = min(self._tokens(sequence, threshold), budget)
            if not tokens:
                index += 1
                continue
            computed = sequence.computed + tokens
            blocks = -(-computed // size) - sequence.blocks
            while blocks > pool.free and sequence.state == RUNNING:
                victim = self._victim()
                place = self.running.index(victim)
                self._preempt(victim, place, step)
                if place < index:
                    index -= 1
                    budget += step.drop(victim)
            if sequence.state == RUNNING:
                if blocks > 0:
                    pool.take(sequence, blocks)
                pool.hash(sequence, min(computed, sequence.known) // size)
                step.sequences.append(sequence)
                step.counts.append(tokens)
                budget -= tokens
                index += 1
            elif not self._by_priority:
                break
        return budget

    def _victim(self) -> Sequence:
        running = self.running
        if not self._by_priority:
            return running[-1]
        victim = running[0]
        for sequence in running:
            if goes_after(sequence.request, victim.request, self._ties_ordered):
                victim = sequence
        return victim

    def orders_ties(self) -> bool:
        """Preempt by the order of the queue from now on, also among requests that came at the same time. Returns
        whether this is new.

        vLLM preempts the first to run of these, which may not be the last of them in the queue. So two of them can
        preempt each other for ever. vLLM's own clock hardly gives two requests the same time.
        """
        is_new = self._by_priority and not self._ties_ordered
        self._ties_ordered |= is_new
        return is_new

    def running_state(self) -> list[int]:
        """Which requests run, and how far they are."""
        state: list[int] = []
        for sequence in self.running:
            state += (sequence.request.index, sequence.computed)
        return state

    def _preempt(self, sequence: Sequence, place: int, step: VllmStep) -> None:
        """Take all blocks of a running request: it will be computed again."""
        del self.running[place]
        self.pool.give_back(sequence)
        self._counts.preemptions += 1
        sequence.lost = sequence.computed
        sequence.state = WAITING
        sequence.computed = 0
        sequence.in_flight = 0  # what is in flight still arrives
        sequence.is_mid_prompt = False
        sequence.request.preemptions += 1
        self.waiting.add_again(sequence)
        step.preempted.append(sequence)

    def _advance(self, step: VllmStep) -> None:
        """Count the tokens of a pass as computed."""
        number = step.number
        if not step.sequences:
            self.steps += step.members > 0
            return
        for sequence, tokens in zip(step.sequences, step.counts, strict=True):
            computed = sequence.computed
            if tokens == 1 and computed >= sequence.prompt:
                step.decodes += 1
                step.decode_context += computed
            else:
                step.prompt_tokens += tokens
                step.prompt_context += computed
            sequence.computed = computed = computed + tokens
            sequence.last_step = number
            self._ran_prefill |= sequence.is_mid_prompt
            sequence.is_mid_prompt = computed < sequence.known + sequence.in_flight
            if not sequence.is_mid_prompt:
                step.yielding.append(sequence)
                if self.is_async:
                    sequence.in_flight += 1
        self.steps += 1
        if self._ran_prefill:
            self._last_prefill = self.steps

    # -- passes that are all alike -------------------------------------------------------------------------------------

    def alike(self) -> int:
        """How many of the next passes only give each of the decodes a token, and no outputs before them change more
        than that, if nothing comes."""
        decodes = self.decodes
        count = decodes.count
        if not count or self._loose or self.has_gone or count > self._budget:
            return 0
        passes = decodes.ends_at[0] - decodes.passes - 1
        if passes <= 0 or len(self.in_flight) != 1 + self.is_async:
            return 0
        for step in self.in_flight:
            if step.yielding or not step.members:
                return 0
        if (self.waiting.length or self.loaded) and self._may_admit():
            return 0
        return decodes.passes_within(self.pool.free, passes)
