"""Schedulers: which instance takes a request. Adding one: a file here, its line in the table, a config file."""

from sim_core.scheduling.base import Scheduler
from sim_core.scheduling.mixed_pool import MixedPool
from sim_core.scheduling.token_jsq import TokenJoinShortestQueue

SCHEDULERS: dict[str, type[Scheduler]] = {
    "mixed_pool": MixedPool,
    "token_jsq": TokenJoinShortestQueue,
}

__all__ = ["SCHEDULERS", "Scheduler"]
