"""Expands an experiment to its points, and finds every mistake before anything runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from math import prod
from pathlib import Path
from typing import Any

from configs.folders import Inside
from configs.gpu_power import with_gpu_watts
from configs.machines import read_machines
from configs.names import check_name, check_value
from sim_core.errors import SimError, SpecError
from sweep.experiment.budget import GPU_WATTS
from sweep.experiment.builder import Builder, Choice, positive_number
from sweep.experiment.choices import FOLDER, TRACE, choice_of, choices_of, placed
from sweep.experiment.design import figures_for, with_designs
from sweep.experiment.file import Experiment, System, errors_named
from sweep.experiment.grammar import MOST_POINTS
from sweep.experiment.naming import NamedIn, distinct_points, named_points, unnamed_axes, with_axes
from sweep.experiment.overrides import values_in, with_extra
from sweep.experiment.point import Point
from sweep.experiment.variables import check_names, merged, without_unused
from sweep.experiment.written import plain
from sync.results.point_id import rate_of_number

_KINDS = {"axes": "an axis", "variables": "a variable"}
OnBuilt = Callable[[int, int], None]  # called with the number of points that are built, and of all


class Grid:
    """An experiment with the overrides `extra` on top: `total` points, counted before the first is built. `rates` are
    the values of each system's axis `rate`, `figures` what machines cost and draw, `names` those of the configuration.
    """

    def __init__(self, experiment: Experiment, extra: Sequence[str], root: Path) -> None:
        """`root` is the folder in which files are looked up. Raises SpecError for names and values that cannot be."""
        figures = read_machines(root)
        if experiment.budget is not None and experiment.budget.kind == GPU_WATTS:
            figures = with_gpu_watts(figures, root)  # no other experiment need read what machines are made of
        figures = figures_for(experiment, figures)
        folders = experiment.folders
        inside = None if folders is None else Inside.of((root, *folders), values_in(extra), root)
        self._builder = Builder(root, figures, inside, tuple(experiment.plugins.values()))
        self.figures = figures
        self.code = self._builder.code  # the simulator's code, as far as the keys of points have read it
        self.names = names = self._builder.names
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
        for choice in islice(choices_of(experiment, self.names), wanted):
            point = self._built(len(points), choice)
            if choice.system not in unnamed:
                unnamed[choice.system] = self.unnamed_axes(*self._system(choice.system))
            points.append(with_axes(point, unnamed[choice.system]))
            on_built(len(points), wanted)
        points = named_points(distinct_points(points), with_seed=self._several_seeds())
        _refuse_duplicates(points, experiment.source)
        return points

    def point(
        self, index: int, system: System, axes: Mapping[str, Any], settings: Mapping[str, object] | None = None
    ) -> Point:
        """The point of one combination of a system's axes, which need not be among those of the grid; its name, and
        axes in its name, are left to the caller. `settings` replace those that follow from the axes. Raises SimError
        as `points` does."""
        choice = choice_of(self.experiment, system, dict(axes), self.names)
        return self._built(index, replace(choice, settings={**choice.settings, **(settings or {})}))

    def unnamed_axes(self, system: System, axes: Mapping[str, Sequence[Any]]) -> NamedIn:
        """Those of a system's `axes` that points must have in their design or workload."""

        def build(values: Mapping[str, Any]) -> Point:
            return self._builder.point(0, choice_of(self.experiment, system, dict(values), self.names))

        return unnamed_axes(axes, build)

    def _built(self, index: int, choice: Choice) -> Point:
        try:
            point = replace(self._builder.point(index, choice), slo=self.experiment.slo)
            _check_trace(point)
        except SimError as error:
            raise placed(error, self.experiment, choice.system, choice.axes, choice.workload is not None) from error
        return point

    def _system(self, name: str) -> tuple[System, Mapping[str, Sequence[Any]]]:
        system = next(system for system in self.experiment.systems if system.name == name)
        return system, merged(self.experiment, system)[2]

    def _several_seeds(self) -> bool:
        axes = (merged(self.experiment, system)[2] for system in self.experiment.systems)
        return any(len(own.get("seed", ())) > 1 for own in axes)


def _numbers(values: Sequence[Any]) -> list[float]:
    """The values of an axis that are rates."""
    return [rate_of_number(number) for value in values if (number := positive_number(plain(value))) is not None]


def expand(experiment: Experiment, extra: Sequence[str], root: Path) -> list[Point]:
    """All points of an experiment, see `Grid`."""
    return Grid(experiment, extra, root).points()


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
    for text, key in ((point.trace.filename, TRACE), (point.workload, "workload"), (point.trace.dir, FOLDER)):
        check_name(text, key, "the name of a workload or a folder")


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
