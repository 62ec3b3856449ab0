"""Schedulers whose transfers overlap the prompt: nine tenths of each is hidden, so the link seems ten times as fast."""

from __future__ import annotations

from sim_core.scheduling.jsq import KvJoinShortestQueue
from sim_core.scheduling.token_jsq import KvTokenJoinShortestQueue

OVERLAP_BANDWIDTH_FACTOR = 10.0  # SplitwiseSim


class OverlapKvJoinShortestQueue(KvJoinShortestQueue):
    """Places as kv_jsq does."""

    bandwidth_factor = OVERLAP_BANDWIDTH_FACTOR


class OverlapKvTokenJoinShortestQueue(KvTokenJoinShortestQueue):
    """Places as kv_token_jsq does."""

    bandwidth_factor = OVERLAP_BANDWIDTH_FACTOR
