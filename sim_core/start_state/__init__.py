"""Start states make the instances of a run's beginning. A new one: a file here, a line in the table, a config file."""

from sim_core.start_state.base import InstancePlan, Machines, StartState
from sim_core.start_state.splitwise import Splitwise
from sim_core.start_state.unallocated import Unallocated
from sim_core.start_state.uniform import Uniform

# by the state_type of SplitwiseSim's files, up to its first underscore
START_STATES: dict[str, type[StartState]] = {
    "unallocated": Unallocated,
    "orca": Uniform,
    "baseline": Uniform,
    "splitwise": Splitwise,
    "splitwisehhcap": Splitwise,
}

__all__ = ["START_STATES", "InstancePlan", "Machines", "StartState"]
