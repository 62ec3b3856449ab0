"""Schedulers decide where a request runs; the application then acts on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random

from sim_core.batching.base import Instance
from sim_core.errors import CapacityError
from sim_core.request import Request
from sim_core.spec import PROMPT, TOKEN, SchedulerSpec

Placement = tuple[Instance, Instance]


class Scheduler(ABC):
    """`place` says which instance takes the prompt and which decodes; equal ones mean that nothing is transferred.

    The other methods are notices of what happened since, for policies that count load; they do nothing here.
    `instances` are those of the application, in order of their index. `stream` is the policy's own randomness.
    """

    def __init__(self, spec: SchedulerSpec, instances: Sequence[Instance], stream: Random) -> None:
        self.spec = spec
        self.instances = instances
        self.stream = stream

    @abstractmethod
    def place(self, request: Request) -> Placement:
        """Choose, and count what is chosen."""

    def joined(self, instance: Instance) -> None:
        """A request's next task has arrived at `instance`."""

    def prompt_finished(self, request: Request) -> None:
        """The first token is there."""

    def transferred(self, request: Request) -> None:
        """The KV cache has left the prompt instance."""

    def finished(self, request: Request) -> None:
        """The last token is there."""

    def idle(self, instance: Instance) -> None:
        """`instance` has nothing left to do."""


class SplitScheduler(Scheduler):
    """A scheduler that knows instances for prompts and instances for decodes, by their role."""

    def __init__(self, spec: SchedulerSpec, instances: Sequence[Instance], stream: Random) -> None:
        super().__init__(spec, instances, stream)
        self.prompt_instances = [i for i in instances if i.role == PROMPT]
        self.token_instances = [i for i in instances if i.role == TOKEN]
        for role, members in ((PROMPT, self.prompt_instances), (TOKEN, self.token_instances)):
            if not members:
                raise CapacityError(
                    f"scheduler {spec.name!r} needs an instance for the {role} phase and the cluster has none; give its "
                    "machines a count and name their SKU in start_state, or use a scheduler that does not split",
                    key=f"start_state.{role}",
                )
