"""Which instances exist when a run begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sim_core.errors import CapacityError, SpecError
from sim_core.spec import InstanceSpec, ProcessorSpec, ServerGroupSpec, StartStateSpec


@dataclass(frozen=True, slots=True)
class InstancePlan:
    """One instance to be: where, for which phase ("" for both), and how it batches."""

    sku: str
    machine_processors: int  # of the whole machine
    processors: tuple[ProcessorSpec, ...]  # those that hold its weights and KV cache
    role: str
    spec: InstanceSpec

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
        return cls(machine.sku, len(machine.processors), processors, role, spec)

    @property
    def parallelism_key(self) -> str:
        """Where its tensor parallelism is set, for errors."""
        return parallelism_key(self.role)

    @property
    def processor_name(self) -> str:
        """The name that performance tables know the hardware by."""
        return self.processors[0].name


class Machines:
    """The machines of a cluster, one by one, in its order: all of a SKU together, SKUs as first named."""

    def __init__(self, groups: Sequence[ServerGroupSpec]) -> None:
        self._free: dict[str, list[ServerGroupSpec]] = {}
        for group in groups:
            self._free.setdefault(group.sku, []).extend([group] * group.count)

    def take(self, state: StartStateSpec) -> list[ServerGroupSpec]:
        """The next machines that `state` asks for, or all that are left; CapacityError where there are too few."""
        wanted = state.machines
        if wanted is None:
            wanted = tuple((sku, len(machines)) for sku, machines in self._free.items())
        taken: list[ServerGroupSpec] = []
        for sku, count in wanted:
            free = self._free.get(sku, [])
            if count > len(free):
                raise CapacityError(
                    f"application {state.application_id} asks for {count} {sku} and {len(free)} are left; lower it, or "
                    "raise cluster.servers.*.count",
                    key="start_state.parts",
                )
            taken += free[:count]
            del free[:count]
        return taken


def slices(machine: ServerGroupSpec, role: str, spec: InstanceSpec) -> Iterator[InstancePlan]:
    """As many instances as one machine holds, each on `tensor_parallelism` processors; the rest stay idle."""
    check_parallelism(machine, role, spec)
    step = spec.tensor_parallelism
    for first in range(0, len(machine.processors) - step + 1, step):
        yield InstancePlan.on(machine, role, spec, first, step)


def parallelism_key(role: str) -> str:
    """Where the tensor parallelism of instances of a role is set, for errors."""
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
