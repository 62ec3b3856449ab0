"""SGLang 0.5.23: prompts first, in chunks; admission by an estimate of the output; retraction where memory runs out.

- A step computes prompts, as long as any can be computed, or else gives each of the decodes a token. Both are in one
  step with `enable_mixed_chunk` alone.
- One request at most is in the middle of its prompt. It goes first among the next prompts.
- A request is admitted if memory is left for its tokens and all of its output, beside the part of their outputs that
  running requests are expected to need: `new_token_ratio`, which falls from step to step of decodes.
- The first request that is not admitted stops the admission until one that runs has left.
- Where a step of decodes has no memory, those with the fewest outputs lose theirs, and wait at the queue's end.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sim_core.batching.base import NO_LIMIT
from sim_core.batching.new_token_ratio import NewTokenRatio
from sim_core.batching.receive_interval import ReceiveInterval
from sim_core.batching.sequence_batcher import SequenceBatcher
from sim_core.batching.sglang_options import SglangOptions
from sim_core.batching.vllm_sequence import Sequence
from sim_core.engine import Engine
from sim_core.errors import SpecError
from sim_core.kv.base import KvCache
from sim_core.kv.reserving import ReservingKv
from sim_core.memory import KvMemory
from sim_core.native import mypyc_attr
from sim_core.options import made, read_options, reads_configuration
from sim_core.request import Request, Task
from sim_core.section import Section
from sim_core.spec import InstanceSpec
from sim_core.step import Step


class _Room:
    """What is left for the prompts of one step."""

    __slots__ = ("chunk", "offset", "tokens")

    def __init__(self, chunk: int, tokens: int, offset: float) -> None:
        self.chunk = chunk  # tokens of the step
        self.tokens = tokens  # tokens of prompts, beyond which no further prompt joins
        self.offset = offset  # tokens of memory that are free and spoken for


@mypyc_attr(allow_interpreted_subclasses=True)
class SglangBatcher(SequenceBatcher):
    """SGLang's scheduler."""

    __slots__ = (
        "_chunk",
        "_chunked",
        "_clip",
        "_fresh",
        "_has_left",
        "_is_full",
        "_mixes",
        "_most",
        "_most_tokens",
        "_paused_from_s",
        "_paused_s",
        "_pauses",
        "_ratio",
        "_receives",
        "_since",
    )

    Options = SglangOptions

    def __init__(self, spec: InstanceSpec, engine: Engine, kv: KvCache) -> None:
        super().__init__(spec, engine, kv)
        options = self.options
        self._chunk: int = options.chunked_prefill_size or NO_LIMIT
        self._most_tokens: int = options.max_prefill_tokens
        self._most: int = options.max_running_requests
        self._mixes: bool = options.enable_mixed_chunk
        self._clip: int = options.clip_max_new_tokens_estimation
        interval: int = options.scheduler_recv_interval
        self._receives = ReceiveInterval(interval) if interval > 1 else None  # None: at each step
        self._chunked: Sequence | None = None  # in the middle of its prompt
        self._is_full = False  # no request is admitted until one has left
        self._has_left = False  # since the last step of decodes was chosen
        first = min(options.init_new_token_ratio * options.schedule_conservativeness, 1.0)
        self._ratio = NewTokenRatio(
            first, first * options.min_new_token_ratio_factor, options.new_token_ratio_decay_steps, self._clip
        )
        # the decodes that have run, with the next two numbers from when they did first, and others by when they joined
        self._since: dict[Sequence, tuple[int, float]] = {}
        self._fresh: dict[Sequence, float] = {}
        self._pauses = 0  # of all decodes, for steps with prompts alone
        self._paused_s = 0.0  # the length of all of these
        self._paused_from_s = -1.0  # when the present one began; below 0: they run

    @classmethod
    @reads_configuration
    def read_limits(cls, config: Section) -> dict[str, Any]:
        options = read_options(cls.Options, config)
        most = made(SglangOptions, options, "batching policy sglang").max_running_requests
        return {"max_batch_size": most, "options": options}

    @classmethod
    def kv_cache(cls, spec: InstanceSpec, memory: KvMemory) -> ReservingKv:
        options = made(SglangOptions, spec.options, f"batching policy {spec.policy!r}")
        free_bytes = int(memory.total_bytes * options.mem_fraction_static) - memory.weights_bytes
        pages = free_bytes // (options.page_size * memory.kv_bytes_per_token)
        if pages < 1:
            raise SpecError(
                "no memory is left for the KV cache beside the weights: raise it",
                key="mem_fraction_static",
                value=options.mem_fraction_static,
            )
        return ReservingKv(pages, options.page_size, not options.disable_radix_cache)

    # -- tasks come and go ---------------------------------------------------------------------------------------

    def wants(self, task: Task) -> bool:
        if task.request.decode is task:
            return False
        if task.is_prompt:
            return not self._is_full
        return self._running() < self._most

    def has_room(self) -> bool:
        self._is_full = False
        return True

    def has_waiting(self) -> bool:
        return self.queue_length() > 0 or self._chunked is not None

    def queue_length(self) -> int:
        unseen = 0 if self._receives is None else len(self._receives.unseen)
        return super().queue_length() + unseen

    def came(self, sequence: Sequence) -> None:
        if self._receives is None:
            super().came(sequence)
        else:
            self._receives.unseen.append(sequence)

    def evict(self, request: Request) -> None:
        if self._receives is not None:
            sequence = self._sequences[request]
            if sequence in self._receives.unseen:
                self._receives.unseen.remove(sequence)
                self.queue.add(sequence)
        super().evict(request)

    def wait(self, task: Task) -> None:
        """As in the base class. It begins with the next step of decodes: see `_resume`."""

    def cache_prompt(self, sequence: Sequence) -> None:
        pages = sequence.computed // self.pool.size
        if sequence.path is not None and self.pool.look_up(sequence, pages).blocks > sequence.hashed:
            self.pool.merge(sequence, pages)  # another request has computed the same meanwhile
        super().cache_prompt(sequence)

    def joined(self, sequence: Sequence) -> None:
        self._fresh[sequence] = self.engine.now
        self._ratio.add(sequence, self._expected_end(sequence), self.decodes.passes)

    def parted(self, sequence: Sequence) -> None:
        self._has_left = True
        since = self._since.pop(sequence, None)
        if since is None:
            del self._fresh[sequence]
        else:
            sequence.request.preemptions += self._pauses - since[0]
            sequence.request.preempted_s += self._paused_s - since[1]
        self._ratio.remove(sequence, self._expected_end(sequence))

    def prompt_computed(self, sequence: Sequence) -> None:
        if sequence.known >= sequence.ends_at - 1:
            self._is_full = False  # it leaves with its next token: SGLang sees that before it looks at the queue

    def left(self, sequence: Sequence) -> None:
        if self._chunked is sequence:
            self._chunked = None

    def _running(self) -> int:
        return self.decodes.count + (self._chunked is not None)

    # -- steps ---------------------------------------------------------------------------------------------------

    def next_step(self) -> Step | None:
        self.begin()
        if self._receives is not None:
            for sequence in self._receives.received(not self._running()):
                self.queue.add(sequence)
        if not self._add_prompts() and not self._decode() and self.queue.length:
            self._add_prompts()  # nothing runs, so that all are looked at again
        if self._parts or self._step.decodes:
            if self._since and not self._step.decodes and self._paused_from_s < 0:
                self._paused_from_s = self.engine.now
            return self._step
        if not self._sequences:
            self._ratio.reset()
        return None

    def ended(self, steps: int) -> list[Task]:
        if self._parts:
            if self._chunked is not None:
                self._is_full = False  # a prompt that goes on has left the step
        elif self._step.decodes:
            self._ratio.decay(steps)
        if self._receives is not None:
            self._receives.passed(steps, bool(self._parts))
        goes_on = self._chunked if self._parts else None
        done = super().ended(steps)
        if goes_on is not None:
            self.cache_prompt(goes_on)
        self.pool.reserved = 0
        return done

    # -- prompts -------------------------------------------------------------------------------------------------

    def _add_prompts(self) -> bool:
        """Let the step compute prompts. Returns whether there are any."""
        if (self._is_full or not self.queue.length) and self._chunked is None:
            return False
        decodes = self.decodes
        mixed = decodes.count if self._mixes else 0
        room = _Room(self._chunk - mixed, self._most_tokens - mixed, self._ratio.expected(decodes.passes) + mixed)
        if self._chunked is not None:
            self._go_on(self._chunked, room)
        while self.queue.length and not self._is_full and self._admits(room):
            pass
        if not self._parts:
            return False
        if mixed and decodes.needed() <= self.pool.free:
            self._resume()
            self.pool.reserved = decodes.needed()
            self.decode(1)
        return True

    def _go_on(self, sequence: Sequence, room: _Room) -> None:
        """Compute the next part of a prompt."""
        pool = self.pool
        size = pool.size
        tokens = min(room.chunk, int(pool.free * size - room.offset))
        if tokens <= 0:
            tokens = room.chunk  # it goes on, so that its memory is freed some time
        has = (sequence.blocks + pool.free) * size - sequence.computed
        tokens = min(tokens, sequence.known - sequence.computed, has)
        if tokens > 0:
            self._chunked = None
            self._compute_part(sequence, tokens, room)

    def _admits(self, room: _Room) -> bool:
        """Admit the first of the queue, if there is room for it. Returns whether there may be room for the next one."""
        if len(self._parts) + self.decodes.count >= self._most:
            self._is_full = True
            return False
        pool = self.pool
        size = pool.size
        sequence = self.queue.first()
        known = sequence.known
        hit = pool.look_up(sequence, (known - 1) // size)
        cached = hit.blocks * size
        new = known - cached
        free = pool.free - hit.idle
        outputs = known - sequence.prompt
        needed = new + min(max(self._most_new(sequence) - outputs, 0), self._clip) + size
        is_alone = not (self.decodes.count or self._parts or self._chunked)
        if -(-new // size) > free or (needed >= free * size - room.offset and not is_alone):
            self._is_full = True
            return False
        paged = -(-new // size) * size
        if self._chunk == NO_LIMIT and self._parts and paged >= room.tokens:
            return False
        if paged > room.chunk:
            if self._chunked is not None:
                return False
            new = room.chunk // size * size
            if new <= 0:
                return False
        self.admit(sequence, hit)
        self._compute_part(sequence, new, room)
        if pool.free * size - room.offset <= 0:
            self._is_full = True
        return room.tokens > 0 and room.chunk > 0

    def _compute_part(self, sequence: Sequence, tokens: int, room: _Room) -> None:
        """Let the step compute `tokens` more tokens of a prompt. Its memory is taken, and that of its output noted."""
        size = self.pool.size
        computed = sequence.computed + tokens
        blocks, had = -(-computed // size), sequence.blocks
        self.compute(sequence, tokens, blocks)
        paged = -(-tokens // size) * size
        room.offset += paged - (blocks - had) * size + size
        if computed < sequence.known:
            self._chunked = sequence
        else:
            room.offset += min(self._most_new(sequence), self._clip)
        room.chunk -= paged
        room.tokens -= paged

    # -- decodes -------------------------------------------------------------------------------------------------

    def _decode(self) -> bool:
        """Let the step give each of the decodes a token. Returns whether there are any."""
        decodes, pool = self.decodes, self.pool
        if self._has_left or not decodes.count:
            self._has_left = self._is_full = False
        while self.loaded and self._running() < self._most:
            self.join_loaded(self.loaded[0])
        if not decodes.count:
            return False
        self._resume()
        if decodes.needed() > pool.free:
            self._retract()
            if not decodes.count:
                return False
        most = decodes.ends_at[0] - decodes.passes
        repeat = 1 if self.queue.length and not self._is_full else decodes.passes_within(pool.free, most)
        if self._receives is not None and self._receives.unseen:
            repeat = min(repeat, self._receives.steps_to_look())
        pool.reserved = decodes.needed_in(repeat)
        self.decode(repeat)
        return True

    def _resume(self) -> None:
        """The decodes run from now on: those that have waited for prompts again, and others for the first time."""
        now = self.engine.now
        if self._paused_from_s >= 0:
            self._pauses += 1
            self._paused_s += now - self._paused_from_s
            if self._observer is not None:
                for sequence in self._since:
                    task = sequence.present_task()
                    task.paused_at_s = self._paused_from_s
                    self._observer.decode_resumed(task, now)
                    task.paused_at_s = -1.0
            self._paused_from_s = -1.0
        if not self._fresh:
            return
        since = (self._pauses, self._paused_s)
        for sequence, joined_s in self._fresh.items():
            self._since[sequence] = since
            request = sequence.request
            if request.token_start_s is None:
                request.token_start_s = now
            elif joined_s < now:
                request.preemptions += 1
                self.resumed(sequence.present_task(), joined_s)
        self._fresh.clear()

    def _retract(self) -> None:
        """Take the memory of those with the fewest outputs, one at least, until the others have a token each."""
        decodes, pool = self.decodes, self.pool
        running = sorted(decodes.all(), key=self._keeps_before)
        while running and (len(running) > 1 or decodes.needed() > pool.free):
            self.preempt(running.pop())
            if decodes.needed() <= pool.free:
                break
        outputs = sum(self._outputs(sequence) for sequence in running)
        most = sum(self._most_new(sequence) for sequence in running)
        self._ratio.set(min((outputs + self.options.retract_decode_steps * len(running)) / (most + 1), 1.0))
        self._has_left = self._is_full = False

    def _keeps_before(self, sequence: Sequence) -> tuple[int, int, int]:
        """Whose memory is kept: most outputs first, then the shortest prompt, then the first that was admitted."""
        return -self._outputs(sequence), sequence.prompt, sequence.order

    def _outputs(self, sequence: Sequence) -> int:
        """The outputs of one of the decodes."""
        return self.decodes.passes + sequence.base + 1 - sequence.prompt

    def waiting(self) -> Iterator[Task]:
        if self._paused_from_s >= 0:
            for sequence in self._since:
                task = sequence.present_task()
                task.paused_at_s = self._paused_from_s
                yield task
        yield from super().waiting()
        if self._receives is not None:
            for sequence in self._receives.unseen:
                yield sequence.present_task()

    # -- the expected outputs ------------------------------------------------------------------------------------

    def _most_new(self, sequence: Sequence) -> int:
        """The outputs that a request may have, as far as memory could hold them."""
        if sequence.leaves:
            return 1
        size = self.pool.size
        paged = -(-sequence.prompt // size) * size
        return max(min(sequence.request.max_tokens, self.pool.capacity - paged - size - 1), 0)

    def _expected_end(self, sequence: Sequence) -> int:
        """The pass in which one of the decodes has all outputs that it may have."""
        return self._most_new(sequence) + sequence.prompt - sequence.base - 1
