"""The part of a configuration that says how long iterations take, and what of the measurements a run needs."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from sim_core.errors import SpecError, SpecWarning, choices
from sim_core.performance import PERFORMANCE_MODELS
from sim_core.performance.measurements import CurveKey
from sim_core.performance.plausible import MOST_FALL, plausible
from sim_core.reference import REFERENCE_HARDWARE, REFERENCE_TENSOR_PARALLELISM
from sim_core.section import Section
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
        hardware = {processor.name for group in servers for processor in group.processors}
        instances = [kind for state in states for kind in state.kinds]
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
        needed = sorted(curves.keys() & (wanted | reference))
        source = config.text("db_path")
        spec = PerformanceSpec(policy, curves=tuple(_believed(curves[key], source) for key in needed))
    config.done()
    return spec


def _believed(curve: CurveSpec, source: str) -> CurveSpec:
    """The curve without its implausible points, of which a warning tells. SpecError where too few are left."""
    believed, left_out = plausible(curve)
    if not left_out:
        return curve
    where = f"{curve.model} on {curve.hardware} with tensor parallelism {curve.tensor_parallelism}"
    points = ", ".join(
        f"{curve.batch_tokens[place]} batch tokens (prompt {curve.prompt_s[place]:.4g} s, "
        f"token {curve.token_s[place]:.4g} s)"
        for place in left_out
    )
    reason = f"more batch tokens would take over {MOST_FALL:.0%} less time"
    if len(believed.batch_tokens) < 2:
        raise SpecError(
            f"{where}: {points} left out, or {reason}; fewer than two points are left for a curve", source=source
        )
    warnings.warn(f"{source}: {where}: left out as implausible: {points}; with it {reason}", SpecWarning, stacklevel=2)
    return believed


def _not_measured(missing: CurveKey, measured: Iterable[CurveKey]) -> str:
    """What there are no measurements of, and the nearest that there are."""
    model, hardware, parallelism = missing
    models = sorted({name for name, _, _ in measured})
    if model not in models:
        return f"no measurements of {model}{choices(model, models)}"
    wanted = f"{hardware} with tensor parallelism {parallelism}"
    known = [f"{name} with tensor parallelism {count}" for of, name, count in sorted(measured) if of == model]
    return f"no measurements of {model} on {wanted}{choices(wanted, known)}"
