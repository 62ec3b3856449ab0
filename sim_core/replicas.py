"""Kinds of replicas. A batching policy names the kind that its replicas are: see `Batcher.runs_on`."""

from sim_core.replica import Replica
from sim_core.table import Table

REPLICAS: Table[Replica] = Table(
    "sim_core",
    steps="step_replica.StepReplica",  # asks its policy for steps
    ahead="ahead_replica.AheadReplica",  # asks for them one step ahead
    loop="engine_replica.EngineReplica",  # runs the loop of an engine's core
)

__all__ = ["REPLICAS"]
