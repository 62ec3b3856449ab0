"""What a performance model provides: how long the steps of a replica take."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, ClassVar

from sim_core.errors import SpecError, choices
from sim_core.options import NoOptions, made, read_options, reads_configuration
from sim_core.section import Section
from sim_core.spec import CurveSpec, PerformanceSpec
from sim_core.step import Step

if TYPE_CHECKING:
    from pathlib import Path


class TimeTable(dict[int, float]):
    """Seconds by batch tokens, computed at the first look-up and kept.

    Times above `measured_to` batch tokens, the most that was measured, are computed at each look-up and not kept:
    `looks_beyond` counts these look-ups, and all others cost no more than a dict's.
    """

    __slots__ = ("_compute", "looks_beyond", "measured_to")

    def __init__(self, compute: Callable[[int], float], measured_to: float = inf) -> None:
        super().__init__()
        self._compute = compute
        self.measured_to = measured_to
        self.looks_beyond = 0

    def __missing__(self, batch_tokens: int) -> float:
        seconds = self._compute(batch_tokens)
        if batch_tokens > self.measured_to:
            self.looks_beyond += 1
        else:
            self[batch_tokens] = seconds
        return seconds


class StepTimes(ABC):
    """How long steps take: a performance model bound to a model, its hardware and parallelism.

    `measured_to` is the most decodes of a step without prompts that were measured; times of more are extrapolated.
    """

    measured_to: float = inf

    @abstractmethod
    def seconds(self, step: Step, repeat: int) -> float:
        """The seconds that `repeat` steps like `step` take, one after the other. It is asked once when steps start, and
        again where they are cut."""

    @abstractmethod
    def steps_within(self, step: Step, elapsed_s: float) -> int:
        """How many steps like `step`, of decodes alone, are completed `elapsed_s` after the first has begun."""

    def alone(self, prompt_tokens: int) -> tuple[float, float]:
        """For slowdowns: the seconds of the prompt of a request that runs alone, and those of a token after it."""
        return self.seconds(Step(prompt_tokens=prompt_tokens), 1), self.seconds(Step(decodes=1), 1)

    @abstractmethod
    def plus(self, overhead_s: float) -> StepTimes:
        """The same times with `overhead_s` added to each step."""

    def tables_beyond(self) -> list[TimeTable]:
        """The tables that count look-ups for steps with prompts beyond the measurements; none where all is known."""
        return []


class IterationTimes(StepTimes):
    """Times by the tokens in a step: a prompt counts its size, a decode 1. All steps of a run are alike.

    `overhead_s` is part of each step, however often the model passes in it.
    """

    __slots__ = ("decode_s", "measured_to", "mixed_s", "overhead_s", "prompt_s")

    def __init__(self, prompt_s: TimeTable, decode_s: TimeTable, mixed_s: TimeTable, overhead_s: float = 0.0) -> None:
        self.prompt_s = prompt_s  # prompts alone
        self.decode_s = decode_s  # decodes alone, by their number
        self.mixed_s = mixed_s  # both
        self.overhead_s = overhead_s
        self.measured_to = decode_s.measured_to

    def seconds(self, step: Step, repeat: int) -> float:
        prompt_tokens = step.prompt_tokens
        if not prompt_tokens:
            return (self.overhead_s + self.decode_s[step.decodes] * step.passes) * repeat
        table = self.mixed_s if step.decodes else self.prompt_s
        return (self.overhead_s + table[prompt_tokens + step.decodes]) * repeat

    def steps_within(self, step: Step, elapsed_s: float) -> int:
        return int(elapsed_s // (self.overhead_s + self.decode_s[step.decodes] * step.passes))

    def plus(self, overhead_s: float) -> StepTimes:
        return IterationTimes(self.prompt_s, self.decode_s, self.mixed_s, self.overhead_s + overhead_s)

    def tables_beyond(self) -> list[TimeTable]:
        return [self.prompt_s, self.mixed_s]


CurveKey = tuple[str, str, int]  # model, hardware, tensor parallelism
ReadCurves = Callable[["Path", str], Mapping[CurveKey, CurveSpec]]


@dataclass(frozen=True, slots=True)
class Needs:
    """What a run needs of its performance model, for models that read files."""

    root: Path  # the folder in which relative paths of a configuration start
    read_curves: ReadCurves  # reads a file of measurements; callers with many runs keep what it returns
    used: frozenset[CurveKey]  # the combinations that instances of the run may have
    reference: frozenset[CurveKey]  # those of the machine that slowdowns are relative to; a run works without them


class PerformanceModel(ABC):
    """Gives the times of every (model, hardware, tensor parallelism) that a run uses.

    `options` has the configured values of the dataclass `Options`: the keys of the model's file in
    `configs/performance_model`.
    """

    Options: ClassVar[type[Any]] = NoOptions
    options: Any

    def __init__(self, spec: PerformanceSpec) -> None:
        self.options = made(self.Options, spec.options, f"performance model {spec.policy!r}")

    @classmethod
    @reads_configuration
    def read(cls, config: Section, needs: Needs) -> PerformanceSpec:
        """The spec that the section `performance_model` of a configuration describes. Raises SpecError."""
        return PerformanceSpec(config.text("policy"), options=read_options(cls.Options, config))

    @abstractmethod
    def step_times(self, model: str, hardware: str, tensor_parallelism: int) -> StepTimes | None:
        """The times of this combination; None where the performance model knows nothing of it."""

    def known(self) -> list[CurveKey]:
        """The combinations that it knows, for errors; empty where it knows all."""
        return []

    def times_of(self, model: str, hardware: str, tensor_parallelism: int) -> StepTimes:
        """The times of this combination. Raises SpecError where nothing is known of it."""
        times = self.step_times(model, hardware, tensor_parallelism)
        if times is None:
            known = [f"{m} on {h} with tensor parallelism {p}" for m, h, p in sorted(self.known())]
            text = f"{model} on {hardware} with tensor parallelism {tensor_parallelism}"
            raise SpecError(f"no measurements of {text}{choices(text, known)}", key="performance_model")
        return times
