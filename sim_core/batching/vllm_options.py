"""The options of the batching policy `vllm`, with vLLM's names and defaults."""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.batching.base import NO_LIMIT
from sim_core.errors import SpecError


@dataclass(frozen=True, slots=True)
class VllmOptions:
    """The settings of vLLM 0.33.0 that decide what its scheduler does. 0 stands for vLLM's "none" where it says so."""

    policy: str = "fcfs"  # or priority
    async_scheduling: bool = True
    max_num_batched_tokens: int = 8192
    max_num_seqs: int = 1024
    max_num_active_seqs: int = 0  # 0: max_num_seqs
    max_model_len: int = 0  # tokens of a prompt and its outputs; 0: what the memory holds
    block_size: int = 16
    gpu_memory_utilization: float = 0.92  # the part of the GPU's memory that weights and KV cache share
    enable_prefix_caching: bool = True
    enable_chunked_prefill: bool = True
    long_prefill_token_threshold: int = 0  # 0: none
    long_prefill_token_threshold_adaptive: bool = False  # without a threshold it means nothing
    scheduler_reserve_full_isl: bool = True
    watermark: float = 0.0  # the part of all blocks that stays free at an admission
    prefill_schedule_interval: int = 1
    empty_step_sleep_s: float = 0.001  # the engine core's sleep after a pass that scheduled nothing

    def __post_init__(self) -> None:
        if self.policy not in ("fcfs", "priority"):
            raise SpecError("must be fcfs or priority", key="policy", value=self.policy)
        for name in ("max_num_batched_tokens", "max_num_seqs", "block_size", "prefill_schedule_interval"):
            if getattr(self, name) < 1:
                raise SpecError("must be at least 1", key=name, value=getattr(self, name))
        if self.max_num_batched_tokens < self.max_num_seqs:
            raise SpecError(
                f"must be at least max_num_seqs ({self.max_num_seqs}), as each running request gets a token",
                key="max_num_batched_tokens",
                value=self.max_num_batched_tokens,
            )
        if self.max_num_active_seqs > self.max_num_seqs:
            raise SpecError(
                f"must be at most max_num_seqs ({self.max_num_seqs})",
                key="max_num_active_seqs",
                value=self.max_num_active_seqs,
            )
        if 0 < self.max_model_len < self.long_prefill_token_threshold:
            raise SpecError(
                f"must be at most max_model_len ({self.max_model_len})",
                key="long_prefill_token_threshold",
                value=self.long_prefill_token_threshold,
            )
        if not 0 <= self.watermark < 1:
            raise SpecError("must be from 0 to less than 1", key="watermark", value=self.watermark)
        if not 0 <= self.gpu_memory_utilization <= 1:
            raise SpecError("must be from 0 to 1", key="gpu_memory_utilization", value=self.gpu_memory_utilization)

    @property
    def active(self) -> int:
        """The most requests that run at a time."""
        return self.max_num_active_seqs or self.max_num_seqs

    @property
    def longest(self) -> int:
        """The tokens that a request may have."""
        return self.max_model_len or NO_LIMIT
