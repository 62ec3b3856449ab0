"""Every iteration takes the same time: for tests, theory and first looks."""

from __future__ import annotations

from sim_core.errors import SpecError
from sim_core.performance.base import IterationTimes, PerformanceModel, TimeTable
from sim_core.spec import PerformanceSpec


class ConstantPerformance(PerformanceModel):
    """`prompt_s` for any iteration with a prompt in it, `token_s` for any other."""

    def __init__(self, spec: PerformanceSpec) -> None:
        if spec.prompt_s is None or spec.token_s is None:
            raise SpecError("the constant model needs prompt_time and token_time", key="performance_model")
        prompt_s, token_s = spec.prompt_s, spec.token_s
        prompt = TimeTable(lambda _: prompt_s)
        self._times = IterationTimes(prompt, TimeTable(lambda _: token_s), prompt)

    def iteration_times(self, model: str, hardware: str, tensor_parallelism: int) -> IterationTimes:
        return self._times
