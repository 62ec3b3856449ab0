"""An engine as it is written today, for tests: chunked prefill, memory taken as tokens come, recomputation, and steps
that are chosen ahead. It uses nothing of `sim_core.batching` but the base class."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from sim_core.batching.base import Batcher
from sim_core.engine import Engine
from sim_core.kv.base import Holder, KvCache
from sim_core.memory import KvMemory
from sim_core.performance.affine import AffineTimes
from sim_core.performance.base import PerformanceModel
from sim_core.request import Request, Task
from sim_core.spec import InstanceSpec
from sim_core.step import Step


class GrowingKv(KvCache):
    """Takes the memory of a prompt at once, and that of each further token when it comes."""

    __slots__ = ()

    def admit(self, holder: Holder, tokens: int) -> None:
        self.holders += holder.kv_tokens == 0
        holder.kv_tokens += tokens
        self.tokens += tokens
        self.peak = max(self.peak, self.tokens)

    def receive(self, holder: Holder) -> None:
        raise NotImplementedError

    def release(self, holder: Holder) -> None:
        self.tokens -= holder.kv_tokens
        holder.kv_tokens = 0
        self.holders -= 1

    def iterations_left(self, growing: Collection[Holder]) -> int:
        return (self.capacity - self.tokens) // len(growing)

    def advance(self, growing: Collection[Holder], iterations: int) -> None:
        for holder in growing:
            self.admit(holder, iterations)


@dataclass(frozen=True)
class ChunkedOptions:
    jumps: bool = True


class Sequence:
    """A request here."""

    def __init__(self, task: Task) -> None:
        self.task = task  # the phase that it is in
        self.request = task.request
        self.computed = 0  # tokens in the cache by steps that have ended
        self.target = self.request.prompt_tokens  # computed, they give the next token; more after recomputation
        self.tokens = 0  # of the output

    def last(self) -> int:
        """The tokens in the cache when its last token comes."""
        return self.request.prompt_tokens + self.request.output_tokens - 1


class Chosen:
    """Steps under way: the tokens of each sequence in one of them, and how many are left."""

    def __init__(self, shares: dict[Sequence, int], repeat: int) -> None:
        self.shares = shares
        self.left = repeat


class Chunked(Batcher):
    """First come, first served: running requests first, each decode a token and each prompt as much as is left of
    `max_batch_tokens`, then waiting ones. Where memory ends, the last to come begins again."""

    Options = ChunkedOptions

    def __init__(self, spec: InstanceSpec, engine: Engine, kv: KvCache) -> None:
        super().__init__(spec, engine, kv)
        self.budget = spec.max_batch_tokens or 1
        self.line: list[Sequence] = []
        self.running: list[Sequence] = []
        self.chosen: list[Chosen] = []
        self.steps = self.choices = 0

    @classmethod
    def kv_cache(cls, spec: InstanceSpec, memory: KvMemory) -> KvCache:
        return GrowingKv(memory.capacity_tokens)

    def add(self, task: Task) -> None:
        self.line.append(Sequence(task))

    def add_behind(self, task: Task, prompt: Task) -> None:
        task.request.decode = task

    def wait(self, task: Task) -> None:
        task.request.token_start_s = self.engine.now
        for sequence in self.running:
            if sequence.request is task.request:
                sequence.task = task

    def evict(self, request: Request) -> None:
        for sequences in (self.line, self.running):
            sequences[:] = [sequence for sequence in sequences if sequence.request is not request]
        for chosen in self.chosen:
            chosen.shares = {one: share for one, share in chosen.shares.items() if one.request is not request}

    def wants(self, task: Task) -> bool:
        return len(self.running) < self.max_batch_size

    def has_waiting(self) -> bool:
        return bool(self.line)

    def queue_length(self) -> int:
        return len(self.line)

    def next_step(self) -> Step | None:
        self.choices += 1
        self._settle()
        under_way = self.chosen[0].shares if self.chosen else {}
        budget, shares, step = self.budget, dict[Sequence, int](), Step()
        for sequence in list(self.running):
            context = sequence.computed + under_way.get(sequence, 0)
            if not budget or sequence not in self.running or context >= sequence.last():
                continue
            if context < sequence.target:
                share = min(sequence.target - context, budget)
                step.prompt_tokens += share
                step.prompt_context += context
            else:
                self._make_room()
                if sequence not in self.running:
                    break
                share = 1
                step.decodes += 1
                step.decode_context += context
            shares[sequence] = share
            budget -= share
        while budget and self.line and len(self.running) < self.max_batch_size and self._fits(self.line[0]):
            sequence = self.line.pop(0)
            shares[sequence] = share = min(sequence.target, budget)
            self.running.append(sequence)
            if sequence.request.prompt_start_s is None:
                sequence.request.prompt_start_s = self.engine.now
            self.kv.admit(sequence.request, sequence.target)
            step.prompt_tokens += share
            budget -= share
        if not shares:
            return None
        step.repeat = self._repeat(shares, step, under_way) if self.options.jumps else 1
        self.chosen.append(Chosen(shares, step.repeat))
        return step

    def ended(self, steps: int) -> list[Task]:
        self.steps += steps
        chosen = self.chosen[0]
        chosen.left -= steps
        if not chosen.left:
            del self.chosen[0]
        done: list[Task] = []
        for sequence, share in chosen.shares.items():
            if sequence.computed >= sequence.target:
                self.kv.advance([sequence.request], steps)
            before, sequence.computed = sequence.computed, sequence.computed + share * steps
            if sequence.computed < sequence.target:
                continue
            sequence.tokens += 1 if before < sequence.target else steps
            if sequence.task.is_prompt or sequence.tokens == sequence.request.output_tokens:
                done.append(sequence.task)
            if sequence.tokens == sequence.request.output_tokens:
                self.running.remove(sequence)
        return done

    def is_empty(self) -> bool:
        return not self.running

    def members(self) -> list[Task]:
        return [sequence.task for sequence in self.chosen[0].shares] if self.chosen else []

    def waiting(self) -> Iterator[Task]:
        return (sequence.task for sequence in self.line)

    def queued(self) -> Iterator[Task]:
        return self.waiting()

    def iterations(self) -> int:
        return self.steps

    def batches(self) -> int:
        return self.choices

    def _settle(self) -> None:
        """Of what was chosen last and has not ended, one step is under way, or none of a batcher that looks at the end
        of steps alone: a cut has ended the others."""
        if self.chosen and self.runs_on == "ahead":
            self.chosen[0].left = 1
        else:
            self.chosen.clear()

    def _fits(self, sequence: Sequence) -> bool:
        """Whether all tokens to compute, and room for one of each that runs, have room now."""
        return self.kv.fits(sequence.target + len(self.running))

    def _make_room(self) -> None:
        """Let the last to come begin again, until a token of each that runs has room."""
        while self.kv.iterations_left([sequence.request for sequence in self.running]) < 1:
            sequence = self.running.pop()
            sequence.target, sequence.computed = sequence.request.prompt_tokens + sequence.tokens, 0
            sequence.request.preemptions += 1
            self.kv.release(sequence.request)
            self.line.insert(0, sequence)

    def _repeat(self, shares: dict[Sequence, int], step: Step, under_way: dict[Sequence, int]) -> int:
        """Decodes alone run on until one ends or memory does."""
        if step.prompt_tokens:
            return 1
        left = min(one.last() - one.computed - under_way.get(one, 0) for one in shares)
        return min(left, self.kv.iterations_left([one.request for one in shares]))


class ChunkedAhead(Chunked):
    """Chosen one step ahead."""

    runs_on = "ahead"


class Affine(PerformanceModel):
    """Times in binary fractions."""

    def step_times(self, model: str, hardware: str, tensor_parallelism: int) -> AffineTimes:
        return AffineTimes(base_s=1.0, prompt_token_s=0.5, decode_s=0.25, context_token_s=0.125)
