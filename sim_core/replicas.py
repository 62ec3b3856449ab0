"""Kinds of replicas. A batching policy names the kind that its replicas are: see `Batcher.runs_on`."""

from sim_core.ahead_replica import AheadReplica
from sim_core.engine_replica import EngineReplica
from sim_core.replica import Replica
from sim_core.step_replica import StepReplica

REPLICAS: dict[str, type[Replica]] = {
    "steps": StepReplica,  # asks its policy for steps
    "ahead": AheadReplica,  # asks for them one step ahead
    "loop": EngineReplica,  # runs the loop of an engine's core
}

__all__ = ["REPLICAS"]
