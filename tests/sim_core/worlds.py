"""Small worlds for tests: specs and traces without a configuration around them."""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from sim_core.spec import (
    ApplicationSpec,
    InstanceSpec,
    ModelSpec,
    PerformanceSpec,
    ProcessorSpec,
    SchedulerSpec,
    ServerGroupSpec,
    SimSpec,
    StartStateSpec,
)
from sim_core.trace import Trace

# 1000 bytes of KV cache a token; room for `kv_tokens` beside no weights at all
TINY_MODEL = ModelSpec("tiny", "tiny", 1, 250, 1, None, 0, 2)


def instance(policy: str = "Splitwise", size: int = 8, tokens: int = 64, waits: int = 4) -> InstanceSpec:
    limited = policy == "Splitwise"
    return InstanceSpec(policy, 1, 1, size, tokens if limited else None, waits if limited else None)


def machines(count: int, kv_tokens: int, sku: str = "box") -> ServerGroupSpec:
    memory = kv_tokens * TINY_MODEL.kv_bytes_per_token
    return ServerGroupSpec(sku, count, (ProcessorSpec(f"{sku}-gpu", memory),), 0.0)


def scheduler(policy: str, **delays: float) -> SchedulerSpec:
    options: tuple[tuple[str, float], ...] = ()
    if policy == "mixed_pool" or "kv" in policy:
        # a token's KV takes 1/1024 s
        options = (("transfer_bandwidth", 1000 * 1024 / 1024**3),)
    if policy == "mixed_pool":
        options = (*options, ("prompt_max_pending_batch_tokens", 128.0))
    return SchedulerSpec(policy, policy, options, **delays)


def spec(
    policy: str = "token_jsq",
    batching: str = "Splitwise",
    count: int = 2,
    kv_tokens: int = 400,
    prompt_s: float = 0.25,
    token_s: float = 0.0625,
    seed: int = 0,
    batch: InstanceSpec | None = None,
    delays: dict[str, float] | None = None,
) -> SimSpec:
    """`count` machines; half of them for prompts where the scheduler splits. Times are binary fractions."""
    how = batch or instance(batching)
    if policy == "mixed_pool" or "kv" in policy:
        prompts = max(count // 2, 1)
        state = StartStateSpec(
            "splitwise", 0, split_type="homogeneous", prompt=how, token=how,
            prompt_machines=prompts, token_machines=count - prompts,
        )  # fmt: skip
    else:
        state = StartStateSpec("baseline", 0, instance=how)
    return SimSpec(
        servers=(machines(count, kv_tokens),),
        applications=(ApplicationSpec(0, TINY_MODEL, scheduler(policy, **(delays or {}))),),
        start_states=(state,),
        performance=PerformanceSpec("constant", prompt_s=prompt_s, token_s=token_s),
        end_time_s=1e9,
        seed=seed,
    )


def trace(rows: Sequence[tuple[float, int, int]]) -> Trace:
    """Requests as (arrival_s, prompt_tokens, output_tokens), numbered from 0."""
    count = len(rows)
    return Trace(
        "test",
        array("q", range(count)),
        array("q", [0] * count),
        array("d", [row[0] for row in rows]),
        array("q", [row[1] for row in rows]),
        array("q", [row[2] for row in rows]),
        array("q", [1] * count),
    )
