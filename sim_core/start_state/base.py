"""Which instances exist when a run begins."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sim_core.errors import CapacityError
from sim_core.spec import InstanceSpec, ProcessorSpec, ServerGroupSpec, StartStateSpec


@dataclass(frozen=True, slots=True)
class InstancePlan:
    """One instance to be: where, for which phase ("" for both), and how it batches."""

    sku: str
    processors: tuple[ProcessorSpec, ...]
    role: str
    spec: InstanceSpec

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
    """As many instances as one machine holds, each on `tensor_parallelism` processors."""
    step = spec.tensor_parallelism
    for first in range(0, len(machine.processors), step):
        yield InstancePlan(machine.sku, machine.processors[first : first + step], role, spec)
