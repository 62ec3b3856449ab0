"""Schedulers decide which replica takes a request. A new one: a file here, a line in the table, a config file."""

from sim_core.scheduling.base import Placement, Scheduler, Start
from sim_core.scheduling.view import View
from sim_core.table import Table

SCHEDULERS: Table[Scheduler] = Table(
    "sim_core.scheduling",
    random="random.Random",
    round_robin="round_robin.RoundRobin",
    jsq="jsq.JoinShortestQueue",
    token_jsq="token_jsq.TokenJoinShortestQueue",
    kv_round_robin="round_robin.KvRoundRobin",
    kv_jsq="jsq.KvJoinShortestQueue",
    kv_token_jsq="token_jsq.KvTokenJoinShortestQueue",
    overlap_kv_jsq="overlap.OverlapKvJoinShortestQueue",
    overlap_kv_token_jsq="overlap.OverlapKvTokenJoinShortestQueue",
    mixed_pool="mixed_pool.MixedPool",
    mixed_pool_returning="mixed_pool_returning.MixedPoolReturning",
    conditional_disagg="conditional_disagg.ConditionalDisagg",
    prefix_affinity="prefix_affinity.PrefixAffinity",
)

__all__ = ["SCHEDULERS", "Placement", "Scheduler", "Start", "View"]
