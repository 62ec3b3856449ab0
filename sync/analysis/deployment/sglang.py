"""`python -m sglang.launch_server`, with the options of SGLang 0.5."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim_core.spec import PROMPT, TOKEN
from sync.analysis.deployment.base import flag

if TYPE_CHECKING:
    from sync.analysis.deployment.base import Deployment

# The others are environment variables.
_VARIABLES = {
    "init_new_token_ratio": "SGLANG_INIT_NEW_TOKEN_RATIO",
    "min_new_token_ratio_factor": "SGLANG_MIN_NEW_TOKEN_RATIO_FACTOR",
    "new_token_ratio_decay_steps": "SGLANG_NEW_TOKEN_RATIO_DECAY_STEPS",
    "retract_decode_steps": "SGLANG_RETRACT_DECODE_STEPS",
    "clip_max_new_tokens_estimation": "SGLANG_CLIP_MAX_NEW_TOKENS_ESTIMATION",
}
_ALWAYS = ("chunked_prefill_size", "max_running_requests", "mem_fraction_static")  # SGLang works them out otherwise
_MODES = {PROMPT: "prefill", TOKEN: "decode"}


def sglang_command(kind: Deployment) -> list[str]:
    """The command of each of these instances."""
    options = dict(kind.instance.options)
    settings = {name: options[name] for name in _ALWAYS if name in options} | kind.settings()
    if settings.get("chunked_prefill_size") == 0:
        settings["chunked_prefill_size"] = -1  # SGLang's word for whole prompts
    variables = [f"{_VARIABLES[name]}={value:g}" for name, value in settings.items() if name in _VARIABLES]
    parts = [*variables, f"python -m sglang.launch_server --model-path {kind.model.name}"]
    parts.append(flag("tp_size", kind.instance.tensor_parallelism))
    if kind.instance.data_parallelism > 1:
        parts += [flag("dp_size", kind.instance.data_parallelism), "--enable-dp-attention"]
    if kind.instance.expert_parallelism > 1:
        parts.append(flag("ep_size", kind.instance.expert_parallelism))
    if kind.model.bytes_per_element == 1:
        parts.append("--kv-cache-dtype fp8_e4m3")
    parts += [flag(name, value) for name, value in settings.items() if name not in _VARIABLES and value is not False]
    if kind.role in _MODES:
        parts.append(flag("disaggregation_mode", _MODES[kind.role]))
    return [" ".join(parts)]
