"""Step times from the measured kernels of aiconfigurator-core, as tables that come with the run's spec.

This package does not know aiconfigurator-core: a caller of `spec_from_config` gives the tables (`configs.silicon`).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

from sim_core.errors import SpecError, SpecWarning, choices
from sim_core.options import made, read_options, reads_configuration
from sim_core.performance.base import CurveKey, Needs, PerformanceModel
from sim_core.performance.grid_times import GridTimes
from sim_core.performance.step_grid import grid_of, has_norms
from sim_core.reference import REFERENCE_HARDWARE, REFERENCE_TENSOR_PARALLELISM
from sim_core.section import Section
from sim_core.spec import Deployment, InstanceSpec, ModelSpec, PerformanceSpec

ENGINES = ("vllm", "sglang", "trtllm")
AUTO = "auto"  # the engine that a batching policy is named after, else the first of ENGINES


@dataclass(frozen=True, slots=True)
class GridOptions:
    engine: str = AUTO
    launch_s: float = 0.0  # of a step with prompts: see `GridTimes`
    fused_norms: bool = False  # whether an all-reduce and the norm behind it are one kernel

    def __post_init__(self) -> None:
        if self.engine != AUTO and self.engine not in ENGINES:
            raise SpecError(f"unknown name{choices(self.engine, (AUTO, *ENGINES))}", key="engine", value=self.engine)


class AiconfiguratorPerformance(PerformanceModel):
    """Adds up the parts of a step: the work that all of its tokens share, and the attention of prompts and decodes."""

    Options = GridOptions

    def __init__(self, spec: PerformanceSpec) -> None:
        super().__init__(spec)
        self._specs = {grid.deployment: grid for grid in spec.grids}
        self._times: dict[Deployment, GridTimes] = {}

    @classmethod
    @reads_configuration
    def read(cls, config: Section, needs: Needs) -> PerformanceSpec:
        options = read_options(cls.Options, config)
        chosen = made(GridOptions, options, "performance model aiconfigurator")
        used = {deployment_of(*instance, chosen.engine): None for instance in needs.instances}
        models = {model.measured_as: model for model, _, _ in needs.instances}
        engines = {deployment.model: deployment.engine for deployment in used}
        others = {reference_of(model, engines[name]): None for name, model in models.items()}
        grids = needs.grids(tuple(used), tuple(other for other in others if other not in used))
        for grid in grids if chosen.fused_norms else ():
            if grid.deployment in used and not has_norms(grid):
                text = (
                    f"{text_of(grid.deployment)}: its tables have no all-reduce with a norm behind it that was measured"
                )
                warnings.warn(f"performance_model.fused_norms has no effect on {text}", SpecWarning, stacklevel=2)
        return PerformanceSpec(config.text("policy"), options=options, grids=grids)

    def known(self) -> list[CurveKey]:
        return [deployment.key for deployment in self._specs]

    def step_times(self, model: str, hardware: str, tensor_parallelism: int) -> GridTimes | None:
        for deployment in self._specs:
            if deployment.key == (model, hardware, tensor_parallelism):
                return self._times_of(deployment)
        return None

    def times_for(self, model: ModelSpec, hardware: str, instance: InstanceSpec) -> GridTimes:
        deployment = deployment_of(model, hardware, instance, self.options.engine)
        if deployment not in self._specs:
            raise SpecError(f"the run has no tables for {text_of(deployment)}", key="performance_model")
        return self._times_of(deployment)

    def _times_of(self, deployment: Deployment) -> GridTimes:
        if deployment not in self._times:  # all instances of a kind share their lines
            grid = grid_of(self._specs[deployment], fused_norms=self.options.fused_norms)
            self._times[deployment] = GridTimes(grid, launch_s=self.options.launch_s)
        return self._times[deployment]


def deployment_of(model: ModelSpec, hardware: str, instance: InstanceSpec, engine: str) -> Deployment:
    """What the times of an instance depend on."""
    if engine == AUTO:
        engine = instance.policy if instance.policy in ENGINES else ENGINES[0]
    return Deployment(
        model.measured_as,
        model.precision,
        model.bytes_per_element,
        hardware,
        instance.tensor_parallelism,
        instance.data_parallelism,
        instance.expert_parallelism,
        engine,
    )


def reference_of(model: ModelSpec, engine: str) -> Deployment:
    """The model on the machine that slowdowns are relative to, in the precision that it can compute with."""
    return Deployment(model.measured_as, "bf16", 2, REFERENCE_HARDWARE, REFERENCE_TENSOR_PARALLELISM, 1, 1, engine)


def text_of(deployment: Deployment) -> str:
    """A deployment in words: `llama-3.1-70b (fp8) on h100-80gb, TP4, vllm`."""
    ranks, experts = deployment.data_parallelism, deployment.expert_parallelism
    parts = [f"TP{deployment.tensor_parallelism}", *([f"DP{ranks}"] * (ranks > 1)), *([f"EP{experts}"] * (experts > 1))]
    precision = f"{deployment.precision or 'bf16'}, KV cache of {8 * deployment.kv_bytes} bits"
    return f"{deployment.model} ({precision}) on {deployment.hardware}, {' '.join(parts)}, {deployment.engine}"
