"""Expands an experiment to its points, and finds every mistake before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import islice, product
from math import prod
from pathlib import Path
from typing import Any, Literal

from configs.folders import Inside
from configs.machines import read_machines
from configs.names import check_name, check_value
from configs.stored import SINGLE_RUNS, check_key
from sim_core.errors import SimError, SpecError, TraceError
from sweep.experiment.builder import Builder, Choice, positive_number
from sweep.experiment.design import check_bought, check_given, figures_for, with_designs
from sweep.experiment.file import Experiment, System, errors_named
from sweep.experiment.grammar import (
    MOST_POINTS,
    check_size,
    outside_references,
    override_values,
    parse_override,
    substitute,
)
from sweep.experiment.naming import NamedIn, distinct_points, named_points, unnamed_axes, with_axes
from sweep.experiment.point import Point
from sweep.experiment.variables import (
    Names,
    check_names,
    key_and_package,
    merged,
    near_name,
    without_unused,
    work_out,
)
from sweep.experiment.written import plain
from sync.results.point_id import rate_of_number

_TRACE, _FOLDER, _RATE = "trace.filename", "trace.dir", "${rate}"
_KINDS = {"axes": "an axis", "variables": "a variable"}
OnBuilt = Callable[[int, int], None]  # called with the number of points that are built, and of all


class Grid:
    """An experiment with the overrides `extra` on top: `total` points, counted before the first is built. `rates` are
    the values of each system's axis `rate`, `figures` what machines cost and draw."""

    def __init__(self, experiment: Experiment, extra: Sequence[str], root: Path) -> None:
        """`root` is the folder in which files are looked up. Raises SpecError for names and values that cannot be."""
        figures = figures_for(experiment, read_machines(root))
        folders = experiment.folders
        inside = None if folders is None else Inside.of((root, *folders), _values(extra), root)
        self._builder = Builder(root, figures, inside)
        self.figures = figures
        self.code = self._builder.code  # the simulator's code, as far as the keys of points have read it
        names = self._builder.names
        _check_texts(experiment)
        experiment = with_designs(experiment, figures)
        check_names(experiment, names)
        # Overrides may make parts of the file useless: trace.filename=mine those that name a trace.
        self.experiment = experiment = without_unused(with_extra(experiment, extra, names), names)
        _check_texts(experiment)  # the command line may have added some
        check_names(experiment, names)
        axes = {system.name: merged(experiment, system)[2] for system in experiment.systems}
        self.rates = {name: _numbers(own.get("rate", ())) for name, own in axes.items()}
        self.total = sum(prod(map(len, own.values())) for own in axes.values())

    def points(self, limit: int | None = None, on_built: OnBuilt = lambda ready, total: None) -> list[Point]:
        """The points, or the first `limit` of them; `on_built` is called after each.

        Raises SimError, in one line that names the file and the system, for whatever could not run: unknown keys and
        names, impossible clusters, missing traces, a grid that is too large, a point that occurs twice.
        """
        experiment = self.experiment
        wanted = min(self.total, limit or self.total)
        if wanted > MOST_POINTS:
            reason = f"the grid has {self.total} points, more than {MOST_POINTS}; shorten an axis, or say --limit N"
            raise SpecError(reason, source=experiment.source)
        points: list[Point] = []
        unnamed: dict[str, NamedIn] = {}
        for choice in islice(_choices(experiment, self._builder.names), wanted):
            try:
                point = replace(self._builder.point(len(points), choice), slo=experiment.slo)
                _check_trace(point)
            except SimError as error:
                raise _placed(error, experiment, choice.system, choice.axes, choice.workload is not None) from error
            if choice.system not in unnamed:
                unnamed[choice.system] = self._unnamed_axes(choice.system)
            points.append(with_axes(point, unnamed[choice.system]))
            on_built(len(points), wanted)
        points = named_points(distinct_points(points), with_seed=self._several_seeds())
        _refuse_duplicates(points, experiment.source)
        return points

    def _unnamed_axes(self, name: str) -> NamedIn:
        experiment = self.experiment
        system = next(system for system in experiment.systems if system.name == name)
        names = self._builder.names

        def build(values: Mapping[str, Any]) -> Point:
            return self._builder.point(0, _choice(experiment, system, dict(values), names))

        return unnamed_axes(merged(experiment, system)[2], build)

    def _several_seeds(self) -> bool:
        axes = (merged(self.experiment, system)[2] for system in self.experiment.systems)
        return any(len(own.get("seed", ())) > 1 for own in axes)


def _numbers(values: Sequence[Any]) -> list[float]:
    """The values of an axis that are rates."""
    return [rate_of_number(number) for value in values if (number := positive_number(plain(value))) is not None]


