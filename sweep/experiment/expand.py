"""From an experiment to its points: strict, complete, and before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, product
from math import prod
from pathlib import Path
from typing import Any, Literal

from configs.machines import read_machines
from sim_core import Code
from sim_core.errors import SimError, SpecError, nearest
from sweep.experiment.builder import Builder, Choice
from sweep.experiment.design import check_bought, check_given, figures_for, with_designs
from sweep.experiment.file import Experiment, System
from sweep.experiment.grammar import MOST_POINTS, outside_references, override_values, parse_override, substitute
from sweep.experiment.naming import distinct_points, named_points
from sweep.experiment.point import Point
from sweep.experiment.telling import Untold, untold_axes, with_axes
from sweep.experiment.variables import (
    SINGLE_RUNS,
    Names,
    check_names,
    merged,
    refuse_settings_of_single_runs,
    without_unused,
    work_out,
)
from sweep.experiment.written import plain

_TRACE, _FOLDER, _RATE = "trace.filename", "trace.dir", "${rate}"
Told = Callable[[int, int], None]  # how many points are built, and of how many


class Grid:
    """An experiment with the overrides `extra` on top: `total` points, counted before the first is built."""

    def __init__(self, experiment: Experiment, extra: Sequence[str], root: Path) -> None:
        """Files are looked up below `root`. Raises SpecError for names and values that are not what they should be."""
        figures = figures_for(experiment, read_machines(root))
        self._builder = Builder(root, figures)
        names = self._builder.names
        experiment = with_designs(experiment, figures)
        check_names(experiment, names)
        # Overrides may leave parts of the file without effect: trace.filename=mine those that name a trace.
        self.experiment = experiment = without_unused(with_extra(experiment, extra, names), names)
        check_names(experiment, names)
        self.total = sum(prod(map(len, merged(experiment, system)[2].values())) for system in experiment.systems)

    @property
    def code(self) -> Code:
        """The simulator's code, with what was read of it for the points' keys."""
        return self._builder.code

    def points(self, limit: int | None = None, told: Told = lambda done, total: None) -> list[Point]:
        """The points, or the first `limit` of them; `told` hears after each how far it is.

        Raises SimError, in one line that names the file and the system, for whatever could not run: unknown keys and
        names, impossible clusters, missing traces, a grid that is too large, a point that occurs twice.
        """
        experiment = self.experiment
        wanted = min(self.total, limit or self.total)
        if wanted > MOST_POINTS:
            reason = f"the grid has {self.total} points, more than {MOST_POINTS}; shorten an axis, or say --limit N"
            raise SpecError(reason, source=experiment.source)
        points: list[Point] = []
        untold: dict[str, Untold] = {}
        for choice in islice(choices_of(experiment, self._builder.names), wanted):
            try:
                point = replace(self._builder.point(len(points), choice), slo=experiment.slo)
            except SimError as error:
                raise SpecError(str(error), source=_place(experiment, choice)) from error
            if choice.system not in untold:
                untold[choice.system] = self._untold(choice.system)
            points.append(with_axes(point, untold[choice.system]))
            told(len(points), wanted)
        points = named_points(distinct_points(points), with_seed=self._several_seeds())
        _refuse_duplicates(points, experiment.source)
        return points

    def _untold(self, name: str) -> Untold:
        experiment = self.experiment
        system = next(system for system in experiment.systems if system.name == name)
        names = self._builder.names

        def build(values: Mapping[str, Any]) -> Point:
            return self._builder.point(0, _choice(experiment, system, dict(values), names))

        return untold_axes(merged(experiment, system)[2], build)

    def _several_seeds(self) -> bool:
        axes = (merged(self.experiment, system)[2] for system in self.experiment.systems)
        return any(len(of_system.get("seed", ())) > 1 for of_system in axes)


def expand(experiment: Experiment, extra: Sequence[str], root: Path) -> list[Point]:
    """All points of an experiment, see `Grid`."""
    return Grid(experiment, extra, root).points()


def with_extra(experiment: Experiment, extra: Sequence[str], names: Names) -> Experiment:
    """The experiment with overrides from the command line: `rate=10,20` takes the place of an axis of that name
    wherever there is one (or else of a variable), `seed=0,1` adds an axis, the rest are settings of every point.

    Raises SpecError for a name that is none of these.
    """
    for text in extra:
        override = parse_override(names.texts.as_written(text))
        key = override.input_line.split("=", 1)[0].strip() if override.input_line else text
        if override.is_delete():
            experiment = _set_everywhere(experiment, key, None)
            continue
        refuse_settings_of_single_runs([key])
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


def _unknown(key: str, parts: Sequence[Experiment | System], names: Names) -> str:
    own = list(dict.fromkeys(name for part in parts for name in (*part.axes, *part.variables)))
    close = nearest(key, [*own, *sorted(names.known - SINGLE_RUNS.keys())])
    hint = f"; did you mean {close!r}?" if close else ""
    has = f" (the experiment has: {', '.join(own)})" if own else ""
    return f"neither an axis or variable of the experiment nor a setting{hint}{has}"


def choices_of(experiment: Experiment, names: Names) -> Iterator[Choice]:
    """Every combination of the axes of every system, systems in the file's order, the last axis fastest."""
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
        check_given(system, given)
        scope = work_out(variables, given)
        check_bought(system, scope)
        is_text = names.texts.is_text
        return Choice(
            system=system.name,
            axes={name: plain(value) for name, value in axes.items()},
            settings={key: plain(substitute(value, scope, key, is_text)) for key, value in overrides.items()},
            workload=_without_rate(overrides, variables, given),
        )
    except SpecError as error:
        place = _place(experiment, Choice(system.name, axes, {}))
        raise SpecError(error.reason, key=error.key, value=error.value, source=place) from error


def _without_rate(overrides: Mapping[str, Any], variables: Mapping[str, Any], given: Mapping[str, Any]) -> str | None:
    """What traces are called beside the rate, such as `mine` of `mine_${rate}`; None where neither their name nor their
    folder takes the rate from the axis of that name."""
    if "rate" not in given:
        return None
    scope = work_out(variables, {name: value for name, value in given.items() if name != "rate"})
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


def _place(experiment: Experiment, choice: Choice) -> str:
    axes = ", ".join(f"{name}={getattr(value, 'written', value)}" for name, value in choice.axes.items())
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
