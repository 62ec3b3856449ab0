"""Start states make the instances of a run's beginning. A new one: a file here, a line in the table, a config file."""

from sim_core.start_state.base import InstancePlan, Machines, StartState
from sim_core.table import Table

# by the state_type of SplitwiseSim's files, up to its first underscore
START_STATES: Table[StartState] = Table(
    "sim_core.start_state",
    unallocated="unallocated.Unallocated",
    orca="uniform.Uniform",
    baseline="uniform.Uniform",
    splitwise="splitwise.Splitwise",
    splitwisehhcap="splitwise.Splitwise",
)

__all__ = ["START_STATES", "InstancePlan", "Machines", "StartState"]
