"""Step times of another performance model, corrected by what the user measured: a factor, and a delay of requests.

`python -m sim_core calibrate` writes the file that this model reads, a JSON object:

    {"format": 1, "name": "my-engine", "factor": 1.08, "ttft_offset_s": 0.012,
     "performance_model": {"policy": "db", "db_path": "data/performance_curves.csv"},
     "fitted_on": ["bloom-176b (bf16) on h100-80gb, TP8, splitwise"]}

`performance_model` is the section of the model whose times are scaled; further keys are for people to read.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from math import inf
from typing import TYPE_CHECKING, Any

from sim_core.errors import SpecError, SpecWarning
from sim_core.options import made, reads_configuration
from sim_core.performance.base import CurveKey, Needs, PerformanceModel
from sim_core.performance.calibrated_times import CalibratedTimes, calibrated
from sim_core.performance.step_times import StepTimes
from sim_core.section import Section
from sim_core.spec import InstanceSpec, ModelSpec, Options, PerformanceSpec

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

NAME = "calibrated"
FORMAT = 1
LEAST_FACTOR, MOST_FACTOR = 0.01, 100.0
MOST_OFFSET_S = 1e3
NOT_SCALED = (NAME, "constant")  # a calibration of a calibration; constants for testing, which are no hardware's
_CONTENT: CurveKey = (NAME, "", 0)  # the one key of what is read
_OF = "of."  # in front of the names of the options of the scaled model
_INFORMATION = ("name", "points", "errors", "files", "made_by")  # keys of a file that decide nothing


@dataclass(frozen=True, slots=True)
class CalibratedOptions:
    of: str  # the performance model whose times are scaled
    factor: float
    ttft_offset_s: float = 0.0  # by how much each request comes later to the cluster

    def __post_init__(self) -> None:
        if not LEAST_FACTOR <= self.factor <= MOST_FACTOR:
            reason = f"must be a number from {LEAST_FACTOR:g} to {MOST_FACTOR:g}"
            raise SpecError(reason, key="factor", value=self.factor)
        if not 0.0 <= self.ttft_offset_s < inf:
            raise SpecError("must be a finite number of at least 0", key="ttft_offset_s", value=self.ttft_offset_s)


class CalibratedPerformance(PerformanceModel):
    """Scales all step times of another model, but for those of the machine that slowdowns are relative to."""

    Options = CalibratedOptions

    def __init__(self, spec: PerformanceSpec) -> None:
        from sim_core.performance import PERFORMANCE_MODELS  # here: this model is one of them

        own = tuple(option for option in spec.options if not option[0].startswith(_OF))
        self.options: CalibratedOptions = made(CalibratedOptions, own, f"performance model {NAME!r}")
        of = self.options.of
        if of in NOT_SCALED or of not in PERFORMANCE_MODELS:
            raise SpecError("is no performance model that can be calibrated", key="of", value=of)
        options = tuple((name.removeprefix(_OF), value) for name, value in spec.options if name.startswith(_OF))
        self._model = PERFORMANCE_MODELS[of](replace(spec, policy=of, options=options))

    @classmethod
    @reads_configuration
    def read(cls, config: Section, needs: Needs) -> PerformanceSpec:
        from sim_core.performance import PERFORMANCE_MODELS

        source = config.text("file")
        content = Section(needs.read(read_calibration, needs.root / source, source)[_CONTENT], source)
        content.ignore(*_INFORMATION)
        if content.integer("format", 0) != FORMAT:
            raise content.error("format", f"this version reads format {FORMAT}; calibrate again")
        below = content.section("performance_model")
        models = [name for name in PERFORMANCE_MODELS if name not in NOT_SCALED]
        of = PERFORMANCE_MODELS[below.text("policy", models)].read(below, needs)
        below.done()
        offset_s = content.number("ttft_offset_s", most=MOST_OFFSET_S)
        spec = scaled(of, content.number("factor", LEAST_FACTOR, most=MOST_FACTOR), offset_s)
        _warn_of_others(needs, content.texts("fitted_on"), source)
        content.done()
        return spec

    @classmethod
    @reads_configuration
    def request_delay_s(cls, spec: PerformanceSpec) -> float:
        return float(dict(spec.options).get("ttft_offset_s", 0.0))

    def known(self) -> list[CurveKey]:
        return self._model.known()

    def step_times(self, model: str, hardware: str, tensor_parallelism: int) -> StepTimes | None:
        """Those of the machine that slowdowns are relative to: without the factor, which is of another machine."""
        return self._model.step_times(model, hardware, tensor_parallelism)

    def times_for(self, model: ModelSpec, hardware: str, instance: InstanceSpec) -> CalibratedTimes:
        return calibrated(self._model.times_for(model, hardware, instance), self.options.factor)


def scaled(of: PerformanceSpec, factor: float, ttft_offset_s: float) -> PerformanceSpec:
    """The spec of the times of `of`, times `factor`."""
    own: Options = (("of", of.policy), ("factor", factor), ("ttft_offset_s", ttft_offset_s))
    return replace(of, policy=NAME, options=own + tuple((f"{_OF}{name}", value) for name, value in of.options))


def below(spec: PerformanceSpec) -> str:
    """The performance model whose times a calibrated spec scales; empty for the spec of another model."""
    return str(dict(spec.options)["of"]) if spec.policy == NAME else ""


@reads_configuration
def deployed(model: ModelSpec, hardware: str, instance: InstanceSpec) -> str:
    """What a calibration holds for, in words that are compared: `llama-3.1-70b (fp8) on h100-80gb, TP4, vllm`."""
    ranks, experts = instance.data_parallelism, instance.expert_parallelism
    parts = [f"TP{instance.tensor_parallelism}", *([f"DP{ranks}"] * (ranks > 1)), *([f"EP{experts}"] * (experts > 1))]
    precision = model.precision or f"{8 * model.bytes_per_element} bits"
    return f"{model.measured_as} ({precision}) on {hardware}, {' '.join(parts)}, {instance.policy}"


@reads_configuration
def read_calibration(path: Path, source: str) -> Mapping[CurveKey, Any]:
    """The object in a file. SpecError where it is none."""
    import json

    from sim_core.regular_file import read_bytes

    try:
        content = json.loads(read_bytes(path, "table_bytes"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else f"it is no JSON text in UTF-8 ({error})"
        fix = "`python -m sim_core calibrate` writes such a file"
        raise SpecError(f"cannot be read: {reason}; {fix}", key="performance_model.file", value=source) from error
    if not isinstance(content, dict):
        raise SpecError("must be a JSON object, as `python -m sim_core calibrate` writes it", source=source)
    return {_CONTENT: content}


@reads_configuration
def _warn_of_others(needs: Needs, fitted_on: tuple[str, ...], source: str) -> None:
    """Warn of instances that are unlike those of which the factor was fitted."""
    others = [text for text in dict.fromkeys(deployed(*each) for each in needs.instances) if text not in fitted_on]
    if fitted_on and others:
        text = f"{source} was fitted on {'; '.join(fitted_on)}: its factor need not hold for {'; '.join(others)}"
        warnings.warn(text, SpecWarning, stacklevel=2)


__all__ = ["CalibratedOptions", "CalibratedPerformance", "below", "deployed", "read_calibration", "scaled"]
