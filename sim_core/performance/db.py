"""Iteration times from measurements: a curve for each combination of model, hardware and parallelism."""

from __future__ import annotations

from sim_core.options import reads_configuration
from sim_core.performance.base import CurveKey, Needs, PerformanceModel
from sim_core.performance.curve import times_from_curve
from sim_core.performance.measurements import needed_curves
from sim_core.performance.step_times import MeasuredTimes
from sim_core.section import Section
from sim_core.spec import PerformanceSpec


class DatabasePerformance(PerformanceModel):
    """Looks up the measured curve of (model, hardware, tensor parallelism)."""

    def __init__(self, spec: PerformanceSpec) -> None:
        super().__init__(spec)
        self._curves = {(c.model, c.hardware, c.tensor_parallelism): c for c in spec.curves}
        self._times: dict[CurveKey, MeasuredTimes] = {}

    @classmethod
    @reads_configuration
    def read(cls, config: Section, needs: Needs) -> PerformanceSpec:
        return PerformanceSpec(config.text("policy"), curves=needed_curves(config, needs))

    def known(self) -> list[CurveKey]:
        return list(self._curves)

    def step_times(self, model: str, hardware: str, tensor_parallelism: int) -> MeasuredTimes | None:
        wanted = (model, hardware, tensor_parallelism)
        if wanted not in self._times:  # all instances of a kind share one table
            if wanted not in self._curves:
                return None
            self._times[wanted] = times_from_curve(self._curves[wanted])
        return self._times[wanted]
