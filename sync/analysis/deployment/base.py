"""The kinds of instances that a simulated cluster has, and what their settings are."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import yaml

from sim_core import spec_from_config
from sim_core.batching import BATCHING
from sim_core.errors import SimError
from sim_core.policies import policies_for
from sim_core.spec import PROMPT, TOKEN, InstanceSpec, ModelSpec, SimSpec
from sim_core.start_state import Machines

_ROOT = Path(__file__).resolve().parents[3]
# Which instances there are does not depend on how long steps take, and reading measurements takes time.
_NO_TIMES = {"policy": "constant", "prompt_time": 1.0, "token_time": 1.0}
_WORK = {PROMPT: " for prompts", TOKEN: " for decodes", "": ""}


@dataclass(frozen=True)
class Deployment:
    """Instances that are alike: `count` of them, each on `processors` GPUs of a machine `sku`, which has
    `machine_processors`. `role`: which phases they serve."""

    model: ModelSpec
    role: str
    sku: str
    processors: int
    machine_processors: int
    instance: InstanceSpec
    count: int

    def text(self) -> str:
        """`4 instances for prompts, each on 4 of the 8 GPUs of a dgx-h100`."""
        number = "1 instance" if self.count == 1 else f"{self.count:,} instances"
        each = "" if self.count == 1 else "each "
        gpus = f"{self.processors} of the {self.machine_processors} GPUs"
        if self.processors == self.machine_processors:
            gpus = "all GPUs" if self.processors > 1 else "the GPU"
        return f"{number}{_WORK.get(self.role, f' for {self.role}')}, {each}on {gpus} of a {self.sku}"

    def attention_gpus(self) -> int:
        """How many GPUs share the attention of a request."""
        return self.instance.tensor_parallelism // self.instance.data_parallelism

    def settings(self) -> dict[str, Any]:
        """The options of the batching policy that differ from their defaults, in the policy's order."""
        given = dict(self.instance.options)
        declared = fields(BATCHING[self.instance.policy].Options)
        return {o.name: given[o.name] for o in declared if o.name in given and given[o.name] != o.default}


def deployments(config: str) -> list[Deployment]:
    """The kinds of instances in a run's resolved configuration, as YAML, in order of their index. Empty where this
    version cannot read it."""
    try:
        resolved = yaml.safe_load(config)
        if not isinstance(resolved, dict):
            return []
        with warnings.catch_warnings(action="ignore"):
            return _kinds(spec_from_config({**resolved, "performance_model": _NO_TIMES}, _ROOT))
    except (SimError, yaml.YAMLError):
        return []


def _kinds(spec: SimSpec) -> list[Deployment]:
    policies, machines = policies_for(spec), Machines(spec.servers)
    models: Mapping[int, ModelSpec] = {one.application_id: one.model for one in spec.applications}
    counted: Counter[Deployment] = Counter()
    for state in spec.start_states:
        for plan in policies.plans(state, machines.take(state)):
            model = models[state.application_id]
            parts = (plan.role, plan.sku, len(plan.processors), plan.machine_processors, plan.spec)
            counted[Deployment(model, *parts, count=0)] += 1
    return [replace(kind, count=number) for kind, number in counted.items()]


def flag(name: str, value: object, dashes: str = "-") -> str:
    """`--max-num-seqs 256`, `--enable-x` for true, `--no-enable-x` for false."""
    option = name.replace("_", dashes)
    if isinstance(value, bool):
        return f"--{option}" if value else f"--no-{option}"
    return f"--{option} {value:g}" if isinstance(value, float) else f"--{option} {value}"
