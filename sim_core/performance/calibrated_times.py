"""Step times of another performance model, times one factor."""

from __future__ import annotations

from sim_core.native import mypyc_attr
from sim_core.performance.step_times import CALIBRATED, StepTimes
from sim_core.step import Step


@mypyc_attr(allow_interpreted_subclasses=True)
class CalibratedTimes(StepTimes):
    """The times of `times`, each `factor` times as long. Overheads that are added later are not scaled.

    Steps beyond the measurements of `times` are beyond here, too; all others are calibrated. They are counted by
    `steps_beyond` alone: the tables of `times` add up seconds without the factor.
    """

    __slots__ = ("_tables", "factor", "times")

    def __init__(self, times: StepTimes, factor: float) -> None:
        super().__init__(times.measured_to)
        self.mostly = CALIBRATED
        self.times = times
        self.factor = factor
        self._tables = times.tables_beyond()

    def seconds(self, step: Step, repeat: int) -> float:
        return self.times.seconds(step, repeat) * self.factor

    def steps_within(self, step: Step, elapsed_s: float) -> int:
        # the quotient is rounded, and so are the products that it is compared with
        return self._steps_near(self.times.steps_within(step, elapsed_s / self.factor), step, elapsed_s)

    def alone(self, prompt_tokens: int, output_tokens: int = 2) -> tuple[float, float]:
        prompt_s, decode_s = self.times.alone(prompt_tokens, output_tokens)
        return prompt_s * self.factor, decode_s * self.factor

    def plus(self, overhead_s: float) -> StepTimes:
        return calibrated(self.times.plus(overhead_s / self.factor), self.factor)

    def provenance(self, step: Step) -> str:
        return CALIBRATED

    def estimated_share(self, step: Step) -> float:
        return self.times.estimated_share(step)

    def may_exceed(self, decodes: int) -> bool:
        return bool(self._tables) or self.times.may_exceed(decodes)

    def steps_beyond(self, step: Step, repeat: int) -> int:
        if step.prompt_tokens:
            for table in self._tables:
                if step.tokens > table.measured_to:
                    return repeat
        return self.times.steps_beyond(step, repeat)


@mypyc_attr(allow_interpreted_subclasses=True)
class GrowingCalibratedTimes(CalibratedTimes):
    """The same for times that grow with context."""

    __slots__ = ()

    grows_with_context = True


def calibrated(times: StepTimes, factor: float) -> CalibratedTimes:
    """`times`, times `factor`."""
    return GrowingCalibratedTimes(times, factor) if times.grows_with_context else CalibratedTimes(times, factor)
