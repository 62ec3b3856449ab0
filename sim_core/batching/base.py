"""What a batching policy provides: which tasks a replica runs next.

A batcher decides, and its replica acts: it runs the steps that the batcher returns, cuts them at an arrival if the
batcher says so, and has the batch count those that have ended.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar

from sim_core.batching.batch import Batch
from sim_core.batching.line import Line
from sim_core.batching.standstill import able_to_go_on
from sim_core.native import mypyc_attr
from sim_core.options import NoOptions, made, read_options, reads_configuration
from sim_core.request import Task
from sim_core.section import Section
from sim_core.spec import InstanceSpec
from sim_core.step import Step

NO_LIMIT = 1 << 62  # tokens of a batch


@mypyc_attr(allow_interpreted_subclasses=True)
class Batcher:
    """The batching policy of one replica: its queue, `wants`, `refill` and `admit` differ from policy to policy.

    `line` holds the tasks that could run next and have not run yet, `batch` those that run and those preempted. Each
    policy has a queue of its own, of all that do not run, in its order, also of decodes whose own prompt has not run
    yet. `options` has the configured values of the dataclass `Options`.
    """

    __slots__ = (
        "_entries",
        "_recovering",
        "_step",
        "batch",
        "kv",
        "line",
        "max_batch_size",
        "max_batch_tokens",
        "options",
    )

    Options: ClassVar[type[Any]] = NoOptions

    def __init__(self, spec: InstanceSpec, batch: Batch) -> None:
        self.batch = batch
        self.kv = batch.kv
        self.line = Line()
        self.max_batch_size = spec.max_batch_size
        self.max_batch_tokens = NO_LIMIT  # unless the policy has a limit
        self.options: Any = made(self.Options, spec.options, f"batching policy {spec.policy!r}")
        self._step = Step()
        self._entries = 0
        self._recovering = False  # from a standstill: see `recovery_step`

    @classmethod
    @reads_configuration
    def read_limits(cls, config: Section) -> dict[str, Any]:
        """The fields of an `InstanceSpec` that the policy reads from an instance's section. Raises SpecError."""
        return {"max_batch_size": config.integer("max_batch_size", 1), "options": read_options(cls.Options, config)}

    # -- what policies decide ------------------------------------------------------------------------------------

    @abstractmethod
    def enqueue(self, task: Task) -> None:
        """Put an arriving task into the queue, in the policy's order."""

    @abstractmethod
    def queue_length(self) -> int:
        """The number of tasks in the queue."""

    @abstractmethod
    def first_queued(self) -> Task:
        """The first task of the queue, which must not be empty."""

    @abstractmethod
    def queued(self) -> Iterator[Task]:
        """The tasks in the queue, in order."""

    @abstractmethod
    def wants(self, task: Task) -> bool:
        """Whether the running steps should end at the next boundary, so that the newly queued task may join. The
        replica asks while a batch of decodes alone runs that is not about to end anyway."""

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

    def has_room(self) -> bool:
        """Whether a batch of decodes alone could take one more member."""
        return len(self.batch) < self.max_batch_size

    # -- what replicas ask ---------------------------------------------------------------------------------------

    def add(self, task: Task) -> None:
        """Queue a request's next task."""
        self._entries = entry = self._entries + 1
        task.entry = entry
        task.waits_from = self.batch.starts
        self.line.add(task)
        self.enqueue(task)

    def add_behind(self, task: Task, prompt: Task) -> None:
        """Queue the decode of a request behind its prompt. It waits to run from the end of the prompt on."""
        task.entry = prompt.entry
        task.request.decode = task
        self.enqueue(task)

    def wait(self, task: Task) -> None:
        """A decode, which is in the queue, may run next from now on: its prompt is done."""
        task.waits_from = self.batch.starts - task.waited
        self.line.add(task)

    def take_alone(self, task: Task) -> Step | None:
        """A short path for a task that comes to a replica on which no task runs or waits, and has room: its step. None
        if the policy has no such path; then the task is queued."""
        return None

    def next_step(self, refill: bool = True) -> Step | None:
        """Choose the batch, or start it as it is if not `refill`. Returns the steps that it runs next; None if no task
        can run."""
        batch = self.batch
        if refill and (self.line.tasks or batch.preempted) and not (self._recovering and self._recover()):
            self.refill()
        batch.starts += 1
        decodes = batch.decodes
        if batch.prompts:
            repeat = 1
        elif decodes:
            repeat = batch.ends_at[0] - batch.iteration
        else:
            return None
        step = self._step
        step.prompt_tokens = batch.prompt_tokens
        step.decodes = len(decodes)
        step.repeat = repeat
        return step

    def waiting(self) -> Iterator[Task]:
        """The next task of every request here that is not running: those preempted, then those that never ran."""
        yield from self.batch.preempted
        yield from self.line.tasks

    def decodes_waiting(self) -> int:
        """How many decodes wait that have not been in the batch yet. Each holds the memory of its prompt."""
        kv, batch = self.kv, self.batch
        return kv.holders - kv.in_transit - len(batch) - len(batch.preempted)

    def recovery_step(self) -> Step | None:
        """The steps of tasks that can go on where none can start in the policy's order: see
        `sim_core.batching.standstill`. The policy chooses again when no decode waits for memory any more."""
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
