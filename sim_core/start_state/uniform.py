"""One instance a machine, all alike: SplitwiseSim's `orca` and `baseline`."""

from __future__ import annotations

from sim_core.errors import SpecError
from sim_core.spec import SimSpec
from sim_core.start_state.base import InstancePlan, machines


def uniform(spec: SimSpec) -> list[InstancePlan]:
    """Every machine serves both phases, with all of its processors' memory whatever the tensor parallelism."""
    instance = spec.start_state.instance
    if instance is None:
        raise SpecError("a uniform start state needs an instance", key="start_state.instance")
    return [InstancePlan(machine.sku, machine.processors, "", instance) for machine in machines(spec)]
