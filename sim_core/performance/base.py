"""What a performance model provides: how long the steps of a replica take."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar

from sim_core.errors import SpecError, choices
from sim_core.options import NoOptions, made, read_options, reads_configuration
from sim_core.performance.step_times import StepTimes
from sim_core.section import Section
from sim_core.spec import Deployment, InstanceSpec, ModelSpec, PerformanceSpec, StepGridSpec

if TYPE_CHECKING:
    from pathlib import Path


T = TypeVar("T")

CurveKey = tuple[str, str, int]  # model, hardware, tensor parallelism
ReadFile = Callable[["Path", str], Mapping[CurveKey, T]]  # of a file's path, and its name in errors


class Measured(Protocol):
    """Reads a file of measurements by a function for its kind of files. Callers with many runs keep what it returns."""

    def __call__(self, read: ReadFile[T], path: Path, source: str, /) -> Mapping[CurveKey, T]: ...


def read_now(read: ReadFile[T], path: Path, source: str, /) -> Mapping[CurveKey, T]:
    """Read a file of measurements, and keep nothing."""
    return read(path, source)


class AskForGrids(Protocol):
    """Gives the tables of deployments from outside of this package. Raises SpecError where there are none; of `others`,
    without which a run works, it leaves out those that it does not have."""

    def __call__(self, used: Sequence[Deployment], others: Sequence[Deployment], /) -> tuple[StepGridSpec, ...]: ...


def nobody_to_ask(used: Sequence[Deployment], others: Sequence[Deployment], /) -> tuple[StepGridSpec, ...]:
    """What is asked where a caller has not said whom to ask."""
    raise SpecError(
        "its tables come from outside of the simulator: give spec_from_config `grids`, such as configs.silicon.grids",
        key="performance_model",
    )


class Needs(NamedTuple):
    """What a run needs of its performance model, for models that read files."""

    root: Path  # the folder in which relative paths of a configuration start
    read: Measured  # reads a file of measurements
    reference: frozenset[CurveKey]  # those of the machine that slowdowns are relative to; a run works without them
    instances: tuple[tuple[ModelSpec, str, InstanceSpec], ...]  # that it may have: model, hardware, kind of instance
    grids: AskForGrids

    @property
    def used(self) -> frozenset[CurveKey]:
        """The combinations that instances of the run may have."""
        return frozenset((model.measured_as, name, kind.tensor_parallelism) for model, name, kind in self.instances)


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

    @classmethod
    @reads_configuration
    def request_delay_s(cls, spec: PerformanceSpec) -> float:
        """By how much later than it is sent each request comes to the cluster, beside the router's delay."""
        return 0.0

    @abstractmethod
    def step_times(self, model: str, hardware: str, tensor_parallelism: int) -> StepTimes | None:
        """The times of this combination; None where the performance model knows nothing of it."""

    def times_for(self, model: ModelSpec, hardware: str, instance: InstanceSpec) -> StepTimes:
        """The times of an instance of this kind. Raises SpecError where nothing is known of it. Models whose times
        depend on more than tensor parallelism override it."""
        return self.times_of(model.measured_as, hardware, instance.tensor_parallelism)

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
