"""The requests of an engine, those that run and those that wait, and the steps that are in flight.

A request that only decodes is one of `decodes`, which a pass counts as one. It is looked at alone again when its last
token comes, when it is preempted, and where a pass cannot give each of them a token.
"""

from __future__ import annotations

from collections import deque

from sim_core.batching.vllm_sequence import GONE, RUNNING, Decodes, PriorityQueue, Sequence, WaitingQueue
from sim_core.batching.vllm_step import VllmStep
from sim_core.kv.paged import PagedKv
from sim_core.native import mypyc_attr


@mypyc_attr(allow_interpreted_subclasses=True)
class VllmMembers:
    """The books of one replica: who is here, with which blocks, and what has been scheduled for whom."""

    __slots__ = (
        "_loose",
        "_present",
        "_spare",
        "decodes",
        "has_gone",
        "in_flight",
        "is_async",
        "loaded",
        "outputs",
        "passes",
        "pool",
        "running",
        "steps",
        "waiting",
    )

    def __init__(self, pool: PagedKv, is_async: bool, by_priority: bool) -> None:
        self.pool = pool
        self.is_async = is_async
        self.running: list[Sequence] = []  # in order of admission
        self.decodes = Decodes(pool.size, int(is_async))
        self._loose: list[Sequence] = []  # those running that are looked at one by one
        self.waiting: WaitingQueue = PriorityQueue() if by_priority else WaitingQueue()
        self.loaded: deque[Sequence] = deque()  # those that wait with a cache from another replica; they go first
        self.in_flight: list[VllmStep] = []  # steps whose outputs are still to come, the oldest first
        self.has_gone = False  # whether a request has gone since the last pass
        self.passes = 0
        self.steps = 0  # passes that scheduled something
        self.outputs = 0  # tokens that have arrived, but for most of `decodes`
        self._spare: list[VllmStep] = []  # steps whose outputs were taken before the last ones
        self._present: VllmStep | None = None  # the step whose outputs were taken last

    # -- coming and going --------------------------------------------------------------------------------------------

    def has_requests(self) -> bool:
        return bool(self.running) or self.waiting.length > 0 or bool(self.loaded)

    def add(self, sequence: Sequence) -> None:
        """A request comes. One with a cache from another replica has its blocks, and all but one of its tokens."""
        if sequence.is_loaded:
            self.loaded.append(sequence)
        else:
            self.waiting.add(sequence)

    def abort(self, sequence: Sequence) -> bool:
        """Let a request go before its end. Returns whether it was here."""
        if sequence.state == GONE:
            return False
        if sequence.state == RUNNING:
            if sequence.decodes is not None:
                self._single_out(sequence)
            self._stop_running(sequence)
        elif sequence.is_loaded:
            self.loaded.remove(sequence)
        else:
            self.waiting.gone()
        self._forget(sequence, False)
        return True

    def _stop_running(self, sequence: Sequence) -> None:
        self.running.remove(sequence)
        if sequence in self._loose:
            self._loose.remove(sequence)

    def _forget(self, sequence: Sequence, is_done: bool) -> None:
        sequence.state = GONE
        self.has_gone = True
        if is_done and sequence.leaves:
            self.pool.keep(sequence.request, sequence)
        else:
            self.pool.give_back(sequence)
            self.pool.leave(sequence)

    # -- steps ---------------------------------------------------------------------------------------------------

    def _new_step(self, number: int) -> VllmStep:
        step = self._spare.pop() if self._spare else VllmStep()
        step.begin(number)
        return step

    def _sort_out(self, step: VllmStep, candidates: list[Sequence]) -> None:
        """Find which requests decode alone from now on, and which are still to be looked at one by one."""
        if not (candidates or step.admitted):
            self._loose.clear()  # the last one that ran may just have been preempted
            return
        number = step.number
        if candidates is not self.running:
            candidates = candidates + step.admitted
        self._loose = loose = []
        for sequence in candidates:
            if sequence.is_mid_prompt:
                loose.append(sequence)
            elif sequence.computed >= sequence.ends_at - 1:
                if self.is_async and sequence.computed + 1 < sequence.stops_at:
                    loose.append(sequence)  # no one knows yet that it has ended
            elif sequence.last_step != number or not self.pool.writes_alone(sequence):
                loose.append(sequence)
            else:
                sequence.joined_at = number
                sequence.first_step = number + 1 - (sequence.in_flight if self.is_async else 1)
                self.decodes.join(sequence)
                self.pool.begin_writing(sequence)
        if len(loose) > 1:
            loose.sort(key=_by_order)

    def _single_out(self, sequence: Sequence) -> None:
        """Look at one of the decodes alone again."""
        self.pool.end_writing(sequence)
        self.decodes.leave(sequence)
        to_come = min(len(self.in_flight), self.passes - sequence.first_step + 1)
        sequence.known = sequence.computed + 1 - to_come
        sequence.in_flight = to_come if self.is_async else 0
        for step in self.in_flight:
            if step.number > sequence.joined_at:
                step.yielding.append(sequence)

    def steps_ended(self) -> int:
        """How many steps that had requests have ended."""
        return self.steps - sum(step.requests > 0 for step in self.in_flight)

    def sequences_of(self, step: VllmStep) -> list[Sequence]:
        """The requests in a step in flight, in the order of scheduling. It is for observers: all are looked at."""
        together = [sequence for sequence in self.decodes.all() if sequence.joined_at < step.number]
        return sorted({*step.sequences, *step.yielding, *together}, key=_by_order)

    def draw_ahead(self, passes: int) -> None:
        """Take the blocks of the next `passes` passes, which are all alike and are not made yet. Those that were taken
        ahead before are among them."""
        decodes = self.decodes
        if passes > decodes.drawn:
            blocks = decodes.needed_in(passes)
            if decodes.drawn:
                blocks -= decodes.needed_in(decodes.drawn)
            if blocks:
                self.pool.draw(blocks)
            decodes.drawn = passes

    def repeat(self, passes: int) -> VllmStep:
        """Make `passes` passes that are alike, and take as many outputs. Returns the last step."""
        decodes = self.decodes
        self.draw_ahead(passes)
        decodes.drawn = 0
        decodes.passes += passes
        self.passes += passes
        self.steps += passes
        in_flight = self.in_flight
        depth = len(in_flight)
        new = []
        for back in range(min(depth, passes)):
            step = self._new_step(self.passes - back)
            step.members = step.decodes = decodes.count
            step.decode_context = decodes.context() - (back + 1) * decodes.count
            new.append(step)
        new.reverse()
        self._spare += in_flight[: len(new)]
        self.in_flight = [*in_flight[len(new) :], *new]
        return new[-1]

    def drain(self) -> None:
        """Forget steps without requests."""
        self.in_flight.clear()

    # -- the outputs of a step -----------------------------------------------------------------------------------------

    def apply(self) -> list[Sequence]:
        """Take the outputs of the oldest step. Returns the requests that have ended by it, in order; they are gone."""
        step = self.in_flight.pop(0)
        if self._present is not None:
            self._spare.append(self._present)
        self._present = step
        ended: list[Sequence] = []
        yielding = step.yielding
        if len(yielding) > 1:
            yielding.sort(key=_by_order)
        pool = self.pool
        for sequence in yielding:
            if sequence.decodes is not None:
                if sequence.first_step == step.number and sequence.known == sequence.prompt:
                    step.first_tokens.append(sequence)
                continue
            if sequence.state == GONE or (sequence.leaves and sequence.state != RUNNING):
                continue  # without the blocks of its prompt none can leave: it computes them again
            self.outputs += 1
            sequence.known = known = sequence.known + 1
            if known == sequence.prompt + 1:
                step.first_tokens.append(sequence)
            if self.is_async and sequence.state == RUNNING:
                sequence.in_flight -= 1
                pool.hash(sequence, (sequence.computed - sequence.in_flight) // pool.size)
            if known >= sequence.ends_at:
                if sequence.state == RUNNING:
                    self._stop_running(sequence)
                else:
                    self.waiting.gone()
                self._forget(sequence, True)
                ended.append(sequence)
        return ended


def _by_order(sequence: Sequence) -> int:
    return sequence.order
