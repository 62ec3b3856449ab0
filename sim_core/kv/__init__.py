"""KV caches decide how much memory a request takes on a replica, and when."""

from sim_core.kv.base import KvCache
from sim_core.kv.whole_sequence import WholeSequenceKv

__all__ = ["KvCache", "WholeSequenceKv"]
