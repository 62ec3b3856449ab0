"""Schedulers decide where a request runs; the application then acts on it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from sim_core.batching.base import Instance
from sim_core.errors import CapacityError
from sim_core.request import Request
from sim_core.spec import PROMPT, TOKEN, SchedulerSpec

Placement = tuple[Instance, Instance]


@dataclass(frozen=True, slots=True)
class Start:
    """What a scheduler begins with: its spec, the application's instances by index, its own randomness."""

    spec: SchedulerSpec
    instances: Sequence[Instance]
    stream: Random


class Scheduler(ABC):
    """`place` says which instance takes the prompt and which decodes; equal ones mean that nothing is transferred.

    The other methods are notices of what happened since, for policies that count load; they do nothing here.
    """

    bandwidth_factor = 1.0  # of the configured transfer bandwidth
    needs: ClassVar[tuple[str, ...]] = ()  # the options without which it cannot work

    def __init__(self, start: Start) -> None:
        self.spec = start.spec
        self.instances = start.instances
        self.stream = start.stream

    @abstractmethod
    def place(self, request: Request) -> Placement:
        """Choose, and count what is chosen."""

    def joined(self, instance: Instance) -> None:  # noqa: B027
        """A request's next task has arrived at `instance`."""

    def prompt_finished(self, request: Request) -> None:  # noqa: B027
        """The first token is there."""

    def transferred(self, request: Request) -> None:  # noqa: B027
        """The KV cache has left the prompt instance."""

    def finished(self, request: Request) -> None:  # noqa: B027
        """The last token is there."""

    def idle(self, instance: Instance) -> None:  # noqa: B027
        """`instance` has nothing left to do."""


class SplitScheduler(Scheduler):
    """A scheduler that knows instances for prompts and instances for decodes.

    By their role; an instance without one (a baseline start state) by the processor it runs on.
    """

    needs: ClassVar[tuple[str, ...]] = ("transfer_bandwidth",)

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        self.roles = [self._role(instance) for instance in self.instances]
        self.prompt_instances = [i for i in self.instances if self.roles[i.index] == PROMPT]
        self.token_instances = [i for i in self.instances if self.roles[i.index] == TOKEN]
        for role, members in ((PROMPT, self.prompt_instances), (TOKEN, self.token_instances)):
            if not members:
                raise CapacityError(
                    f"scheduler {self.spec.name!r} needs an instance for the {role} phase and the cluster has none; "
                    "give a machine of that role a count, or take a scheduler that does not split",
                    key=f"start_state.{role}",
                )

    def _role(self, instance: Instance) -> str:
        if instance.role:
            return instance.role
        processor = instance.processor
        if processor in self.spec.prompt_processors:
            return PROMPT
        if processor in self.spec.token_processors:
            return TOKEN
        raise CapacityError(
            f"scheduler {self.spec.name!r} does not know whether {processor} is for prompts or for decodes; split the "
            "start state, or name it in the scheduler's prompt_processors or token_processors",
            key="start_state",
        )
