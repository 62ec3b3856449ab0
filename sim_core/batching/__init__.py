"""Batching policies decide which tasks are in an instance's batch. A new one: a file here, a line in the table."""

from sim_core.batching.base import Instance
from sim_core.batching.default import DefaultInstance
from sim_core.batching.orca import OrcaInstance
from sim_core.batching.splitwise import SplitwiseInstance

BATCHING: dict[str, type[Instance]] = {
    "DEFAULT": DefaultInstance,
    "ORCA": OrcaInstance,
    "Splitwise": SplitwiseInstance,
}

__all__ = ["BATCHING", "Instance"]
