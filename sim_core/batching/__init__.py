"""Batching policies decide which tasks a replica runs next. A new one: a file here, a line in the table."""

from sim_core.batching.base import Batcher
from sim_core.batching.default import DefaultBatcher
from sim_core.batching.orca import OrcaBatcher
from sim_core.batching.sglang import SglangBatcher
from sim_core.batching.splitwise import SplitwiseBatcher
from sim_core.batching.trtllm import TrtllmBatcher
from sim_core.batching.vllm import VllmBatcher

BATCHING: dict[str, type[Batcher]] = {
    "DEFAULT": DefaultBatcher,
    "ORCA": OrcaBatcher,
    "Splitwise": SplitwiseBatcher,
    "sglang": SglangBatcher,
    "trtllm": TrtllmBatcher,
    "vllm": VllmBatcher,
}

__all__ = ["BATCHING", "Batcher"]
