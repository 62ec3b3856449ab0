"""One instance a machine, all alike: SplitwiseSim's `orca` and `baseline`."""

from __future__ import annotations

from sim_core.errors import SpecError
from sim_core.spec import ServerGroupSpec, StartStateSpec
from sim_core.start_state.base import InstancePlan


def uniform(state: StartStateSpec, machines: list[ServerGroupSpec]) -> list[InstancePlan]:
    """Every machine serves both phases, with all of its processors' memory whatever the tensor parallelism."""
    if state.instance is None:
        raise SpecError("a uniform start state needs an instance", key="start_state.instance")
    return [InstancePlan(machine.sku, machine.processors, "", state.instance) for machine in machines]
