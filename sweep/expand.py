"""From an experiment to its points: strict, complete, and before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, Literal

from configs.compose import Composer
from configs.machines import MachineFigures, cost_and_power, read_machines
from sim_core import code_digest, spec_from_config
from sim_core.errors import SimError, SpecError, TraceError
from sim_core.simulation import Simulation
from sweep.experiment import Experiment, System
from sweep.grammar import override_values, parse_override, substitute, to_override
from sweep.naming import distinct_names, machines_label
from sweep.point import Point, content_key
from sweep.variables import Names, check_names, merged, without_unused, work_out
from traces import named, workload
from traces.workload import TraceRef


@dataclass(frozen=True)
class Choice:
    """One combination of axis values of one system, as overrides."""

    system: str
    axes: dict[str, object]
    overrides: tuple[str, ...]


def expand(experiment: Experiment, extra: Sequence[str], root: Path) -> list[Point]:
    """All points of an experiment, with the overrides `extra` on top; files are looked up below `root`.

    Raises SimError, in one line that names the file and the system, for whatever could not run: unknown keys and
    names, impossible clusters, missing traces, an empty grid, a point that occurs twice.
    """
    builder = _Builder(root)
    check_names(experiment, builder.names)
    if extra:  # which may leave parts of the file without effect: trace.filename=mine those that name a trace
        experiment = without_unused(with_extra(experiment, extra), builder.names)
    points: list[Point] = []
    for choice in choices_of(experiment, builder.names):
        try:
            points.append(builder.point(len(points), choice))
        except SimError as error:
            raise SpecError(str(error), source=_place(experiment, choice)) from error
    names = distinct_names([p.name for p in points], [p.axes for p in points])
    points = [replace(point, name=name) for point, name in zip(points, names, strict=True)]
    _refuse_duplicates(points, experiment.source)
    return points


def with_extra(experiment: Experiment, extra: Sequence[str]) -> Experiment:
    """The experiment with overrides from the command line: `rate=10,20` takes the place of an axis of that name
    wherever there is one (or else of a variable), `seed=0,1` adds an axis, the rest are settings of every point."""
    for text in extra:
        override = parse_override(text)
        key = override.input_line.split("=", 1)[0].strip() if override.input_line else text
        if override.is_delete():
            experiment = _set_everywhere(experiment, key, None)
            continue
        values = override_values(override, key)
        if not values:
            raise SpecError("an axis without values makes an empty grid", key=key, value=override.get_value_string())
        parts: list[Experiment | System] = [experiment, *experiment.systems]
        if any(key in part.axes for part in parts):
            experiment = _replace(experiment, key, values, "axes")
        elif any(key in part.variables for part in parts):
            experiment = _replace(experiment, key, values, "variables")
        elif len(values) > 1:
            experiment = replace(experiment, axes=experiment.axes | {key: values})
        else:
            experiment = _set_everywhere(experiment, key, values[0])
    return experiment


def choices_of(experiment: Experiment, names: Names) -> Iterator[Choice]:
    """Every combination of the axes of every system, systems in the file's order, the last axis fastest."""
    check_names(experiment, names)
    for system in experiment.systems:
        _, _, axes = merged(experiment, system)
        for values in product(*axes.values()):
            yield _choice(experiment, system, dict(zip(axes, values, strict=True)), names)


def _choice(experiment: Experiment, system: System, axes: dict[str, Any], names: Names) -> Choice:
    settings = {name: value for name, value in axes.items() if names.is_setting(name)}
    given = {name: value for name, value in axes.items() if name not in settings}
    overrides, variables, _ = merged(experiment, system)
    overrides |= settings
    try:
        scope = work_out(variables, given)
        return Choice(
            system=system.name,
            axes=axes,
            overrides=tuple(to_override(key, substitute(value, scope, key)) for key, value in overrides.items()),
        )
    except SpecError as error:
        place = _place(experiment, Choice(system.name, axes, ()))
        raise SpecError(error.reason, key=error.key, value=error.value, source=place) from error


def _replace(
    experiment: Experiment, key: str, values: tuple[Any, ...], where: Literal["axes", "variables"]
) -> Experiment:
    def axes_with(part: Experiment | System) -> dict[str, tuple[Any, ...]]:
        return part.axes | {key: values} if key in getattr(part, where) else part.axes

    systems = tuple(replace(system, axes=axes_with(system)) for system in experiment.systems)
    return replace(experiment, axes=axes_with(experiment), systems=systems)


def _set_everywhere(experiment: Experiment, key: str, value: object) -> Experiment:
    systems = tuple(replace(system, overrides=system.overrides | {key: value}) for system in experiment.systems)
    return replace(experiment, systems=systems)


@dataclass(frozen=True)
class _Source:
    """A trace, once looked at: `told` is what a point's name says of it."""

    identity: str
    told: str
    rate: float | None
    applications: frozenset[int] = frozenset({0})  # that its requests ask for


class _Builder:
    """Composes points; what many of them share is read once."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._composer = Composer()
        self._figures: dict[str, MachineFigures] = read_machines(root)
        self._sources: dict[TraceRef, _Source] = {}
        self._code_digest = code_digest()
        self.names = Names.of(self._composer.compose([]))

    def point(self, index: int, choice: Choice) -> Point:
        config = self._composer.resolved(choice.overrides)
        spec = spec_from_config(config, self._root)
        ref = TraceRef(filename=config["trace"]["filename"], dir=config["trace"]["dir"], seed=config["seed"])
        Simulation(spec)  # building it is cheap, and refuses what the spec alone does not show
        source = self._source(ref)
        if missing := source.applications - {app.application_id for app in spec.applications}:
            raise TraceError(f"asks for application {min(missing)}, which is not configured", source=ref.filename)
        counts = spec.machine_counts()
        cost, power = cost_and_power(counts, self._figures)
        return Point(
            index=index,
            name=f"{choice.system} {machines_label(spec)} {source.told}",
            system=choice.system,
            overrides=choice.overrides,
            spec=spec,
            trace=ref,
            trace_identity=source.identity,
            key=content_key(spec, source.identity, self._code_digest),
            axes=choice.axes,
            machines=counts,
            cost=cost,
            power=power,
            rate=source.rate,
            config=config,
        )

    def _source(self, ref: TraceRef) -> _Source:
        """What a trace is; a written one is read whole, so that what is wrong with it shows before anything runs."""
        if ref not in self._sources:
            identity = workload.identity(ref, self._root)
            if workload.find(ref, self._root) is None:
                recipe = named.parse(ref.filename, ref.seed)
                told = f"{recipe.workload} {recipe.rate_per_s:g} rps"
                self._sources[ref] = _Source(identity, told, recipe.rate_per_s)
            else:
                applications = frozenset(workload.load(ref, self._root).application_id)
                self._sources[ref] = _Source(identity, ref.filename, None, applications)
        return self._sources[ref]


def _place(experiment: Experiment, choice: Choice) -> str:
    axes = ", ".join(f"{name}={value}" for name, value in choice.axes.items())
    where = f"system {choice.system}" + (f" ({axes})" if axes else "")
    return f"{experiment.source}: {where}" if experiment.source else where


def _refuse_duplicates(points: Sequence[Point], source: str) -> None:
    first: dict[str, Point] = {}
    for point in points:
        other = first.setdefault(point.key, point)
        if other is not point:
            reason = (
                f"points {other.index} and {point.index} are the same run ({other.name}; {point.name}):"
                f" drop one, or vary a setting that makes a difference"
            )
            raise SpecError(reason, source=source)
