"""The spaces of clusters that an experiment with a question is about, built from the experiment itself.

A search asks for the same runs as a grid with the same rates, seeds and machines would: `Grid` makes the points, under
the names and the keys that it gives them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import count, product
from math import prod
from pathlib import Path
from typing import Any

from sim_core.errors import SpecError, TraceError
from sweep.experiment.choices import TRACE
from sweep.experiment.expand import Grid
from sweep.experiment.file import Experiment, System
from sweep.experiment.naming import SEED, STOP, distinct_points, named_points, with_axes
from sweep.experiment.overrides import with_find
from sweep.experiment.point import Point, horizon_of
from sweep.experiment.question import Question
from sweep.experiment.variables import keys_using, merged
from sweep.experiment.written import noted
from sweep.planner.bounds import balanced_rate, rate_bound
from sweep.planner.defaults import FIRST_RATE, NO_LOAD, RATE_AXIS, as_grid, stop_at_backlog_s, trace_depends_on
from sweep.planner.families import Members, Prices, Sizes, machines_of, members, numbers_of
from sweep.planner.space import Cluster, Family
from traces import named, workload
from traces.workload import TraceRef

RATE_DIGITS = 6  # significant ones of a rate that is searched
WORKLOAD_AXIS = "workload"
OnBuilt = Callable[[int, int], None]


@dataclass(frozen=True)
class _Source:
    """What makes the points of a system. `axes` are all of its axes."""

    grid: Grid
    root: Path
    system: System
    axes: Mapping[str, Sequence[Any]]
    prices: Prices
    indices: Iterator[int]

    @property
    def place(self) -> str:
        """The place of the system, for errors."""
        return ": ".join(filter(None, (self.grid.experiment.source, f"system {self.system.name}")))

    def point(self, values: Mapping[str, Any], settings: Mapping[str, object] | None = None) -> Point:
        """The point of one value of each axis."""
        axes = {name: values[name] for name in self.axes}
        return self.grid.point(next(self.indices), self.system, axes, settings)

    def has(self, setting: str) -> bool:
        """Whether the experiment says what a setting is, if only by an axis."""
        overrides, _, axes = merged(self.grid.experiment, self.system)
        return setting in overrides or setting in axes

    def has_trace_of_each_seed(self) -> bool:
        """Whether each seed names a trace of its own."""
        overrides, variables, _ = merged(self.grid.experiment, self.system)
        return trace_depends_on(SEED, overrides, variables)

    def trace_identity(self, trace: TraceRef, seed: int) -> str:
        return workload.identity(replace(trace, seed=seed), self.root)


@dataclass(frozen=True)
class _Kind:
    """A family with its first point, and what a grid adds to the texts of its points to tell families apart."""

    members: Members
    first: Point
    design: str = ""
    workload: str = ""


class ClusterSpace:
    """The clusters of a system under one workload: see `sweep.planner.space.Space`."""

    def __init__(self, source: _Source, values: Mapping[str, Any], kinds: Sequence[_Kind], *, searches: bool) -> None:
        """`values` are those of the axes that make the workload. `searches`: the rate is to be found."""
        self._source, self._values, self._kinds, self._searches = source, values, kinds, searches
        self._points: dict[tuple[object, ...], Point] = {}
        first = kinds[0].first
        self.system = source.system.name
        self.workload = first.workload + kinds[0].workload
        self.load = None if searches else first.rate
        self.families: Sequence[Family] = [kind.members.family for kind in kinds]
        identities = {source.trace_identity(first.trace, seed) for seed in (0, 1)}
        self.has_draws = len(identities) > 1 or source.has_trace_of_each_seed()
        made_s = workload.duration_s(first.trace, source.root)
        self.horizon_s = horizon_of(made_s, first.spec) if searches else first.horizon_s
        stop_s = stop_at_backlog_s(source.grid.experiment.slo, self.horizon_s)
        self._settings: dict[str, object] = {} if source.has(STOP) else {STOP: stop_s}

    def check_traces(self, seeds: int) -> None:
        """Raise SpecError where the traces of so many seeds are files, and one of them is not there, or is another one
        again: that would count as a repetition."""
        cluster, seen = next(self.extremes()), dict[str, int]()
        for seed in range(seeds) if self._source.has_trace_of_each_seed() else ():
            try:
                point = self._first_point(cluster, seed)
            except SpecError as error:
                many = f"find.seeds={seeds} asks for the traces of the seeds 0 to {seeds - 1}"
                raise SpecError(
                    f"{error.reason}; {many}", key=error.key, value=error.value, source=error.source
                ) from error
            if (first := seen.setdefault(point.trace_identity, seed)) != seed:
                reason = f"the trace of seed {seed} is that of seed {first} again: each seed needs one of its own"
                raise SpecError(reason, key="trace.filename", value=point.trace.filename, source=self._source.place)

    def cluster(self, family: int, sizes: Sizes) -> Cluster:
        """A cluster of a family, with what it costs and draws."""
        design, first = self._source.system.design, self._kinds[family].first
        if design is not None:
            return self._source.prices.cluster(family, sizes, machines_of(design, sizes))
        return Cluster(family, sizes, first.cost, first.power, first.watts, sum(first.machines.values()))

    def point(self, cluster: Cluster, rate: float | None, seed: int, longer: int = 1, asked: str = "") -> Point:
        """The point that runs a cluster: see `Space.point`."""
        number = None if rate is None else searched_rate(rate)
        key = (cluster.family, cluster.sizes, number, seed, longer)
        if key not in self._points:
            settings = dict(self._settings)
            if longer > 1:
                settings[TRACE] = self._longer_trace(cluster, rate, seed, longer)
            point = self._made(cluster, number, seed, settings)
            if longer > 1:
                point = replace(point, workload=f"{point.workload} {point.horizon_s:g}s")
            self._points[key] = named_points([point], with_seed=True)[0]
        return replace(self._points[key], asked=asked)

    def _longer_trace(self, cluster: Cluster, rate: float | None, seed: int, longer: int) -> str:
        short = self.point(cluster, rate, seed).trace.filename
        name = named.longer(short, longer) if self.can_last_longer() else None
        if name is None:
            raise SpecError("this trace cannot be made longer", key=TRACE, value=short)
        return name

    def _made(self, cluster: Cluster, rate: int | float | None, seed: int, settings: Mapping[str, object]) -> Point:
        kind, source = self._kinds[cluster.family], self._source
        machine_axes = kind.members.machine_axes(cluster.sizes)
        values = {**self._values, **kind.members.family.values, **machine_axes, SEED: seed}
        if rate is not None:
            if RATE_AXIS not in source.axes:
                reason = "the trace does not take its rate from ${rate}, so no other load can be asked for"
                raise SpecError(reason, key=TRACE, value=kind.first.trace.filename)
            values[RATE_AXIS] = rate
        point = source.point(values, settings)
        return replace(point, design=point.design + kind.design, workload=point.workload + kind.workload)

    def can_last_longer(self) -> bool:
        """Whether `point` takes other values of `longer` than 1."""
        first = self._kinds[0].first
        is_named = workload.find(first.trace, self._source.root) is None
        return is_named and first.spec.end_time_s is None

    def bound_per_s(self, cluster: Cluster) -> float | None:
        """The rate that the cluster cannot exceed for long; None: not known."""
        return rate_bound(self._first_point(cluster), self._source.root)

    def balanced_per_s(self, cluster: Cluster) -> float | None:
        """The same with every machine in its own role; see `Space.balanced_per_s`."""
        return balanced_rate(self._first_point(cluster), self._source.root)

    def _first_point(self, cluster: Cluster, seed: int = 0) -> Point:
        return self.point(cluster, FIRST_RATE if self._searches else None, seed)

    @property
    def grid(self) -> Grid:
        """What makes the points."""
        return self._source.grid

    @property
    def first(self) -> Point:
        """A point of the first cluster."""
        return self._kinds[0].first

    @property
    def clusters(self) -> int:
        """The number of clusters."""
        families = self.families
        return sum(prod(map(len, f.counts)) if f.listed is None else len(f.listed) for f in families)

    def extremes(self) -> Iterator[Cluster]:
        """Clusters that span the prices of the space: the smallest and the largest of each family."""
        for number, family in enumerate(self.families):
            ends = family.listed or (tuple(c[0] for c in family.counts), tuple(c[-1] for c in family.counts))
            yield from (self.cluster(number, sizes) for sizes in dict.fromkeys(ends))


def spaces(
    experiment: Experiment,
    extra: Sequence[str],
    root: Path,
    on_built: OnBuilt = lambda ready, total: None,
) -> list[ClusterSpace]:
    """The spaces of an experiment with a question: one for each system and combination of the axes that make the
    workload. The first point of each family is built, so that mistakes show before anything runs; `on_built` is called
    after each. Raises SimError, in one line that names the place, for what cannot be asked or could not run."""
    experiment, extra = with_find(experiment, extra)
    question = experiment.find
    assert question is not None
    grid = Grid(as_grid(experiment, question, extra), extra, root)
    prices = Prices(grid.figures, experiment.budget if question.asks == "least" else None)
    indices = count()
    found: list[ClusterSpace] = []
    for system in grid.experiment.systems:
        source = _Source(grid, root, system, merged(grid.experiment, system)[2], prices, indices)
        found += _of_system(source, question, on_built)
    for space in found:
        space.check_traces(question.seeds)
    return found


def searched_rate(rate: float) -> int | float:
    """A rate as a search writes it: with at most six significant digits, no trailing zeros and no exponent."""
    text = f"{Decimal(f'{rate:.{RATE_DIGITS}g}'):f}"
    number: int | float = noted(float(text), text) if "." in text else int(text)
    return number


def _of_system(source: _Source, question: Question, on_built: OnBuilt) -> list[ClusterSpace]:
    """The spaces of one system."""
    searches = question.asks == "most"
    loads = _load_axes(source, searches=searches)
    machine_axes = {name: source.axes[name] for name in numbers_of(source.system.design) if name in source.axes}
    searched = (SEED, RATE_AXIS) if searches else (SEED,)
    others = [name for name in source.axes if name not in (*loads, *machine_axes, *searched)]
    workloads, kinds_of = list(_combinations(source.axes, loads)), []
    families = list(_combinations(source.axes, others))
    for place, workload_values in enumerate(workloads):
        kinds = []
        for number, values in enumerate(families):
            if (kind := _kind(source, workload_values, values, machine_axes)) is not None:
                kinds.append(kind)
            on_built(place * len(families) + number + 1, len(workloads) * len(families))
        if not kinds:
            raise _buys_nothing(source)
        kinds_of.append(kinds)
    told = _told_apart(source, kinds_of, machine_axes)
    found = zip(workloads, told, strict=True)
    return [ClusterSpace(source, values, kinds, searches=searches) for values, kinds in found]


def _load_axes(source: _Source, *, searches: bool) -> list[str]:
    """The axes that make a workload: `workload`, the loads that are given, and those that change the trace alone."""
    overrides, variables, _ = merged(source.grid.experiment, source.system)
    names = [WORKLOAD_AXIS] if searches else [WORKLOAD_AXIS, RATE_AXIS]

    def is_of_trace(axis: str) -> bool:
        is_setting = source.grid.names.is_setting(axis)
        keys = [axis] if is_setting else keys_using(axis, overrides, variables)
        return all(key.partition(".")[0] == "trace" for key in keys)

    return [axis for axis in source.axes if axis in names or (axis != RATE_AXIS and is_of_trace(axis))]


def _combinations(axes: Mapping[str, Sequence[Any]], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    for values in product(*(axes[name] for name in names)):
        yield dict(zip(names, values, strict=True))


def _kind(
    source: _Source,
    workload_values: Mapping[str, Any],
    values: Mapping[str, Any],
    machine_axes: Mapping[str, Sequence[Any]],
) -> _Kind | None:
    """The family of these values; None if the budget allows no cluster of it."""
    family: Members | None = Members(Family(values, ()), ())
    if source.system.design is not None:
        _, variables, _ = merged(source.grid.experiment, source.system)
        scope = {**variables, **workload_values, **values}
        family = members(source.system, values, scope, machine_axes, source.prices)
    if family is None:
        return None
    first_rate = {} if RATE_AXIS in workload_values else {RATE_AXIS: FIRST_RATE}
    axes = {**workload_values, **values, **family.machine_axes(family.first), **first_rate, SEED: 0}
    try:
        point = source.point(axes)
    except SpecError as error:
        if not first_rate or not isinstance(error.__cause__, TraceError):
            raise
        hint = f"a search tries rates that it chooses itself, here {FIRST_RATE}"
        raise SpecError(f"{error.reason}; {hint}", key=error.key, value=error.value, source=error.source) from error
    if point.concurrency is not None:
        raise SpecError(NO_LOAD, key=TRACE, value=point.trace.filename, source=source.place)
    if first_rate and RATE_AXIS in source.axes and point.rate != FIRST_RATE:
        reason = f"its rate is {point.rate} where ${{rate}} is {FIRST_RATE}, so the highest rate cannot be searched"
        raise SpecError(reason, key=TRACE, value=point.trace.filename, source=source.place)
    return _Kind(family, point) if source.prices.allow(point.machines) else None


def _told_apart(
    source: _Source, kinds_of: Sequence[Sequence[_Kind]], machine_axes: Mapping[str, Sequence[Any]]
) -> list[list[_Kind]]:
    """The kinds of all workloads, with what a grid adds to the texts of points that would be alike without it."""
    axes = {name: values[:1] if name in machine_axes else values for name, values in source.axes.items()}
    unnamed = source.grid.unnamed_axes(source.system, axes)
    kinds = [kind for of_workload in kinds_of for kind in of_workload]
    told = iter(distinct_points([with_axes(kind.first, unnamed) for kind in kinds]))

    def with_texts(kind: _Kind) -> _Kind:
        design, name = (point := next(told)).design, point.workload
        first = kind.first
        return replace(kind, design=design[len(first.design) :], workload=name[len(first.workload) :])

    return [[with_texts(kind) for kind in of_workload] for of_workload in kinds_of]


def _buys_nothing(source: _Source) -> SpecError:
    assert source.prices.budget is not None
    reason = "buys none of the clusters that the system may have"
    return SpecError(reason, key="budget", value=source.prices.budget.text(source.grid.figures), source=source.place)
