"""Schedulers whose transfers overlap the prompt: nine tenths of each are hidden, so links seem ten times as fast."""

from __future__ import annotations

from typing import Final

from sim_core.scheduling.jsq import KvJoinShortestQueue
from sim_core.scheduling.token_jsq import KvTokenJoinShortestQueue

OVERLAP_BANDWIDTH_FACTOR: Final = 10.0  # SplitwiseSim


class OverlapKvJoinShortestQueue(KvJoinShortestQueue):
    """Places requests as `kv_jsq` does."""

    bandwidth_factor = OVERLAP_BANDWIDTH_FACTOR


class OverlapKvTokenJoinShortestQueue(KvTokenJoinShortestQueue):
    """Places requests as `kv_token_jsq` does."""

    bandwidth_factor = OVERLAP_BANDWIDTH_FACTOR
