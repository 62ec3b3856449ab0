"""`trtllm-serve` and its file of settings, with the options of TensorRT-LLM 1.x's PyTorch backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sync.analysis.deployment.base import flag

if TYPE_CHECKING:
    from sync.analysis.deployment.base import Deployment

_OF_THE_CACHE = ("tokens_per_block", "enable_block_reuse", "free_gpu_memory_fraction")
_FLAGS = ("max_batch_size", "max_num_tokens")


def trtllm_command(kind: Deployment) -> list[str]:
    """The file of each of these instances, and its command."""
    options = dict(kind.instance.options)
    lines = [f"enable_chunked_prefill: {_yaml(options.get('enable_chunked_prefill', False))}", "kv_cache_config:"]
    lines += [f"  {name}: {_yaml(options[name])}" for name in _OF_THE_CACHE if name in options]
    if kind.model.bytes_per_element == 1:
        lines.append("  dtype: fp8")
    if kind.instance.data_parallelism > 1:
        lines.append("enable_attention_dp: true")
    parts = [f"trtllm-serve {kind.model.name}", flag("tp_size", kind.instance.tensor_parallelism, "_")]
    if kind.instance.expert_parallelism > 1:
        parts.append(flag("ep_size", kind.instance.expert_parallelism, "_"))
    parts += [flag(name, options[name], "_") for name in _FLAGS if name in options]
    return ["cat > engine.yaml <<END", *lines, "END", " ".join([*parts, "--extra_llm_api_options engine.yaml"])]


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else f"{value}"
