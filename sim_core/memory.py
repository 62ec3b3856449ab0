"""GPU memory beside the weights, counted in tokens of KV cache. Whole tokens make every sum and comparison exact."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from sim_core.errors import CapacityError
from sim_core.spec import ModelSpec

if TYPE_CHECKING:
    from sim_core.start_state.base import InstancePlan

_LEAST_TOKENS: Final = 2  # of the smallest request: one prompt token and one output token


@dataclass(frozen=True, slots=True)
class KvMemory:
    """The memory of one replica, in bytes and in tokens of KV cache."""

    total_bytes: int
    weights_bytes: int
    kv_bytes_per_token: int
    capacity_tokens: int = field(init=False)  # that fit beside the weights
    full_tokens: int = field(init=False)  # from which on no byte is left, not even a part of a token

    def __post_init__(self) -> None:
        free_bytes = self.total_bytes - self.weights_bytes
        object.__setattr__(self, "capacity_tokens", free_bytes // self.kv_bytes_per_token)
        object.__setattr__(self, "full_tokens", -(-free_bytes // self.kv_bytes_per_token))

    def bytes_used(self, kv_tokens: int) -> int:
        """The bytes of the weights and of `kv_tokens` of KV cache."""
        return self.weights_bytes + kv_tokens * self.kv_bytes_per_token


def instance_memory(model: ModelSpec, plan: InstancePlan) -> KvMemory:
    """The memory of an instance of `model`; CapacityError where its weights do not fit.

    The weights must fit the processors that share the work (`tensor_parallelism`), even where the instance has the
    memory of the whole machine.
    """
    processor = plan.processors[0]
    each, sharing = processor.memory_bytes, plan.spec.tensor_parallelism
    ranks = plan.spec.data_parallelism
    weights_bytes = model.weights_bytes + (ranks - 1) * model.replicated_bytes + sharing * plan.spec.reserved_bytes
    kv_bytes_per_token = model.kv_bytes_per_token * model.kv_copies(sharing // ranks)
    needed_bytes = weights_bytes + _LEAST_TOKENS * kv_bytes_per_token
    if needed_bytes > each * sharing:
        needed = -(-needed_bytes // each)
        fix = f"set {needed} or more"
        if needed > plan.machine_processors:
            fix = f"a {plan.sku} has {plan.machine_processors}: take machines with more memory, or a smaller model"
        raise CapacityError(
            f"{model.name} does not fit: its weights take {weights_bytes / 1e9:.0f} GB, and {sharing} x "
            f"{processor.name} hold {each * sharing / 1e9:.0f} GB; it needs {needed} of them; {fix}",
            key=plan.parallelism_key,
            value=sharing,
        )
    return KvMemory(each * len(plan.processors), weights_bytes, kv_bytes_per_token)
