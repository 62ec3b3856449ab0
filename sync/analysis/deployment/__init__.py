"""What to type to serve as a run was simulated: the engine's command for each kind of instance, and how many of them.

A new engine: a function in a file here, a line in the table.
"""

from collections.abc import Callable

from sync.analysis.deployment.base import Deployment, deployments
from sync.analysis.deployment.sglang import sglang_command
from sync.analysis.deployment.trtllm import trtllm_command
from sync.analysis.deployment.vllm import vllm_command

COMMANDS: dict[str, Callable[[Deployment], list[str]]] = {
    "sglang": sglang_command,
    "trtllm": trtllm_command,
    "vllm": vllm_command,
}

__all__ = ["COMMANDS", "Deployment", "deployments", "serving_lines"]


def serving_lines(config: str) -> list[str]:
    """The lines for a run's resolved configuration, as YAML; none where an instance is no engine of today's.

    4 instances for prompts, each on 4 of the 8 GPUs of a dgx-h100:
        vllm serve llama-3.1-70b --tensor-parallel-size 4 --max-num-batched-tokens 16384
    """
    kinds = deployments(config)
    if not kinds or any(kind.instance.policy not in COMMANDS for kind in kinds):
        return []
    lines = []
    for kind in kinds:
        lines.append(f"{kind.text()}:")
        lines += [f"    {line}" for line in COMMANDS[kind.instance.policy](kind)]
    return lines
