"""Schedulers decide which replica takes a request. A new one: a file here, a line in the table, a config file."""

from sim_core.scheduling.base import Placement, Scheduler, Start
from sim_core.scheduling.conditional_disagg import ConditionalDisagg
from sim_core.scheduling.jsq import JoinShortestQueue, KvJoinShortestQueue
from sim_core.scheduling.mixed_pool import MixedPool
from sim_core.scheduling.mixed_pool_returning import MixedPoolReturning
from sim_core.scheduling.overlap import OverlapKvJoinShortestQueue, OverlapKvTokenJoinShortestQueue
from sim_core.scheduling.prefix_affinity import PrefixAffinity
from sim_core.scheduling.random import Random
from sim_core.scheduling.round_robin import KvRoundRobin, RoundRobin
from sim_core.scheduling.token_jsq import KvTokenJoinShortestQueue, TokenJoinShortestQueue
from sim_core.scheduling.view import View

SCHEDULERS: dict[str, type[Scheduler]] = {
    "random": Random,
    "round_robin": RoundRobin,
    "jsq": JoinShortestQueue,
    "token_jsq": TokenJoinShortestQueue,
    "kv_round_robin": KvRoundRobin,
    "kv_jsq": KvJoinShortestQueue,
    "kv_token_jsq": KvTokenJoinShortestQueue,
    "overlap_kv_jsq": OverlapKvJoinShortestQueue,
    "overlap_kv_token_jsq": OverlapKvTokenJoinShortestQueue,
    "mixed_pool": MixedPool,
    "mixed_pool_returning": MixedPoolReturning,
    "conditional_disagg": ConditionalDisagg,
    "prefix_affinity": PrefixAffinity,
}

__all__ = ["SCHEDULERS", "Placement", "Scheduler", "Start", "View"]
