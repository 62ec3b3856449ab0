"""Batching policies decide which tasks a replica runs next. A new one: a file here, a line in the table."""

from sim_core.batching.base import Batcher
from sim_core.table import Table

BATCHING: Table[Batcher] = Table(
    "sim_core.batching",
    DEFAULT="default.DefaultBatcher",
    ORCA="orca.OrcaBatcher",
    Splitwise="splitwise.SplitwiseBatcher",
    sglang="sglang.SglangBatcher",
    trtllm="trtllm.TrtllmBatcher",
    vllm="vllm.VllmBatcher",
)

__all__ = ["BATCHING", "Batcher"]
