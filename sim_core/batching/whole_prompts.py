"""The batcher of policies whose prompts run whole: a prompt is one step, and takes its memory at once."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator

from sim_core.batching.base import NO_LIMIT, Batcher, DecodeObserver
from sim_core.batching.batch import Batch
from sim_core.batching.line import Line
from sim_core.batching.standstill import able_to_go_on
from sim_core.engine import Engine
from sim_core.kv.base import KvCache
from sim_core.native import mypyc_attr
from sim_core.request import Task
from sim_core.spec import InstanceSpec
from sim_core.step import Step


@mypyc_attr(allow_interpreted_subclasses=True)
class WholePrompts(Batcher):
    """A batcher with a `Batch`: its queue, `wants`, `refill` and `admit` differ from policy to policy.

    `line` holds the tasks that could run next and have not run yet, `batch` those that run and those preempted. Each
    policy has a queue of its own, of all that do not run, in its order, also of decodes whose own prompt has not run
    yet.
    """

    __slots__ = ("_entries", "_recovering", "_step", "batch", "line", "max_batch_tokens")

    def __init__(self, spec: InstanceSpec, engine: Engine, kv: KvCache) -> None:
        super().__init__(spec, engine, kv)
        self.batch = Batch(engine, kv)
        self.line = Line()
        self.max_batch_tokens = NO_LIMIT  # unless the policy has a limit
        self._step = Step()
        self._entries = 0
        self._recovering = False  # from a standstill: see `recovery_step`

    # -- what policies decide ------------------------------------------------------------------------------------

    @abstractmethod
    def enqueue(self, task: Task) -> None:
        """Put an arriving task into the queue, in the policy's order."""

    @abstractmethod
    def first_queued(self) -> Task:
        """The first task of the queue, which must not be empty."""

    @abstractmethod
    def refill(self) -> None:
        """Choose the batch: move tasks from the queues into it (by `Batch.join`) and back. It is called when tasks
        wait, but not while the replica recovers from a standstill."""

    @abstractmethod
    def admit(self, tasks: list[Task]) -> None:
        """Move `tasks` from the queues into the batch, beside its decodes."""

    def most_members(self) -> int:
        """The most members of a batch of which each adds one token."""
        return self.max_batch_size

    def has_place(self) -> bool:
        """Whether a batch of decodes alone could take one more member."""
        return len(self.batch) < self.max_batch_size

    # -- what replicas ask ---------------------------------------------------------------------------------------

    def track_context(self) -> None:
        self.batch.tracks_context = True

    def add(self, task: Task) -> None:
        self._entries = entry = self._entries + 1
        task.entry = entry
        task.waits_from = self.batch.starts
        self.line.add(task)
        self.enqueue(task)

    def add_behind(self, task: Task, prompt: Task) -> None:
        task.entry = prompt.entry
        task.request.decode = task
        self.enqueue(task)

    def wait(self, task: Task) -> None:
        task.waits_from = self.batch.starts - task.waited
        self.line.add(task)

    def starts(self, task: Task) -> bool:
        return self.kv.fits(task.kv_tokens)

    def has_waiting(self) -> bool:
        return self.line.batch_tokens > 0 or len(self.batch.preempted) > 0

    def has_room(self) -> bool:
        return self.has_place() if len(self.batch) else self.kv.fits(self.first_queued().kv_tokens)

    def next_step(self, refill: bool = True) -> Step | None:
        """As in the base class. If not `refill`, the batch stays as it is."""
        batch = self.batch
        if refill and (self.line.batch_tokens or batch.preempted) and not (self._recovering and self._recover()):
            self.refill()
        batch.starts += 1
        decodes = batch.decodes
        if batch.prompts:
            repeat = 1
        elif decodes:
            repeat = batch.next_end - batch.iteration
        else:
            return None
        step = self._step
        step.prompt_tokens = batch.prompt_tokens
        step.decodes = len(decodes)
        step.repeat = repeat
        if batch.tracks_context:
            step.decode_context = batch.context()
            step.prompts = len(batch.prompts)
            step.prompt_pairs = pairs_of(batch.prompts)
        return step

    def ended(self, steps: int) -> list[Task]:
        return self.batch.ended(steps)

    def is_empty(self) -> bool:
        return not self.batch.decodes

    def decodes_waiting(self) -> int:
        """How many decodes wait that have not been in the batch yet. Each holds the memory of its prompt."""
        kv, batch = self.kv, self.batch
        return kv.holders - kv.in_transit - len(batch) - len(batch.preempted)

    def recovery_step(self) -> Step | None:
        """As in the base class. The policy chooses again when no decode waits for memory any more."""
        tasks = able_to_go_on(self)
        if not tasks:
            return None
        self._recovering = True
        self.admit(tasks)
        return self.next_step(refill=False)

    def _recover(self) -> bool:
        """Choose the batch after a standstill, while decodes wait for memory. False: the policy chooses again."""
        self._recovering = self.decodes_waiting() > 0
        if self._recovering:
            self.admit(able_to_go_on(self))
        return self._recovering

    # -- for observers and results -------------------------------------------------------------------------------

    def observe(self, observer: DecodeObserver) -> None:
        self.batch.observer = observer

    def members(self) -> list[Task]:
        return [*self.batch.prompts, *self.batch.decodes]

    def waiting(self) -> Iterator[Task]:
        yield from self.batch.preempted
        yield from self.line.newest_first()

    def iterations(self) -> int:
        return self.batch.iteration + self.batch.without_decodes

    def batches(self) -> int:
        return self.batch.starts


def pairs_of(prompts: list[Task]) -> int:
    """The pairs of whole prompts: see `Step.prompt_pairs`. Each prompt is in one step alone, so it is counted once."""
    pairs = 0
    for task in prompts:
        pairs += task.batch_tokens * task.batch_tokens
    return pairs
