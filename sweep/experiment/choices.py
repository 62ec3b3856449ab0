"""The choices of an experiment: one combination of the axes of one system each, with the settings that follow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from sim_core.errors import SimError, SpecError, TraceError
from sweep.experiment.builder import Choice, positive_number
from sweep.experiment.design import check_bought, check_given
from sweep.experiment.file import Experiment, System
from sweep.experiment.grammar import check_size, outside_references, substitute
from sweep.experiment.variables import Names, merged, work_out
from sweep.experiment.written import plain

TRACE, FOLDER, RATE = "trace.filename", "trace.dir", "${rate}"


def choices_of(experiment: Experiment, names: Names) -> Iterator[Choice]:
    """Every combination of the axes of every system, systems in the file's order, the last axis fastest."""
    for system in experiment.systems:
        _, _, axes = merged(experiment, system)
        for values in product(*axes.values()):
            yield choice_of(experiment, system, dict(zip(axes, values, strict=True)), names)


def choice_of(experiment: Experiment, system: System, axes: dict[str, Any], names: Names) -> Choice:
    overrides, variables, _ = merged(experiment, system)
    overrides |= {name: value for name, value in axes.items() if names.is_setting(name)}
    variable_axes = {name: value for name, value in axes.items() if not names.is_setting(name)}
    without_rate: str | None = None
    try:
        without_rate = _without_rate(overrides, variables, variable_axes)
        check_given(system, variable_axes)
        scope = work_out(variables, variable_axes)
        check_bought(system, scope)
        return Choice(
            system=system.name,
            axes={name: plain(value) for name, value in axes.items()},
            settings={key: _setting(key, value, scope, names) for key, value in overrides.items()},
            workload=without_rate,
        )
    except SpecError as error:
        raise placed(error, experiment, system.name, axes, without_rate is not None) from error


def _setting(key: str, value: object, scope: Mapping[str, Any], names: Names) -> Any:
    replaced = substitute(value, scope, key, names.texts.is_text)
    if isinstance(replaced, list | dict):
        check_size(replaced, key)
    return plain(replaced)


def _without_rate(
    overrides: Mapping[str, Any], variables: Mapping[str, Any], variable_axes: Mapping[str, Any]
) -> str | None:
    """The name of the trace without the rate, such as `mine` of `mine_${rate}`; None if neither its name nor its folder
    takes the rate from an axis."""
    if "rate" not in variable_axes:
        return None
    scope = work_out(variables, {name: value for name, value in variable_axes.items() if name != "rate"})
    texts = [str(substitute(overrides.get(key, ""), scope, key)) for key in (TRACE, FOLDER)]
    if not any(RATE in text for text in texts):
        return None
    named = [part.strip("_-@. ") for part in outside_references(texts[0])]
    return "_".join(filter(None, named)) or "trace"


def placed(
    error: SimError, experiment: Experiment, system: str, axes: Mapping[str, Any], rate_in_trace: bool
) -> SpecError:
    """The error with its place: file, system and axis values. If the name of the trace has a rate that is no rate, the
    error says so."""
    values = ", ".join(f"{name}={_written(value)}" for name, value in axes.items())
    place = f"system {system}" + (f" ({values})" if values else "")
    source = f"{experiment.source}: {place}" if experiment.source else place
    is_of_trace = isinstance(error, TraceError) or getattr(error, "key", "") in (TRACE, FOLDER)
    if rate_in_trace and is_of_trace and positive_number(axes["rate"]) is None:
        detail = f" ({error})" if isinstance(axes["rate"], str) else ""
        reason = f"must be a number above 0, or a part of the name of a trace file{detail}"
        return SpecError(reason, key="axes.rate", value=_written(axes["rate"]), source=source)
    if isinstance(error, SpecError) and not error.source:
        return SpecError(error.reason, key=error.key, value=error.value, source=source)
    return SpecError(str(error), source=source)


def _written(value: object) -> object:
    return getattr(value, "written", value)
