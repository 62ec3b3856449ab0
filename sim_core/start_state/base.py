"""Which instances exist when a run begins."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sim_core.spec import InstanceSpec, ProcessorSpec, ServerGroupSpec, SimSpec


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


def machines(spec: SimSpec) -> Iterator[ServerGroupSpec]:
    """Every machine, one by one, in the cluster's order: all of a SKU together, SKUs as first named."""
    by_sku: dict[str, list[ServerGroupSpec]] = {}
    for group in spec.servers:
        by_sku.setdefault(group.sku, []).append(group)
    for groups in by_sku.values():
        for group in groups:
            for _ in range(group.count):
                yield group


def slices(machine: ServerGroupSpec, role: str, spec: InstanceSpec) -> Iterator[InstancePlan]:
    """As many instances as one machine holds, each on `tensor_parallelism` processors."""
    step = spec.tensor_parallelism
    for first in range(0, len(machine.processors), step):
        yield InstancePlan(machine.sku, machine.processors[first : first + step], role, spec)
