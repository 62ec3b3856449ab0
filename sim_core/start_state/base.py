"""What a start state provides: the instances that exist when a run begins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from sim_core.errors import CapacityError, SpecError, choices
from sim_core.options import NoOptions, made, read_options, reads_configuration
from sim_core.record import record
from sim_core.spec import InstanceSpec, ProcessorSpec, ServerGroupSpec, StartStateSpec

if TYPE_CHECKING:
    from sim_core.section import Section  # which decides no result: see `sim_core.code_identity`


UNKNOWN = -1  # as the number of a machine


@record
class Machine(ServerGroupSpec):
    """One machine of a group, as start states get it."""

    number: int = UNKNOWN  # in the cluster


@record
class InstancePlan:
    """One planned instance: its processors, its phase ("" for both), and how it batches."""

    sku: str
    machine_processors: int  # of the whole machine
    processors: tuple[ProcessorSpec, ...]  # those with its weights and KV cache
    role: str
    spec: InstanceSpec
    machine: int = UNKNOWN  # its number; not known: the instance shares its machine with no other

    @classmethod
    def on(
        cls, machine: ServerGroupSpec, role: str, spec: InstanceSpec, first: int = 0, count: int | None = None
    ) -> InstancePlan:
        """An instance on `count` processors of a machine from `first` on (None: on all). SpecError if they differ."""
        processors = machine.processors[first : None if count is None else first + count]
        name = processors[0].name
        if any(processor is not processors[0] and processor != processors[0] for processor in processors):
            others = sorted({processor.name for processor in processors} - {name})
            reason = f"an instance would run on {name} and {', '.join(others)}; iteration times are those of one kind"
            raise SpecError(f"{reason}: list them as two SKUs", key=f"hardware_repo.skus.{machine.sku}.processors")
        number = machine.number if isinstance(machine, Machine) else UNKNOWN
        return cls(machine.sku, len(machine.processors), processors, role, spec, number)

    @property
    def parallelism_key(self) -> str:
        """The key that sets its tensor parallelism, for errors."""
        return parallelism_key(self.role)

    @property
    def processor_name(self) -> str:
        """The name of the hardware in performance tables."""
        return self.processors[0].name


class Reading(NamedTuple):
    """What a start state gets beside its own section to read: its spec so far (kind, application and machines), how
    an instance's section is read, and the cluster."""

    spec: StartStateSpec
    instance: Callable[[Section], InstanceSpec]
    servers: tuple[ServerGroupSpec, ...]


class StartState(ABC):
    """Turns machines into instances. `Options` declares the keys of its section that are its own alone."""

    Options: ClassVar[type[Any]] = NoOptions

    @classmethod
    @reads_configuration
    def read(cls, config: Section, reading: Reading) -> StartStateSpec:
        """The spec that a section `start_state` describes; here with its `instance`, if any, and its options."""
        instance = reading.instance(config.section("instance")) if config.has("instance") else None
        return replace(reading.spec, instance=instance, options=read_options(cls.Options, config))

    @classmethod
    def options(cls, state: StartStateSpec) -> Any:
        """The values of the dataclass `Options` in a spec."""
        return made(cls.Options, state.options, f"start state {state.kind!r}")

    @classmethod
    @reads_configuration
    def combinations(cls, state: StartStateSpec, skus: Iterable[str]) -> list[tuple[str, InstanceSpec]]:
        """Which kinds of instances may run on which of `skus`: their times have to be known. Here each on each."""
        return [(sku, kind) for sku in skus for kind in state.kinds]

    @classmethod
    @abstractmethod
    def plans(cls, state: StartStateSpec, machines: list[ServerGroupSpec]) -> list[InstancePlan]:
        """The instances on `machines`, in order of their index. Raises SpecError or CapacityError."""


class Machines:
    """The machines of a cluster that no application has taken yet, by SKU."""

    def __init__(self, groups: Sequence[ServerGroupSpec]) -> None:
        self._free: dict[str, list[ServerGroupSpec]] = {}
        number = 0
        for group in groups:
            machines = self._free.setdefault(group.sku, [])
            for _ in range(group.count):
                machines.append(Machine(group.sku, group.count, group.processors, group.tdp_w, number))
                number += 1

    def take(self, state: StartStateSpec) -> list[ServerGroupSpec]:
        """Take the next machines that `state` asks for, or all that are left. CapacityError where there are too few."""
        wanted = state.machines
        if wanted is None:
            wanted = tuple((sku, len(machines)) for sku, machines in self._free.items())
        taken: list[ServerGroupSpec] = []
        for sku, count in wanted:
            if count and sku not in self._free:
                raise CapacityError(
                    f"application {state.application_id} asks for {count} {sku}, and the cluster has none"
                    f"{choices(sku, self._free)}",
                    key=f"start_state.machines.{sku}",
                    value=count,
                )
            free = self._free.get(sku, [])
            if count > len(free):
                raise CapacityError(
                    f"application {state.application_id} asks for {count} {sku} and {len(free)} are left; lower it, or "
                    "raise cluster.servers.*.count",
                    key=f"start_state.machines.{sku}",
                    value=count,
                )
            taken += free[:count]
            del free[:count]
        return taken


@reads_configuration  # as far as keys are concerned: it changes texts of errors alone
@contextmanager
def errors_of_part(states: Sequence[StartStateSpec], state: StartStateSpec) -> Iterator[None]:
    """Within this block errors about `start_state` name the part that `state` was read from, if there are several."""
    try:
        yield
    except SpecError as error:
        if len(states) < 2:
            raise
        raise error.below("start_state", part_key(states, state)) from error


@reads_configuration
def part_key(states: Sequence[StartStateSpec], state: StartStateSpec) -> str:
    """The key of the section that `state` was read from."""
    return f"start_state.parts.{states.index(state)}" if len(states) > 1 else "start_state"


def slices(machine: ServerGroupSpec, role: str, spec: InstanceSpec) -> Iterator[InstancePlan]:
    """As many instances as one machine holds, each on `tensor_parallelism` processors; the remaining ones stay idle."""
    check_parallelism(machine, role, spec)
    step = spec.tensor_parallelism
    for first in range(0, len(machine.processors) - step + 1, step):
        yield InstancePlan.on(machine, role, spec, first, step)


def parallelism_key(role: str) -> str:
    """The key that sets the tensor parallelism of instances of a role, for errors."""
    return f"start_state.{role or 'instance'}.tensor_parallelism"


def check_parallelism(machine: ServerGroupSpec, role: str, spec: InstanceSpec) -> None:
    """Raise SpecError where an instance needs more processors than the machine has."""
    if spec.tensor_parallelism > len(machine.processors):
        raise SpecError(
            f"a {machine.sku} has {len(machine.processors)} processors, and an instance runs on one machine; set "
            f"{len(machine.processors)} or fewer",
            key=parallelism_key(role),
            value=spec.tensor_parallelism,
        )
