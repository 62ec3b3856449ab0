"""What policies have in common whose requests are sequences of tokens in a paged cache, on replicas that ask for steps.

A request is one sequence, prompt and output together. Its prompt may take several steps. After a preemption its tokens,
outputs included, are computed again as a prompt is. Those that decode are one group, which a step counts as one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from sim_core.batching.base import DecodeObserver
from sim_core.batching.paged_batcher import PagedBatcher
from sim_core.batching.vllm_sequence import GONE, RUNNING, WAITING, Decodes, Sequence, WaitingQueue
from sim_core.engine import Engine
from sim_core.kv.base import KvCache
from sim_core.kv.paged import Hit
from sim_core.kv.reserving import ReservingKv
from sim_core.native import mypyc_attr
from sim_core.request import NEVER, Request, Task
from sim_core.spec import InstanceSpec
from sim_core.step import Step


@mypyc_attr(allow_interpreted_subclasses=True)
class SequenceBatcher(PagedBatcher):
    """The books of one replica. Policies decide in `next_step`.

    Blocks of a prompt are cached once they are computed, and those of the output when the request ends.
    """

    __slots__ = (
        "_admissions",
        "_choices",
        "_counts",
        "_entries",
        "_observer",
        "_parts",
        "_sequences",
        "_step",
        "_steps_ended",
        "_use",
        "decodes",
        "loaded",
        "pool",
        "queue",
    )

    def __init__(self, spec: InstanceSpec, engine: Engine, kv: KvCache) -> None:
        super().__init__(spec, engine, kv)
        assert isinstance(kv, ReservingKv) and kv.counts is not None
        self.pool = kv
        self._use = kv.counts
        self.queue = WaitingQueue()
        self.loaded: deque[Sequence] = deque()  # those that wait with a cache from another replica
        self.decodes = Decodes(kv.size, 0)
        self._sequences: dict[Request, Sequence] = {}
        self._parts: list[Sequence] = []  # those of which this step computes a prompt, or a part of one
        self._counts: list[int] = []  # the tokens of each of them
        self._step = Step()
        self._observer: DecodeObserver | None = None
        self._entries = self._admissions = self._choices = self._steps_ended = 0

    # -- what policies may add -----------------------------------------------------------------------------------

    def came(self, sequence: Sequence) -> None:
        """A request comes with its prompt."""
        self.queue.add(sequence)

    def cache_prompt(self, sequence: Sequence) -> None:
        """Give the full blocks of a sequence, as far as a step has computed it, their hashes."""
        self.pool.hash(sequence, sequence.computed // self.pool.size)

    def joined(self, sequence: Sequence) -> None:
        """A sequence is one of the decodes from now on."""

    def parted(self, sequence: Sequence) -> None:
        """A sequence is none of the decodes any more."""

    def prompt_computed(self, sequence: Sequence) -> None:
        """All known tokens of a sequence are computed and cached."""

    def left(self, sequence: Sequence) -> None:
        """A request that had begun leaves. Its blocks are still its own."""

    # -- tasks come and go ---------------------------------------------------------------------------------------

    def add(self, task: Task) -> None:
        self._entries += 1
        task.entry = self._entries
        task.waits_from = self._choices
        request, pool = task.request, self.pool
        leaves = task.is_prompt and request.output_tokens > 1 and request.token_instance.kv is not pool
        self._sequences[request] = sequence = Sequence(task, pool.capacity, leaves)
        pool.enter(sequence, request.content)
        if task.is_prompt:
            self.came(sequence)
            return
        sequence.decode_task = task
        prompt = sequence.prompt
        sequence.known = prompt + 1
        if not pool.has_received(request):
            sequence.lost = prompt
            self.queue.add(sequence)
            return
        sequence.is_loaded = True
        sequence.computed = prompt
        pool.hand_over(request, sequence, prompt)
        self.loaded.append(sequence)

    def add_behind(self, task: Task, prompt: Task) -> None:
        task.entry = prompt.entry
        task.request.decode = task
        self._sequences[task.request].decode_task = task

    def wait(self, task: Task) -> None:
        task.request.decoding_s = self.engine.now

    def evict(self, request: Request) -> None:
        sequence = self._sequences.pop(request)
        if sequence.decodes is not None:
            self._leave_decodes(sequence)
            self.left(sequence)
        elif sequence.is_loaded:
            self.loaded.remove(sequence)
        elif sequence.state == WAITING:
            self.queue.gone()
        else:
            if sequence in self._parts:
                index = self._parts.index(sequence)
                del self._parts[index], self._counts[index]
            self.left(sequence)
        sequence.state = GONE
        self.pool.give_back(sequence)
        self.pool.leave(sequence)

    # -- steps ---------------------------------------------------------------------------------------------------

    def starts(self, task: Task) -> bool:
        return task.request.decode is not task

    def queue_length(self) -> int:
        return self.queue.length + len(self.loaded)

    def has_waiting(self) -> bool:
        return self.queue_length() > 0

    def is_empty(self) -> bool:
        return not self.decodes.count

    def begin(self) -> None:
        """Begin to choose a step."""
        self._choices += 1
        self._parts.clear()
        self._counts.clear()
        step = self._step
        step.prompt_tokens = step.prompt_context = step.prompt_pairs = step.prompts = 0
        step.decodes = step.decode_context = 0
        step.repeat = 1

    def admit(self, sequence: Sequence, hit: Hit) -> None:
        """The first of the queue runs from now on, with the blocks of `hit`."""
        self.queue.take_first()
        pool = self.pool
        sequence.computed = cached = hit.blocks * pool.size
        self._use.admitted(sequence.known, cached, sequence.lost)
        if not sequence.lost:
            sequence.request.cached_tokens = cached
        pool.hold(sequence, hit)
        self._begins(sequence)

    def join_loaded(self, sequence: Sequence) -> None:
        """The first of those with a cache from another replica decodes from now on."""
        self.loaded.popleft()
        sequence.is_loaded = False
        self.pool.hash(sequence, sequence.computed // self.pool.size)
        self._begins(sequence)
        self._join_decodes(sequence)

    def _join_decodes(self, sequence: Sequence) -> None:
        self.decodes.join(sequence)
        self.joined(sequence)

    def _leave_decodes(self, sequence: Sequence) -> None:
        self.decodes.leave(sequence)
        sequence.known = sequence.computed + 1
        self.parted(sequence)

    def _begins(self, sequence: Sequence) -> None:
        self._admissions += 1
        sequence.order = self._admissions
        sequence.state = RUNNING
        sequence.present_task().waits_from = NEVER
        sequence.begins(self.engine.now)
        paused = sequence.paused
        if paused is not None:
            sequence.paused = None
            self.resumed(paused, paused.paused_at_s)

    def resumed(self, task: Task, paused_at_s: float) -> None:
        """A decode runs again from now on."""
        now = self.engine.now
        task.request.preempted_s += now - paused_at_s
        task.paused_at_s = paused_at_s
        if self._observer is not None:
            self._observer.decode_resumed(task, now)
        task.paused_at_s = -1.0

    def preempt(self, sequence: Sequence) -> None:
        """Take all blocks of a request that decodes: it waits, and its tokens will be computed again."""
        self._leave_decodes(sequence)
        self.lose(sequence)
        sequence.paused = task = sequence.present_task()
        task.paused_at_s = self.engine.now
        task.waits_from = self._choices
        self.queue.add(sequence)

    def lose(self, sequence: Sequence) -> None:
        """Take all blocks of a request, which then waits."""
        self.pool.give_back(sequence)
        self._use.preemptions += 1
        sequence.request.preemptions += 1
        sequence.lost = sequence.computed
        sequence.computed = 0
        sequence.state = WAITING

    def compute(self, sequence: Sequence, tokens: int, blocks: int) -> None:
        """Let this step compute `tokens` more tokens of a sequence, which has `blocks` blocks from now on."""
        if blocks > sequence.blocks:
            self.pool.take(sequence, blocks - sequence.blocks)
        self._parts.append(sequence)
        self._counts.append(tokens)
        step = self._step
        step.prompt_tokens += tokens
        step.prompt_context += sequence.computed
        step.prompt_pairs += tokens * (2 * sequence.computed + tokens)
        step.prompts += 1

    def decode(self, repeat: int) -> None:
        """Let `repeat` steps give each of the decodes a token. Their blocks are reserved."""
        decodes, step = self.decodes, self._step
        step.decodes = decodes.count
        step.decode_context = decodes.context()
        step.repeat = repeat
        self.pool.take_reserved(decodes.needed())
        decodes.passes += 1

    def ended(self, steps: int) -> list[Task]:
        self._steps_ended += steps
        done: list[Task] = []
        if self._step.decodes:
            decodes = self.decodes
            if steps > 1:
                self.pool.take_reserved(decodes.needed_in(steps - 1))
                decodes.passes += steps - 1
            ends_at, passes = decodes.ends_at, decodes.passes
            while ends_at and ends_at[0] <= passes:
                sequence = decodes.first_to_end()
                self._leave_decodes(sequence)
                done.append(sequence.present_task())
                self._finish(sequence)
        for sequence, tokens in zip(self._parts, self._counts, strict=True):
            sequence.computed += tokens
            if sequence.computed == sequence.known:
                self._yields(sequence, done)
        self._parts.clear()
        self._counts.clear()
        return done

    def _yields(self, sequence: Sequence, done: list[Task]) -> None:
        """The last known token of a sequence is computed: it gets its next one."""
        self.cache_prompt(sequence)
        self.prompt_computed(sequence)
        sequence.known += 1
        ends = sequence.known >= sequence.ends_at
        if ends or sequence.known == sequence.prompt + 1:
            done.append(sequence.present_task())
        if ends:
            self._finish(sequence)
        else:
            self._join_decodes(sequence)

    def _finish(self, sequence: Sequence) -> None:
        """A request ends here. The replica frees its memory, at once or when its cache has left."""
        request, pool = sequence.request, self.pool
        del self._sequences[request]
        self.left(sequence)
        sequence.state = GONE
        if sequence.leaves:
            request.kv_tokens = request.prompt_kv_tokens
        pool.hash(sequence, sequence.computed // pool.size)
        pool.keep(request, sequence)

    # -- for observers and results -------------------------------------------------------------------------------

    def observe(self, observer: DecodeObserver) -> None:
        self._observer = observer

    def members(self) -> list[Task]:
        sequences = self.decodes.all() if self._step.decodes else []
        return [sequence.present_task() for sequence in (*sequences, *self._parts)]

    def waiting(self) -> Iterator[Task]:
        for sequence in (*self.loaded, *self.queue.all()):
            yield sequence.present_task()

    def queued(self) -> Iterator[Task]:
        return self.waiting()

    def iterations(self) -> int:
        return self._steps_ended

    def batches(self) -> int:
        return self._choices
