"""Every iteration takes the same time: for tests, theory and first experiments."""

from __future__ import annotations

from sim_core.errors import SpecError
from sim_core.options import reads_configuration
from sim_core.performance.base import Needs, PerformanceModel
from sim_core.performance.step_times import IterationTimes, TimeTable
from sim_core.section import Section
from sim_core.spec import PerformanceSpec


class ConstantPerformance(PerformanceModel):
    """An iteration takes `prompt_s` if there is a prompt in it, and `token_s` otherwise."""

    def __init__(self, spec: PerformanceSpec) -> None:
        super().__init__(spec)
        if spec.prompt_s is None or spec.token_s is None:
            raise SpecError("the constant model needs prompt_time and token_time", key="performance_model")
        prompt_s, token_s = spec.prompt_s, spec.token_s
        prompt = TimeTable(lambda _: prompt_s)
        self._times = IterationTimes(prompt, TimeTable(lambda _: token_s), prompt)

    @classmethod
    @reads_configuration
    def read(cls, config: Section, needs: Needs) -> PerformanceSpec:
        prompt_s, token_s = (config.number(key, above=True) for key in ("prompt_time", "token_time"))
        return PerformanceSpec(config.text("policy"), prompt_s=prompt_s, token_s=token_s)

    def step_times(self, model: str, hardware: str, tensor_parallelism: int) -> IterationTimes:
        return self._times
