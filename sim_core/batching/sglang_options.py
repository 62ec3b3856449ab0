"""The options of the batching policy `sglang`, with SGLang's names and defaults."""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.errors import SpecError


@dataclass(frozen=True, slots=True)
class SglangOptions:
    """The settings of SGLang 0.5.23 that decide what its scheduler does, with its names (`init_new_token_ratio`
    and the four after it are environment variables there) and defaults."""

    chunked_prefill_size: int = 8192  # tokens of prompts in a step; 0: prompts run whole
    max_prefill_tokens: int = 16384  # no further prompt joins a step that has so many
    max_running_requests: int = 2048
    page_size: int = 1  # tokens
    mem_fraction_static: float = 0.88  # the part of the GPU's memory that weights and KV cache share
    disable_radix_cache: bool = False
    enable_mixed_chunk: bool = False
    schedule_conservativeness: float = 1.0
    init_new_token_ratio: float = 0.7
    min_new_token_ratio_factor: float = 0.14
    new_token_ratio_decay_steps: int = 600
    retract_decode_steps: int = 20
    clip_max_new_tokens_estimation: int = 4096
    scheduler_recv_interval: int = 1  # steps of decodes between two looks for new requests

    def __post_init__(self) -> None:
        for name in (
            "max_prefill_tokens",
            "max_running_requests",
            "page_size",
            "new_token_ratio_decay_steps",
            "scheduler_recv_interval",
        ):
            if getattr(self, name) < 1:
                raise SpecError("must be at least 1", key=name, value=getattr(self, name))
        if self.chunked_prefill_size % self.page_size:
            raise SpecError(
                f"must be a multiple of page_size ({self.page_size}), or 0 for whole prompts",
                key="chunked_prefill_size",
                value=self.chunked_prefill_size,
            )
        for name in ("mem_fraction_static", "min_new_token_ratio_factor"):
            if not 0 <= getattr(self, name) <= 1:
                raise SpecError("must be from 0 to 1", key=name, value=getattr(self, name))
