"""Small worlds for tests: specs and traces made in Python, without a configuration."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sim_core.batching import BATCHING
from sim_core.scheduling import SCHEDULERS
from sim_core.spec import (
    ApplicationSpec,
    InstanceSpec,
    MachineLinksSpec,
    ModelSpec,
    NetworkSpec,
    Options,
    PerformanceSpec,
    ProcessorSpec,
    SchedulerSpec,
    ServerGroupSpec,
    SimSpec,
    StartStateSpec,
)
from sim_core.trace import Trace

# A token's KV cache takes 1000 bytes; the weights take none, so a machine has room for `kv_tokens` tokens.
TINY_MODEL = ModelSpec("tiny", "tiny", 1, 250, 1, None, 0, 2)

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
# SplitwiseSim's schedulers, about each of which some tests know more than what holds for every entry of the table.
SPLITWISESIMS = (
    "random", "round_robin", "jsq", "token_jsq", "kv_round_robin", "kv_jsq", "kv_token_jsq", "overlap_kv_jsq",
    "overlap_kv_token_jsq", "mixed_pool",
)  # fmt: skip
# Options that a tiny world needs other values of than its configuration file has; a token's KV takes 1/1024 s.
TINY_OPTIONS = {
    "transfer_bandwidth": 1000 * 1024 / 1024**3,
    "prompt_max_pending_batch_tokens": 128.0,
    "max_local_prefill_length": 8,
}
# A block is a token in a tiny world, of which vLLM never uses one, and the loop has no pauses of its own.
TINY_BATCHING = {
    "block_size": 1, "gpu_memory_utilization": 1.0, "async_scheduling": False, "mem_fraction_static": 1.0,
    "tokens_per_block": 1, "free_gpu_memory_fraction": 1.0,
}  # fmt: skip


def splits(policy: str) -> bool:
    """Whether a scheduler needs machines for prompts and machines for decodes; its class says so."""
    return SCHEDULERS[policy].splits


@cache
def scheduler_configs() -> Mapping[str, Mapping[str, Any]]:
    """The configuration file of each scheduler, by the file's name."""
    files = sorted((CONFIGS / "orchestrator_repo" / "schedulers").glob("*.yaml"))
    return {path.stem: yaml.safe_load(path.read_text()) for path in files}


@cache
def batching_configs() -> Mapping[str, Mapping[str, Any]]:
    """The section of an instance by its batching policy, from the configuration files of start states."""
    states = [yaml.safe_load(path.read_text()) for path in sorted((CONFIGS / "start_state").glob("*.yaml"))]
    sections = [state[role] for state in states for role in ("instance", "prompt", "token") if role in state]
    return {section["instance_type"]: section for section in sections}


def scheduler_options(policy: str) -> Options:
    """The values of a scheduler's own options in its configuration file, or in TINY_OPTIONS."""
    configured = (config for config in scheduler_configs().values() if config["policy"] == policy)
    return _options(SCHEDULERS[policy].Options, {**next(configured, {}), **TINY_OPTIONS})


def batching_options(policy: str) -> Options:
    """The values of a batching policy's own options in a configuration file that uses it."""
    return _options(BATCHING[policy].Options, {**batching_configs().get(policy, {}), **TINY_BATCHING})


def _options(declared: type[Any], values: Mapping[str, Any]) -> Options:
    return tuple((option.name, values[option.name]) for option in fields(declared) if option.name in values)


def instance(policy: str = "Splitwise", size: int = 8, tokens: int = 64, waits: int = 4) -> InstanceSpec:
    """How an instance batches. A policy that does not limit tokens or waits ignores these."""
    return InstanceSpec(policy, 1, 1, size, tokens, waits, options=batching_options(policy))


def machines(count: int, kv_tokens: int, sku: str = "box") -> ServerGroupSpec:
    memory = kv_tokens * TINY_MODEL.kv_bytes_per_token
    return ServerGroupSpec(sku, count, (ProcessorSpec(f"{sku}-gpu", memory),), 0.0)


def scheduler(policy: str, **delays: float) -> SchedulerSpec:
    return SchedulerSpec(policy, policy, scheduler_options(policy), **delays)


def network(policy: str, sku: str = "box", overlap: bool = False) -> NetworkSpec:
    """A network; where links are shared, a token's KV takes 1/1024 s over the cards of a machine."""
    links = (MachineLinksSpec(sku, 1000.0 * 1024, 16_000.0 * 1024),) if policy != "private" else ()
    return NetworkSpec(policy, (("overlap", True), ("overlap_from_tokens", 8)) if overlap else (), links)


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
    """`count` machines; half of them run prompts where the scheduler splits. Times are binary fractions."""
    how = batch or instance(batching)
    if splits(policy):
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
    """A trace of requests given as (arrival_s, prompt_tokens, output_tokens), numbered from 0."""
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
