"""Instances for both phases, all alike: SplitwiseSim's `orca` and `baseline`."""

from __future__ import annotations

from itertools import chain

from sim_core.errors import SpecError
from sim_core.spec import ServerGroupSpec, StartStateSpec
from sim_core.start_state.base import InstancePlan, check_parallelism, slices


def uniform(state: StartStateSpec, machines: list[ServerGroupSpec]) -> list[InstancePlan]:
    """Every machine serves both phases.

    With `fill_machine` a machine holds as many instances as fit, each with the memory of its own processors. Without it
    a machine holds one instance, with the memory of all of its processors whatever the tensor parallelism: SplitwiseSim
    does so, and its results depend on it.
    """
    if state.instance is None:
        raise SpecError("a uniform start state needs an instance", key="start_state.instance")
    if state.fill_machine:
        return list(chain.from_iterable(slices(machine, "", state.instance) for machine in machines))
    for machine in machines:
        check_parallelism(machine, "", state.instance)
    return [InstancePlan.on(machine, "", state.instance) for machine in machines]
