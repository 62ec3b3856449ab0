"""A model replica on some processors of one machine: what every kind has, and what applications, observers and results
ask of it.

How it runs is up to its kind, of which `sim_core.replicas` has the table: see `sim_core.step_replica`.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple

from sim_core.batching.base import Batcher, DecodeObserver
from sim_core.engine import Engine
from sim_core.event import Event
from sim_core.memory import KvMemory
from sim_core.native import mypyc_attr
from sim_core.owner import Owner
from sim_core.performance.step_times import StepTimes
from sim_core.request import Host, Request, Task
from sim_core.start_state.base import InstancePlan
from sim_core.step import Step


@mypyc_attr(allow_interpreted_subclasses=True)
class IterationObserver(DecodeObserver):
    """Notified of what happens inside a replica. An observer must not change anything that it is shown."""

    def iterations_ended(self, replica: Replica) -> None:
        """A run of equal iterations ends; its members are still in the batch."""

    def batch_empty(self, replica: Replica) -> None:
        """Nothing can run now: no task waits, or none has room in memory."""


class UnderWay(NamedTuple):
    """Equal steps that run: `step.repeat` of them, one after the other, unless an arrival cuts them."""

    step: Step
    start_s: float  # of the first of them
    end_s: float  # of the last


class _Both(IterationObserver):
    """Two observers that act as one."""

    def __init__(self, first: IterationObserver, second: IterationObserver) -> None:
        self._members = (first, second)

    def iterations_ended(self, replica: Replica) -> None:
        for member in self._members:
            member.iterations_ended(replica)

    def batch_empty(self, replica: Replica) -> None:
        for member in self._members:
            member.batch_empty(replica)

    def decode_resumed(self, task: Task, now_s: float) -> None:
        for member in self._members:
            member.decode_resumed(task, now_s)


class Replica(Host):
    """One replica: its batcher decides what runs, its KV cache what fits, and its step times how long it takes.

    `step`, `length_s` and `end_s` are the steps that an observer is notified of: see `steps_until_s`.
    """

    __slots__ = (
        "batcher",
        "busy_s",
        "busy_since_s",
        "end",
        "end_s",
        "engine",
        "length_s",
        "memory",
        "observer",
        "owner",
        "processor",
        "processors",
        "prompt_busy_s",
        "requests",
        "role",
        "running",
        "sku",
        "step",
        "tensor_parallelism",
        "times",
    )

    def __init__(
        self, owner: Owner, index: int, plan: InstancePlan, memory: KvMemory, times: StepTimes, batcher: Batcher
    ) -> None:
        self.owner = owner
        self.index = index
        self.name = f"{plan.processor_name}_{index}"  # SplitwiseSim's form; no code may parse it
        self.sku = plan.sku
        self.role = plan.role
        self.processor = plan.processor_name
        self.processors = len(plan.processors)
        self.tensor_parallelism = plan.spec.tensor_parallelism
        self.memory = memory
        self.times = times
        self.batcher = batcher
        self.kv = batcher.kv
        self.engine: Engine = batcher.engine
        self.observer: IterationObserver | None = None
        self.requests = 0  # here, waiting or running
        self.step = Step()  # the run of equal steps
        self.length_s = 0.0  # of all of its steps together
        self.end_s = 0.0
        self.end = Event(0.0, None, None)  # that is to come next, where one is
        self.running = False  # also while tasks that are done leave, and the batcher chooses the next steps
        self.still_since_s: float | None = None
        self.busy_s = 0.0  # up to the end of the last batch; see `busy_until`
        self.busy_since_s = 0.0
        self.prompt_busy_s = 0.0  # in steps with prompts; see `prompt_busy_until`

    @abstractmethod
    def evict(self, request: Request) -> None:
        """Let a request that is here leave before its end, without the token of the step that runs. The owner, who
        decides this, counts the request itself."""

    def stands_still(self) -> bool:
        return self.is_idle() and self.kv.in_transit == self.kv.given_up

    # -- for observers, schedulers and results -----------------------------------------------------------------------

    def observe(self, observer: IterationObserver) -> None:
        """Add `observer` to the observers, as the last one."""
        self.observer = observer if self.observer is None else _Both(self.observer, observer)
        self.batcher.observe(self.observer)

    @abstractmethod
    def under_way(self) -> UnderWay | None:
        """The steps that run now; None: none does."""

    @abstractmethod
    def steps_until_s(self) -> float:
        """When the steps that an observer is notified of have ended."""

    @abstractmethod
    def busy_until(self, end_s: float) -> float:
        """The seconds before `end_s` in which there was a batch."""

    @abstractmethod
    def prompt_busy_until(self, end_s: float) -> float:
        """The seconds before `end_s` in steps with prompts."""
