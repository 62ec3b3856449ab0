"""Start states: which instances exist at time 0. Adding one: a file here, its line in the table, a config file."""

from collections.abc import Callable

from sim_core.spec import ServerGroupSpec, StartStateSpec
from sim_core.start_state.base import InstancePlan, Machines
from sim_core.start_state.splitwise import splitwise
from sim_core.start_state.unallocated import unallocated
from sim_core.start_state.uniform import uniform

# by the state_type of SplitwiseSim's files, up to its first underscore
START_STATES: dict[str, Callable[[StartStateSpec, list[ServerGroupSpec]], list[InstancePlan]]] = {
    "unallocated": unallocated,
    "orca": uniform,
    "baseline": uniform,
    "splitwise": splitwise,
    "splitwisehhcap": splitwise,
}

__all__ = ["START_STATES", "InstancePlan", "Machines"]
