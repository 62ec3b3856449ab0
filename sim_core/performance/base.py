"""What a performance model provides: how long an iteration takes, by the tokens in its batch."""

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


@dataclass(frozen=True, slots=True)
class IterationTimes:
    """The seconds of one iteration by the tokens in its batch: a prompt counts its size, a decode 1."""

    prompt_s: TimeTable  # prompts alone
    decode_s: TimeTable  # decodes alone
    mixed_s: TimeTable  # both

    def plus(self, overhead_s: float) -> IterationTimes:
        """The same times with `overhead_s` added to each iteration."""
        if overhead_s == 0.0:
            return self

        def longer(table: TimeTable) -> TimeTable:
            return TimeTable(lambda batch_tokens: table[batch_tokens] + overhead_s, table.measured_to)

        return IterationTimes(longer(self.prompt_s), longer(self.decode_s), longer(self.mixed_s))


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
    def iteration_times(self, model: str, hardware: str, tensor_parallelism: int) -> IterationTimes | None:
        """The times of this combination; None where the performance model knows nothing of it."""

    def known(self) -> list[CurveKey]:
        """The combinations that it knows, for errors; empty where it knows all."""
        return []

    def times_of(self, model: str, hardware: str, tensor_parallelism: int) -> IterationTimes:
        """The times of this combination. Raises SpecError where nothing is known of it."""
        times = self.iteration_times(model, hardware, tensor_parallelism)
        if times is None:
            known = [f"{m} on {h} with tensor parallelism {p}" for m, h, p in sorted(self.known())]
            text = f"{model} on {hardware} with tensor parallelism {tensor_parallelism}"
            raise SpecError(f"no measurements of {text}{choices(text, known)}", key="performance_model")
        return times