def expand(experiment: Experiment, extra: Sequence[str], root: Path) -> list[Point]:
    """All points of an experiment, see `Grid`."""
    return Grid(experiment, extra, root).points()


def _values(extra: Sequence[str]) -> Iterator[object]:
    """The values in overrides of the command line; `with_extra` reports those that cannot be read."""
    for text in extra:
        with suppress(SpecError):
            override = parse_override(text)
            if not override.is_delete():
                yield from override_values(override, text)


def with_extra(experiment: Experiment, extra: Sequence[str], names: Names) -> Experiment:
    """The experiment with overrides from the command line: `rate=10,20` takes the place of an axis of that name
    wherever there is one (or else of a variable), `seed=0,1` adds an axis, the others are settings of every point.

    Raises SpecError for an unknown name.
    """
    for text in extra:
        override = parse_override(names.texts.as_written(text))
        key = override.input_line.split("=", 1)[0].strip() if override.input_line else text
        check_key(*key_and_package(key))
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
        elif key.isidentifier() and not names.is_setting(key):
            raise SpecError(_unknown(key, parts, names), key=key, value=override.get_value_string())
        elif len(values) > 1:
            experiment = replace(experiment, axes=experiment.axes | {key: values})
        else:
            experiment = _set_everywhere(experiment, key, values[0])
    return experiment


def _check_texts(experiment: Experiment) -> None:
    """Raise SpecError for a name or a value of an axis or a variable that a screen cannot show as it is."""
    parts: list[tuple[str, Experiment | System]] = [("", experiment)]
    for place, part in [*parts, *((f"systems.{system.name}.", system) for system in experiment.systems)]:
        for kind in ("axes", "variables"):
            for name, value in getattr(part, kind).items():
                with errors_named(experiment.source):
                    check_name(name, f"{place}{kind}", f"the name of {_KINDS[kind]}")
                    check_value(value, f"{place}{kind}.{name}")


def _check_trace(point: Point) -> None:
    """Raise SpecError for a workload that has a name which a screen cannot show as it is."""
    for text, key in ((point.trace.filename, _TRACE), (point.workload, "workload"), (point.trace.dir, _FOLDER)):
        check_name(text, key, "the name of a workload or a folder")


def _unknown(key: str, parts: Sequence[Experiment | System], names: Names) -> str:
    own = list(dict.fromkeys(name for part in parts for name in (*part.axes, *part.variables)))
    hint = near_name(key, [*own, *sorted(names.known - SINGLE_RUNS.keys())])
    has = f" (the experiment has: {', '.join(own)})" if own else ""
    return f"neither an axis or variable of the experiment nor a setting{hint}{has}"


def _choices(experiment: Experiment, names: Names) -> Iterator[Choice]:
    """Every combination of the axes of every system, systems in the file's order, the last axis fastest."""
    for system in experiment.systems:
        _, _, axes = merged(experiment, system)
        for values in product(*axes.values()):
            yield _choice(experiment, system, dict(zip(axes, values, strict=True)), names)


def _choice(experiment: Experiment, system: System, axes: dict[str, Any], names: Names) -> Choice:
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
        raise _placed(error, experiment, system.name, axes, without_rate is not None) from error


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
    texts = [str(substitute(overrides.get(key, ""), scope, key)) for key in (_TRACE, _FOLDER)]
    if not any(_RATE in text for text in texts):
        return None
    named = [part.strip("_-@. ") for part in outside_references(texts[0])]
    return "_".join(filter(None, named)) or "trace"


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


def _placed(
    error: SimError, experiment: Experiment, system: str, axes: Mapping[str, Any], rate_in_trace: bool
) -> SpecError:
    """The error with its place: file, system and axis values. If the name of the trace has a rate that is no rate, the
    error says so."""
    values = ", ".join(f"{name}={_written(value)}" for name, value in axes.items())
    place = f"system {system}" + (f" ({values})" if values else "")
    source = f"{experiment.source}: {place}" if experiment.source else place
    is_of_trace = isinstance(error, TraceError) or getattr(error, "key", "") in (_TRACE, _FOLDER)
    if rate_in_trace and is_of_trace and positive_number(axes["rate"]) is None:
        detail = f" ({error})" if isinstance(axes["rate"], str) else ""
        reason = f"must be a number above 0, or a part of the name of a trace file{detail}"
        return SpecError(reason, key="axes.rate", value=_written(axes["rate"]), source=source)
    if isinstance(error, SpecError) and not error.source:
        return SpecError(error.reason, key=error.key, value=error.value, source=source)
    return SpecError(str(error), source=source)


def _written(value: object) -> object:
    return getattr(value, "written", value)


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
