"""Schedulers decide where a request runs. The application then acts on the decision.

A new scheduler is a class here in a file of its own, with its line in the table of `sim_core.scheduling` and a file in
`configs/orchestrator_repo/schedulers`. Keys of that file which only this policy has are declared in its `Options`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar

from sim_core.errors import CapacityError
from sim_core.options import NoOptions, made
from sim_core.replica import Replica
from sim_core.request import Host, Request
from sim_core.spec import PROMPT, TOKEN, SchedulerSpec

Placement = tuple[Replica, Replica]  # of the prompt, and of the decode


@dataclass(frozen=True, slots=True)
class Start:
    """What a scheduler is made of: its spec, the application's instances by index, and a random stream of its own."""

    spec: SchedulerSpec
    instances: Sequence[Replica]
    stream: Random


class Scheduler(ABC):
    """Places requests. The methods after `place` are notifications for policies that count load; here they do nothing.

    `options` has the configured values of the dataclass `Options`.
    """

    splits: ClassVar[bool] = False  # whether it needs instances for prompts and instances for decodes
    Options: ClassVar[type[Any]] = NoOptions
    options: Any

    def __init__(self, start: Start) -> None:
        self.spec = start.spec
        self.instances = start.instances
        self.stream = start.stream
        self.options = made(self.Options, start.spec.options, f"scheduler {start.spec.name!r}")

    def bandwidth_gb_per_s(self) -> float | None:
        """How fast KV caches move between two instances, in GiB/s; None where no request changes its instance."""
        return None

    @abstractmethod
    def place(self, request: Request) -> Placement:
        """Choose the instance for the prompt and the one for decoding, and count the request where loads are counted.

        Nothing is transferred where the two are the same.
        """

    def joined(self, instance: Host) -> None:  # noqa: B027
        """A request's next task has arrived at `instance`."""

    def prompt_finished(self, request: Request) -> None:  # noqa: B027
        """The prompt has run: the first token is there."""

    def transferred(self, request: Request) -> None:  # noqa: B027
        """The KV cache has left the prompt instance."""

    def finished(self, request: Request) -> None:  # noqa: B027
        """The last token is there."""

    def idle(self, instance: Host) -> None:  # noqa: B027
        """`instance` has nothing left to do."""


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """The options of all schedulers that split phases."""

    transfer_bandwidth: float  # GiB/s


class SplitScheduler(Scheduler):
    """A scheduler with instances for prompts and instances for decodes.

    An instance has the role that the start state gives it. Without one (a baseline start state) its processor decides.
    """

    splits = True
    Options: ClassVar[type[Any]] = SplitOptions
    bandwidth_factor: ClassVar[float] = 1.0  # by which transfers seem faster than the configured bandwidth

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

    def bandwidth_gb_per_s(self) -> float:
        bandwidth: float = self.options.transfer_bandwidth
        return bandwidth * self.bandwidth_factor

    def _role(self, instance: Replica) -> str:
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
