"""What aiconfigurator-core calls the models, GPUs and number formats of this project.

A deployment may be known there in several ways: a precision names the format of the weights, and the kernels that
compute with it differ by engine and GPU. `ways` lists them, the checkpoint's own first; the first one that has
measurements is used, and the tables say which it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sim_core.errors import SpecError, choices
from sim_core.spec import Deployment

T = TypeVar("T")

SYSTEMS: Mapping[str, str] = {
    "a100-80gb": "a100_sxm",
    "h100-80gb": "h100_sxm",
    "h200-141gb": "h200_sxm",
    "b200-180gb": "b200_sxm",
    "b300-288gb": "b300_sxm",
    "gb200-186gb": "gb200",
    "l40s-48gb": "l40s",
}
OTHER_SYSTEMS: Mapping[str, str] = {"gb300-288gb": "gb300"}  # of no machine that a run may name: for benchmarks
BLACKWELL = ("b200_sxm", "b300_sxm", "gb200", "gb300")
KV_FORMATS = {1: "fp8", 2: "bfloat16"}  # by the bytes of an element
Formats = tuple[str, str | None, str | None]  # a model's name there, the formats of its GEMMs and of its experts
PRECISIONS = ("bf16", "fp8", "fp4", "int4")


@dataclass(frozen=True)
class SiliconModel:
    """A model: its name there, and the names of checkpoints in other formats."""

    path: str
    native: str = "bf16"  # the precision of its first checkpoint
    checkpoints: Mapping[str, str] = field(default_factory=dict)  # by precision, where the formats follow from it
    has_experts: bool = False
    has_latents: bool = False  # attention by latents (MLA): only bf16 is measured
    fp8: tuple[str, ...] = ("fp8", "fp8_block")  # the formats of its FP8 checkpoints


_BLOCKS = ("fp8_block", "fp8")
MODELS: Mapping[str, SiliconModel] = {
    "llama-3.1-8b": SiliconModel("meta-llama/Meta-Llama-3.1-8B"),
    "llama-3.1-70b": SiliconModel("meta-llama/Meta-Llama-3.1-70B"),
    "llama-3.1-405b": SiliconModel("meta-llama/Meta-Llama-3.1-405B"),
    "qwen3-32b": SiliconModel("Qwen/Qwen3-32B", fp8=_BLOCKS),
    "qwen3-235b": SiliconModel(
        "Qwen/Qwen3-235B-A22B",
        checkpoints={"fp8": "Qwen/Qwen3-235B-A22B-FP8", "fp4": "nvidia/Qwen3-235B-A22B-NVFP4"},
        has_experts=True,
        fp8=_BLOCKS,
    ),
    "deepseek-r1": SiliconModel(
        "deepseek-ai/DeepSeek-R1",
        "fp8",
        {"fp4": "nvidia/DeepSeek-V3.1-NVFP4"},
        has_experts=True,
        has_latents=True,
        fp8=_BLOCKS,
    ),
    "gpt-oss-120b": SiliconModel("openai/gpt-oss-120b", "fp4", has_experts=True),
    "kimi-k2.5": SiliconModel(
        "moonshotai/Kimi-K2.5", "int4", {"fp4": "nvidia/Kimi-K2.5-NVFP4"}, has_experts=True, has_latents=True
    ),
    "minimax-m2.5": SiliconModel(
        "MiniMaxAI/MiniMax-M2.5", "fp8", {"fp4": "nvidia/MiniMax-M2.5-NVFP4"}, has_experts=True, fp8=_BLOCKS
    ),
}

# Models that no run may name, as KV caches of a part of the layers alone are not modelled: for benchmarks.
OTHER_MODELS: Mapping[str, SiliconModel] = {
    "qwen3.5-397b": SiliconModel(
        "Qwen/Qwen3.5-397B-A17B", checkpoints={"fp4": "nvidia/Qwen3.5-397B-A17B-NVFP4"}, has_experts=True, fp8=_BLOCKS
    ),
}


@dataclass(frozen=True)
class Way:
    """One way of asking for a deployment."""

    model: str
    system: str
    backend: str
    arguments: tuple[tuple[str, Any], ...]


def ways(deployment: Deployment) -> Iterator[Way]:
    """The ways of asking for a deployment, the likeliest first. SpecError for a model or a GPU without measurements."""
    model, system = model_of(deployment), system_of(deployment)
    sizes = _parallelism(deployment, model)
    kv = KV_FORMATS.get(deployment.kv_bytes)
    if kv is None:
        text = f"dtype_size={deployment.kv_bytes}: the KV cache has elements of 1 byte (fp8) or 2 (bf16)"
        raise SpecError(text, key="performance_model")
    of_attention = ["bfloat16"] if deployment.engine == "vllm" or model.has_latents else [None, "bfloat16"]
    for path, gemm, experts in _formats(deployment, model, system):
        for attention in of_attention:
            formats = {
                "kvcache_quant_mode": kv,
                "gemm_quant_mode": gemm,
                "moe_quant_mode": experts if model.has_experts else None,
                "fmha_quant_mode": attention,
            }
            given = {name: value for name, value in formats.items() if value is not None}
            yield Way(path, system, deployment.engine, tuple({**sizes, **given}.items()))


def model_of(deployment: Deployment) -> SiliconModel:
    """The model of a deployment. SpecError where it is not known."""
    return _known(deployment.model, MODELS, OTHER_MODELS)


def system_of(deployment: Deployment) -> str:
    """The GPU of a deployment. SpecError where it is not known."""
    return _known(deployment.hardware, SYSTEMS, OTHER_SYSTEMS)


def _known(name: str, named: Mapping[str, T], others: Mapping[str, T]) -> T:
    """What is known by a name: one that runs may give, or one of the others."""
    known = {**others, **named}
    if name not in known:
        text = f"aiconfigurator has no {name}{choices(name, named)}"
        raise SpecError(text, key="performance_model", value="aiconfigurator")
    return known[name]


def precision_of(deployment: Deployment) -> str:
    """The precision of a deployment. SpecError for an unknown one."""
    precision = deployment.precision or "bf16"
    if precision not in PRECISIONS:
        text = f"unknown precision {precision!r} of {deployment.model}{choices(precision, PRECISIONS)}"
        raise SpecError(text, key="performance_model")
    return precision


def _parallelism(deployment: Deployment, model: SiliconModel) -> dict[str, int]:
    gpus, ranks, experts = (
        deployment.tensor_parallelism,
        deployment.data_parallelism,
        deployment.expert_parallelism,
    )
    sizes = {"tp_size": gpus // ranks, "attention_dp_size": ranks}
    if model.has_experts:
        return sizes | {"moe_tp_size": gpus // experts, "moe_ep_size": experts}
    for name, value in (("expert_parallelism", experts), ("data_parallelism", ranks)):
        if value > 1:
            text = f"{deployment.model} has no experts: attention and the rest are divided alike, so it must be 1"
            raise SpecError(text, key=name, value=value)
    return sizes


def _formats(deployment: Deployment, model: SiliconModel, system: str) -> list[Formats]:
    """Names of the model with the formats of its GEMMs and of its experts; None: the checkpoint's own."""
    precision, is_blackwell = precision_of(deployment), system in BLACKWELL
    path = model.checkpoints.get(precision, model.path)
    own: list[Formats] = [(path, None, None)] if precision == model.native or precision in model.checkpoints else []
    if deployment.model == "gpt-oss-120b" and precision == "fp4":
        # TensorRT-LLM multiplies activations in FP8 with the MXFP4 weights on Blackwell
        is_mixed = is_blackwell and deployment.engine == "trtllm"
        mixed: list[Formats] = [(path, None, "w4a8_mxfp4_mxfp8")] if is_mixed else []
        return mixed + own
    if precision == "bf16":
        return [(path, "bfloat16", "bfloat16"), *own]
    if precision == "int4":
        return [*own, (path, "bfloat16" if model.has_experts else "int4_wo", "int4_wo")]
    if precision == "fp4":
        others: list[Formats] = [(path, "fp8_block", "nvfp4")] if model.has_experts else []
        return [*own, (path, "nvfp4", "nvfp4"), *others]
    if model.fp8 != _BLOCKS:
        return [(path, kind, kind) for kind in model.fp8]
    blocks: list[Formats] = [
        (path, "fp8_block", "fp8_block"),
        (path, "fp8", "fp8_block"),
        (path, "fp8", "fp8"),
    ]
    # on Blackwell the times of GEMMs with scales by block are implausible: 20 times those with one scale
    return blocks[1:] + blocks[:1] if is_blackwell else blocks
