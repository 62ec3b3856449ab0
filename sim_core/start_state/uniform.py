"""Instances for both phases, all alike: SplitwiseSim's `orca` and `baseline`."""

from __future__ import annotations

from dataclasses import replace
from itertools import chain

from sim_core.errors import SpecError
from sim_core.options import reads_configuration
from sim_core.section import Section
from sim_core.spec import ServerGroupSpec, StartStateSpec
from sim_core.start_state.base import InstancePlan, Reading, StartState, check_parallelism, slices


class Uniform(StartState):
    """Every machine serves both phases.

    With `fill_machine` a machine holds as many instances as fit, each with the memory of its own processors. Without it
    a machine holds one instance, with the memory of all of its processors whatever the tensor parallelism: SplitwiseSim
    does so, and its results depend on it.
    """

    @classmethod
    @reads_configuration
    def read(cls, config: Section, reading: Reading) -> StartStateSpec:
        instance = reading.instance(config.section("instance"))
        fill = config.boolean("fill_machine", default=False)
        # False where one instance fills every machine anyway: such specs are equal
        fill = fill and instance.tensor_parallelism < max(len(group.processors) for group in reading.servers)
        return replace(reading.spec, instance=instance, fill_machine=fill)

    @classmethod
    def plans(cls, state: StartStateSpec, machines: list[ServerGroupSpec]) -> list[InstancePlan]:
        if state.instance is None:
            raise SpecError("a uniform start state needs an instance", key="start_state.instance")
        if state.fill_machine:
            return list(chain.from_iterable(slices(machine, "", state.instance) for machine in machines))
        for machine in machines:
            check_parallelism(machine, "", state.instance)
        return [InstancePlan.on(machine, "", state.instance) for machine in machines]
