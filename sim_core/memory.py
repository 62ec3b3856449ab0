"""GPU memory, counted in tokens of KV cache: what is left beside the weights.

Whole tokens make every sum exact, and a comparison one of small integers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sim_core.errors import CapacityError
from sim_core.spec import ModelSpec, ProcessorSpec


@dataclass(frozen=True, slots=True)
class KvMemory:
    """The memory of one instance."""

    total_bytes: int
    weights_bytes: int
    kv_bytes_per_token: int

    @property
    def capacity_tokens(self) -> int:
        """Tokens of KV cache that fit beside the weights."""
        return (self.total_bytes - self.weights_bytes) // self.kv_bytes_per_token

    @property
    def full_tokens(self) -> int:
        """From so many tokens on nothing is left, not even a part of a token."""
        return -((self.weights_bytes - self.total_bytes) // self.kv_bytes_per_token)

    def bytes_used(self, kv_tokens: int) -> int:
        """Weights and KV cache together."""
        return self.weights_bytes + kv_tokens * self.kv_bytes_per_token


def instance_memory(model: ModelSpec, processors: Sequence[ProcessorSpec]) -> KvMemory:
    """The memory of an instance of `model` on `processors`; CapacityError where the weights alone fill it."""
    total = processors[0].memory_bytes * len(processors)
    memory = KvMemory(total, model.weights_bytes, model.kv_bytes_per_token)
    if memory.capacity_tokens < 2:  # the smallest request: one token in, one out
        raise CapacityError(
            f"{model.name} does not fit: its weights take {model.weights_bytes / 1e9:.0f} GB, {len(processors)} x "
            f"{processors[0].name} hold {total / 1e9:.0f} GB; use more processors an instance (tensor_parallelism) "
            "or a smaller model",
            key="start_state",
        )
    return memory
