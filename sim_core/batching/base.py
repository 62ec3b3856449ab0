"""What a batching policy provides: which tasks a replica runs next.

A batcher decides, and its replica acts: it runs the steps that the batcher returns, cuts them at an arrival if the
batcher says so, and tells the batcher of those that have ended. The batcher keeps the books of its tasks, in whatever
form suits the policy. `sim_core.batching.whole_prompts` has those of policies whose prompts run whole.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from typing import Any, ClassVar, Final

from sim_core.engine import Engine
from sim_core.errors import InvariantError
from sim_core.kv.base import KvCache
from sim_core.kv.whole_sequence import WholeSequenceKv
from sim_core.memory import KvMemory
from sim_core.native import mypyc_attr
from sim_core.options import NoOptions, made, read_options, reads_configuration
from sim_core.request import Request, Task
from sim_core.section import Section
from sim_core.spec import InstanceSpec
from sim_core.step import Step

NO_LIMIT: Final = 1 << 60  # tokens


@mypyc_attr(allow_interpreted_subclasses=True)
class DecodeObserver:
    """Notified of decodes that return to the batch. See `sim_core.replica.IterationObserver`."""

    def decode_resumed(self, task: Task, now_s: float) -> None:
        """A decode, preempted at `task.paused_at_s`, is in the batch again."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Batcher:
    """The batching policy of one replica, and the books of the tasks on it.

    A request comes as its prompt, with its decode behind it where it decodes here, too; or it comes as its decode
    alone. The batcher returns a task from `ended` when it is done: a prompt with its first token, in however many steps
    it was computed, and a decode with its last. It sets the times at which they begin (`prompt_start_s`,
    `token_start_s`), and takes and frees their memory by `kv`, but for what a request holds at its end.

    `options` has the configured values of the dataclass `Options`. `runs_on` names the kind of its replicas. One of the
    kind "ahead" asks for the next steps one step before the running ones end, as engines with asynchronous scheduling
    do. Two steps are then under way, and the batcher does not know the outcome of the first when it chooses what
    follows the second.

    `longest` is how many tokens a request may have, its prompt and its outputs together. The application rejects one
    whose prompt has as many, or has `longest_prompt` and is computed here.
    """

    __slots__ = ("engine", "kv", "longest", "longest_prompt", "max_batch_size", "options")

    Options: ClassVar[type[Any]] = NoOptions
    runs_on: ClassVar[str] = "steps"  # a name in `sim_core.replicas`

    def __init__(self, spec: InstanceSpec, engine: Engine, kv: KvCache) -> None:
        self.engine = engine
        self.kv = kv
        self.max_batch_size = spec.max_batch_size
        self.longest = self.longest_prompt = NO_LIMIT  # unless the policy has a limit
        self.options: Any = made(self.Options, spec.options, f"batching policy {spec.policy!r}")

    @classmethod
    @reads_configuration
    def read_limits(cls, config: Section) -> dict[str, Any]:
        """The fields of an `InstanceSpec` that the policy reads from an instance's section. Raises SpecError."""
        return {"max_batch_size": config.integer("max_batch_size", 1), "options": read_options(cls.Options, config)}

    @classmethod
    def kv_cache(cls, spec: InstanceSpec, memory: KvMemory) -> KvCache:
        """The KV cache of a replica with this policy, which has `memory`."""
        return WholeSequenceKv(memory.capacity_tokens)

    def track_context(self) -> None:
        """Fill the contexts of steps from now on: the replica's times grow with them. It is called before the first
        task comes. A policy that always fills them needs no such notice."""

    # -- tasks come and go ---------------------------------------------------------------------------------------

    @abstractmethod
    def add(self, task: Task) -> None:
        """Queue a request's next task."""

    @abstractmethod
    def add_behind(self, task: Task, prompt: Task) -> None:
        """Queue the decode of a request behind its prompt, and set `task.request.decode`. It waits to run from the end
        of the prompt on."""

    @abstractmethod
    def wait(self, task: Task) -> None:
        """A decode, which was queued behind its prompt, may run next from now on: its prompt is done."""

    def evict(self, request: Request) -> None:
        """Forget `request`, which leaves before its end, wherever it is here. The replica calls this between steps,
        before `ended`, and frees what memory the request holds."""
        raise InvariantError(f"{type(self).__name__} lets no request leave before its end")

    # -- steps ---------------------------------------------------------------------------------------------------

    @abstractmethod
    def wants(self, task: Task) -> bool:
        """Whether the running steps should end at the next boundary, so that the newly queued task may join. The
        replica asks while steps run that are not about to end anyway."""

    def take_alone(self, task: Task) -> Step | None:
        """A short path for a task that comes to a replica on which nothing runs: if no other waits either, and it has
        room, its steps. None if the policy has no such path; then the task is queued."""
        return None

    def starts(self, task: Task) -> bool:
        """Whether to choose steps now that `task` was queued at a replica on which nothing runs."""
        return True

    @abstractmethod
    def queue_length(self) -> int:
        """The number of tasks in the queue, which holds all that do not run."""

    @abstractmethod
    def has_waiting(self) -> bool:
        """Whether any task could run next and does not."""

    def has_room(self) -> bool:
        """Memory was freed while tasks wait: whether to end the running steps at the next boundary, or, where nothing
        runs, to choose steps."""
        return True

    @abstractmethod
    def next_step(self) -> Step | None:
        """Choose what runs next. Returns the steps; None if no task can run.

        The object belongs to the replica until its last step has ended; then the batcher may fill it again. A replica
        that asks ahead has two such objects at most, and when it asks, one step at most is under way.
        """

    @abstractmethod
    def ended(self, steps: int) -> list[Task]:
        """Count `steps` that have ended, of the first that are under way. Returns the tasks that are done.

        Fewer than were chosen are counted where a cut has ended them. Then none of the others runs; on a replica that
        asks ahead, one more does.
        """

    @abstractmethod
    def is_empty(self) -> bool:
        """Whether no task that has begun will be in the next step, as far as that is decided."""

    def recovery_step(self) -> Step | None:
        """The steps of tasks that can go on where none can start in the policy's order: see
        `sim_core.batching.standstill`. None where the policy knows no other order."""
        return None

    # -- for observers and results -------------------------------------------------------------------------------

    def observe(self, observer: DecodeObserver) -> None:
        """Notify `observer`, instead of another one, of decodes that return to the batch."""

    @abstractmethod
    def members(self) -> list[Task]:
        """The tasks in the running steps."""

    @abstractmethod
    def waiting(self) -> Iterator[Task]:
        """The next task of every request here that is not running: those preempted, then those that never ran."""

    @abstractmethod
    def queued(self) -> Iterator[Task]:
        """The tasks in the queue, in the policy's order."""

    @abstractmethod
    def iterations(self) -> int:
        """The steps that have ended."""

    @abstractmethod
    def batches(self) -> int:
        """How often the batcher has chosen what runs."""
