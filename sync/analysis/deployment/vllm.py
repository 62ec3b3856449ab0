"""`vllm serve`, with the options of vLLM 0.33.0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim_core.spec import PROMPT, TOKEN
from sync.analysis.deployment.base import flag

if TYPE_CHECKING:
    from sync.analysis.deployment.base import Deployment

_OTHER_NAMES = {"policy": "scheduling_policy"}
_NOT_SETTABLE = ("empty_step_sleep_s",)  # constants in its source
_ALWAYS = ("max_num_batched_tokens", "max_num_seqs")  # their defaults depend on the GPU and on how vLLM is started
_KV_ROLES = {PROMPT: "kv_producer", TOKEN: "kv_consumer"}


def vllm_command(kind: Deployment) -> list[str]:
    """The command of each of these instances."""
    options = dict(kind.instance.options)
    settings: dict[str, object] = {name: options[name] for name in _ALWAYS if name in options}
    settings |= kind.settings()
    parts = [f"vllm serve {kind.model.name}", flag("tensor_parallel_size", kind.attention_gpus())]
    if kind.instance.data_parallelism > 1:
        parts.append(flag("data_parallel_size", kind.instance.data_parallelism))
    if kind.instance.expert_parallelism > 1:  # over all GPUs of an instance
        parts.append("--enable-expert-parallel")
    if kind.model.bytes_per_element == 1:
        parts.append("--kv-cache-dtype fp8")
    parts += [
        flag(_OTHER_NAMES.get(name, name), value) for name, value in settings.items() if name not in _NOT_SETTABLE
    ]
    if kind.role in _KV_ROLES:
        connector = f'{{"kv_connector":"NixlConnector","kv_role":"{_KV_ROLES[kind.role]}"}}'
        parts.append(f"--kv-transfer-config '{connector}'")
    return [" ".join(parts)]
