"""Schedulers decide where a request runs. The application then acts on the decision.

A new scheduler is a class here in a file of its own, with its line in the table of `sim_core.scheduling` and a file in
`configs/orchestrator_repo/schedulers`. Keys of that file which only this policy has are declared in its `Options`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, ClassVar, NamedTuple

from sim_core.errors import CapacityError
from sim_core.native import mypyc_attr
from sim_core.options import NoOptions, made
from sim_core.replica import Replica
from sim_core.request import Request
from sim_core.scheduling.view import View
from sim_core.spec import PROMPT, TOKEN, SchedulerSpec


class Placement:
    """A scheduler's decision: the replicas of the prompt and of the decode. Nothing is transferred where they are the
    same. `lent`: replicas that do both phases from now on, until they are idle, or among the `returned` of a later
    placement."""

    __slots__ = ("lent", "prompt", "returned", "token")

    def __init__(
        self, prompt: Replica, token: Replica, lent: Sequence[Replica] = (), returned: Sequence[Replica] = ()
    ) -> None:
        self.prompt = prompt
        self.token = token
        self.lent = lent
        self.returned = returned


class Start(NamedTuple):
    """What a scheduler is made of: its spec, the view of the replicas that exist, and a random stream of its own."""

    spec: SchedulerSpec
    view: View
    stream: Random


@mypyc_attr(allow_interpreted_subclasses=True)
class Scheduler:
    """Places requests. `options` has the configured values of the dataclass `Options`."""

    splits: ClassVar[bool] = False  # whether it needs replicas for prompts and replicas for decodes
    Options: ClassVar[type[Any]] = NoOptions
    options: Any

    def __init__(self, start: Start) -> None:
        self.spec = start.spec
        self.stream = start.stream
        self.options = made(self.Options, start.spec.options, f"scheduler {start.spec.name!r}")

    @classmethod
    def role_of(cls, spec: SchedulerSpec, replica: Replica) -> str:
        """The role of a replica, by which `View` groups replicas. Schedulers that do not split know none."""
        return ""

    def bandwidth_gb_per_s(self) -> float | None:
        """How fast KV caches move between two replicas, in GiB/s; None where no request changes its replica."""
        return None

    @abstractmethod
    def place(self, request: Request, view: View) -> Placement:
        """Choose the replica for the prompt and the one for decoding.

        It changes nothing but the scheduler's own turn or random stream: the application counts the request, unless it
        rejects it.
        """


@mypyc_attr(allow_interpreted_subclasses=True)
@dataclass(frozen=True, slots=True)
class SplitOptions:
    """The options of all schedulers that split phases."""

    transfer_bandwidth: float  # GiB/s


@mypyc_attr(allow_interpreted_subclasses=True)
class SplitScheduler(Scheduler):
    """A scheduler with replicas for prompts and replicas for decodes.

    A replica has the role that the start state gives it. Without one (a baseline start state) its processor decides.
    """

    splits = True
    Options: ClassVar[type[Any]] = SplitOptions
    bandwidth_factor: ClassVar[float] = 1.0  # by which transfers seem faster than the configured bandwidth

    def __init__(self, start: Start) -> None:
        super().__init__(start)
        for role in (PROMPT, TOKEN):
            if not start.view.of_role(role):
                raise CapacityError(
                    f"scheduler {self.spec.name!r} needs an instance for the {role} phase and the cluster has none; "
                    "give a machine of that role a count, or take a scheduler that does not split",
                    key=f"start_state.{role}",
                )

    def bandwidth_gb_per_s(self) -> float:
        bandwidth: float = self.options.transfer_bandwidth
        return bandwidth * self.bandwidth_factor

    @classmethod
    def role_of(cls, spec: SchedulerSpec, replica: Replica) -> str:
        if replica.role:
            return replica.role
        processor = replica.processor
        if processor in spec.prompt_processors:
            return PROMPT
        if processor in spec.token_processors:
            return TOKEN
        raise CapacityError(
            f"scheduler {spec.name!r} does not know whether {processor} is for prompts or for decodes; split the "
            "start state, or name it in the scheduler's prompt_processors or token_processors",
            key="start_state",
        )
