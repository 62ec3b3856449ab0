"""Builds the points that an experiment's choices make; what many of them share is worked out once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any

from configs.compose import Composer
from configs.machines import MachineFigures, cost_and_power, provisioned_watts
from sim_core import SimSpec, spec_from_config
from sim_core.errors import TraceError
from sim_core.performance.base import CurveKey
from sim_core.performance.measurements import read_curves
from sim_core.simulation import Simulation
from sim_core.spec import CurveSpec
from sim_core.start_state import START_STATES, InstancePlan, Machines
from sweep.experiment.grammar import to_override
from sweep.experiment.naming import machines_by_role, machines_label
from sweep.experiment.point import Point, content_key, deciding_code
from sweep.experiment.resolver import Resolver
from sweep.experiment.variables import Names
from sync.results.point_id import Roles, rate_of_number
from traces import named, workload
from traces.workload import TraceRef


@dataclass(frozen=True)
class Choice:
    """One combination of axis values of one system, and the settings that come of it. `workload`: what the name of its
    trace says beside the rate; None where the trace does not take the rate from an axis."""

    system: str
    axes: dict[str, object]
    settings: dict[str, Any]
    workload: str | None = None


@dataclass(frozen=True)
class _Source:
    """A trace, once looked at."""

    identity: str
    workload: str
    rate: float | None
    requests: int
    applications: frozenset[int] = frozenset({0})  # that its requests ask for


@dataclass(frozen=True)
class _Design:
    """What a configuration says beside its trace, once it is known to work."""

    spec: SimSpec
    label: str
    machines: dict[str, int]
    cost: float
    power: float
    watts: float
    roles: Roles
    parts: Iterable[object]  # kept, since it is found by their ids


class Builder:
    """Builds points, files being looked up below `root`."""

    def __init__(self, root: Path, figures: Mapping[str, MachineFigures]) -> None:
        """`figures` say what machines cost and draw."""
        self._root = root
        composer = Composer()
        self._resolver = Resolver(composer)
        self._figures = figures
        self._sources: dict[TraceRef, _Source] = {}
        self._designs: dict[tuple[object, ...], _Design] = {}
        self._curves: dict[Path, Mapping[CurveKey, CurveSpec]] = {}
        self._built: set[tuple[SimSpec, tuple[tuple[int, frozenset[InstancePlan]], ...]]] = set()
        self.code = deciding_code()
        self.names = Names.of(composer.compose([]))

    def point(self, index: int, choice: Choice) -> Point:
        """The point of a choice. Raises SimError for what could not run."""
        overrides = tuple(to_override(key, value) for key, value in choice.settings.items())
        config = self._resolver.resolved(choice.settings, overrides)
        design = self._design(config)
        spec = design.spec
        ref = workload.ref_from_config(config, spec.seed)
        source = self._source(ref)
        if missing := source.applications - {app.application_id for app in spec.applications}:
            reason = f"asks for application {min(missing)}, which is not configured; applications=duo is an example"
            raise TraceError(f"{reason} of two, with start_state=several", source=ref.filename)
        rate, workload_name = _served(choice, source)
        return Point(
            index=index,
            name="",  # `naming.distinct_points` gives it, once all points are known
            system=choice.system,
            design=f"{choice.system} {design.label}{_stop_label(spec)}",
            workload=workload_name,
            overrides=overrides,
            spec=spec,
            trace=ref,
            trace_identity=source.identity,
            key=content_key(spec, source.identity, self.code.digest_for(spec)),
            axes=choice.axes,
            machines=design.machines,
            cost=design.cost,
            power=design.power,
            rate=rate,
            config=config,
            requests=source.requests,
            watts=design.watts,
            roles=design.roles,
        )

    def _design(self, config: Mapping[str, Any]) -> _Design:
        """Configurations that share all parts but the trace share their design."""
        parts = {name: value for name, value in config.items() if name != "trace"}
        known = tuple(
            (name, id(value)) if isinstance(value, dict | list) else (name, type(value), value)
            for name, value in parts.items()
        )
        if known not in self._designs:
            spec = spec_from_config(config, self._root, self._measured)
            self._check(spec)
            counts = spec.machine_counts()
            cost, power = cost_and_power(counts, self._figures)
            self._designs[known] = _Design(
                spec,
                machines_label(spec),
                counts,
                cost,
                power,
                provisioned_watts(counts, self._figures),
                machines_by_role(spec),
                parts.values(),
            )
        return self._designs[known]

    def _measured(self, path: Path, source: str) -> Mapping[CurveKey, CurveSpec]:
        if path not in self._curves:
            self._curves[path] = read_curves(path, source)
        return self._curves[path]

    def _check(self, spec: SimSpec) -> None:
        """Raise what building the simulation would raise, which the spec alone does not show. Of clusters of the same
        kinds of instances one is built: how many there are of each only decides which kinds there are."""
        machines = Machines(spec.servers)
        kinds = []
        for state in spec.start_states:
            plans = START_STATES[state.kind].plans(state, machines.take(state))
            alike = {(plan.sku, plan.role, id(plan.processors), id(plan.spec)): plan for plan in plans}
            kinds.append((state.application_id, frozenset(alike.values())))
        known = replace(spec, servers=(), start_states=()), tuple(kinds)
        if known not in self._built:
            Simulation(spec)
            self._built.add(known)

    def _source(self, ref: TraceRef) -> _Source:
        """What a trace is; a written one is read whole, so that what is wrong with it shows before anything runs."""
        if ref not in self._sources:
            identity = workload.identity(ref, self._root)
            if workload.find(ref, self._root) is None:
                recipe = named.parse(ref.filename, ref.seed)
                about = int(recipe.rate_per_s * (recipe.duration_s or 0.0))  # a named workload has a duration
                told = workload.workload_name(ref, self._root)
                self._sources[ref] = _Source(identity, told, rate_of_number(recipe.rate_per_s), about)
            else:
                trace = workload.load(ref, self._root)
                applications = frozenset(trace.application_id)
                rate, told = workload.rate_per_s(ref, self._root), workload.workload_name(ref, self._root)
                rate = None if rate is None else rate_of_number(rate)
                self._sources[ref] = _Source(identity, told, rate, len(trace), applications)
        return self._sources[ref]


def _served(choice: Choice, source: _Source) -> tuple[float | None, str]:
    """The rate and the workload of a point: the trace's own rate, else an axis `rate`; the experiment's own word for
    the workload where it has an axis of that name, else the name of the traces without what the rate puts into it."""
    said, rate = choice.axes.get("workload"), choice.axes.get("rate")
    number = _number(rate) if source.rate is None and choice.workload is not None else None
    if number is not None:
        return rate_of_number(number), said if isinstance(said, str) else choice.workload or source.workload
    return source.rate, said if isinstance(said, str) else source.workload


def _number(value: object) -> float | None:
    """A rate as it may be written: a number, also in quotes; None for what is none."""
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except ValueError:
        return None
    return number if 0.0 < number < inf else None


def _stop_label(spec: SimSpec) -> str:
    """Runs that may be stopped early go by another name: no table takes them for the others, nor the others' place."""
    return "" if spec.stop_at_backlog_s is None else f" stop@{spec.stop_at_backlog_s:g}s"
