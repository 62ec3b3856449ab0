"""The part of a configuration that says how long iterations take, and what of the measurements a run needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from sim_core.errors import SpecError, choices
from sim_core.performance import PERFORMANCE_MODELS
from sim_core.performance.measurements import CurveKey
from sim_core.section import Section
from sim_core.slo import REFERENCE_HARDWARE, REFERENCE_TENSOR_PARALLELISM
from sim_core.spec import ApplicationSpec, CurveSpec, PerformanceSpec, ServerGroupSpec, StartStateSpec

if TYPE_CHECKING:
    from pathlib import Path

ReadCurves = Callable[["Path", str], Mapping[CurveKey, CurveSpec]]


def performance_spec(
    config: Section,
    root: Path,
    measured: ReadCurves,
    servers: tuple[ServerGroupSpec, ...],
    applications: tuple[ApplicationSpec, ...],
    states: tuple[StartStateSpec, ...],
) -> PerformanceSpec:
    """The model, with the curves that these servers, applications and instances can need. SpecError without them."""
    policy = config.text("policy", PERFORMANCE_MODELS)
    if policy == "constant":
        spec = PerformanceSpec(
            policy, prompt_s=config.number("prompt_time", above=True), token_s=config.number("token_time", above=True)
        )
    else:
        hardware = {group.processors[0].name for group in servers}
        instances = [
            instance
            for state in states
            for instance in (state.instance, state.prompt, state.token)
            if instance is not None
        ]
        wanted = {
            (app.model.measured_as, name, instance.tensor_parallelism)
            for app in applications
            for name in hardware
            for instance in instances
        }
        reference = {(a.model.measured_as, REFERENCE_HARDWARE, REFERENCE_TENSOR_PARALLELISM) for a in applications}
        curves = measured(root / config.text("db_path"), config.text("db_path"))
        if missing := sorted(wanted - curves.keys()):
            reason = _not_measured(missing[0], curves.keys())
            raise SpecError(reason, key=config.path("db_path"), value=config.text("db_path"))
        spec = PerformanceSpec(
            policy, curves=tuple(curves[key] for key in sorted(curves.keys() & (wanted | reference)))
        )
    config.done()
    return spec


def _not_measured(missing: CurveKey, measured: Iterable[CurveKey]) -> str:
    """What there are no measurements of, and the nearest that there are."""
    model, hardware, parallelism = missing
    models = sorted({name for name, _, _ in measured})
    if model not in models:
        return f"no measurements of {model}{choices(model, models)}"
    wanted = f"{hardware} with tensor parallelism {parallelism}"
    known = [f"{name} with tensor parallelism {count}" for of, name, count in sorted(measured) if of == model]
    return f"no measurements of {model} on {wanted}{choices(wanted, known)}"
