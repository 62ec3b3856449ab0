"""Builds the points of an experiment. What many points share is worked out once."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import inf
from pathlib import Path
from typing import Any, TypeVar

from configs.compose import Composer
from configs.fitting import fits_named
from configs.folders import Inside
from configs.gpu_power import PowerTable
from configs.machines import MachineFigures, cost_and_power, provisioned_watts
from configs.silicon import grids
from sim_core import SimSpec, spec_from_config
from sim_core.errors import SpecError, SpecWarning, TraceError
from sim_core.performance.base import CurveKey, ReadFile
from sim_core.performance.calibrated import read_calibration
from sim_core.policies import policies_for
from sim_core.simulation import NO_BACKLOG, Simulation
from sim_core.spec import PluginSpec
from sim_core.start_state import InstancePlan, Machines
from sim_core.start_state.base import UNKNOWN, errors_of_part
from sweep.experiment.grammar import to_override
from sweep.experiment.naming import machines_by_role, machines_label
from sweep.experiment.point import Point, arrivals_span_s, content_key, horizon_of, project_root
from sweep.experiment.resolver import Resolver
from sweep.experiment.variables import Names
from sync.results.code import deciding_code
from sync.results.point_id import rate_of_number
from traces import named, workload
from traces.workload import TraceRef

T = TypeVar("T")


@dataclass(frozen=True)
class Choice:
    """One combination of axis values of one system, with the settings that follow. `workload` is the name of the trace
    without the rate; None if the trace does not take the rate from an axis."""

    system: str
    axes: dict[str, object]
    settings: dict[str, Any]
    workload: str | None = None


@dataclass(frozen=True)
class _TraceFacts:
    identity: str
    workload: str
    rate: float | None
    requests: int
    arriving_s: float | None = None
    applications: frozenset[int] = frozenset({0})  # the applications that its requests ask for
    concurrency: int | None = None


@dataclass(frozen=True)
class _ClusterFacts:
    """What a configuration without its trace amounts to. `sections` keeps the configuration's sections alive: clusters
    are cached by the ids of these objects."""

    spec: SimSpec
    label: str
    fields: dict[str, Any]  # of the point
    sections: tuple[object, ...]


class Builder:
    """Builds points. `root` is the folder in which files are looked up, `figures` say what machines cost and draw; with
    `inside`, files are read only where it accepts them. Points may have policies of `plugins`."""

    def __init__(
        self,
        root: Path,
        figures: Mapping[str, MachineFigures],
        inside: Inside | None = None,
        plugins: Sequence[PluginSpec] = (),
    ) -> None:
        self._root = root
        self._inside = inside
        self._plugins = plugins
        composer = Composer(inside, plugins=plugins)
        self._resolver = Resolver(composer)
        self._figures = figures
        self._warned = False  # of a setting that has no effect
        self._traces: dict[TraceRef, _TraceFacts] = {}
        self._clusters: dict[tuple[object, ...], _ClusterFacts] = {}
        self._files: dict[tuple[object, Path], Mapping[CurveKey, Any]] = {}  # measurements by how they are read
        self._built: set[tuple[SimSpec, tuple[tuple[int, frozenset[InstancePlan]], ...]]] = set()
        self.code = deciding_code()
        self._gpu_power = PowerTable(project_root())
        self.names = Names(composer.compose([]))

    def point(self, index: int, choice: Choice) -> Point:
        """The point of a choice. Raises SimError for what could not run."""
        overrides = tuple(to_override(key, value) for key, value in choice.settings.items())
        config = self._resolver.resolved(choice.settings, overrides)
        cluster = self._cluster(config)
        spec = cluster.spec
        ref = workload.ref_from_config(config, spec.seed)
        trace = self._trace(ref)
        if missing := trace.applications - {app.application_id for app in spec.applications}:
            reason = f"asks for application {min(missing)}, which is not configured; applications=duo is an example"
            raise TraceError(f"{reason} of two, with start_state=several", source=ref.filename)
        if trace.concurrency is not None and spec.stop_at_backlog_s is not None and not self._warned:
            self._warned = True
            warnings.warn(NO_BACKLOG, SpecWarning, stacklevel=2)
        rate, workload_name = _rate_and_workload(choice, trace)
        return Point(
            index=index,
            name="",  # given by `naming.named_points` once all points are cache_key
            system=choice.system,
            design=f"{choice.system} {cluster.label}",
            workload=workload_name,
            overrides=overrides,
            spec=spec,
            trace=ref,
            trace_identity=trace.identity,
            key=content_key(spec, trace.identity, self.code.digest_for(spec)),
            axes=choice.axes,
            rate=rate,
            config=config,
            requests=trace.requests,
            horizon_s=horizon_of(trace.arriving_s, spec),
            concurrency=trace.concurrency,
            **cluster.fields,
        )

    def _cluster(self, config: Mapping[str, Any]) -> _ClusterFacts:
        """The cluster of a configuration; configurations that differ only in their trace share it."""
        sections = {name: value for name, value in config.items() if name != "trace"}
        cache_key = tuple(
            (name, id(value)) if isinstance(value, dict | list) else (name, type(value), value)
            for name, value in sections.items()
        )
        if cache_key not in self._clusters:
            spec = spec_from_config(config, self._root, self._measured, self._plugins, grids)
            with fits_named(config):
                self._check(spec)
            machines = spec.machine_counts()
            cost, power = cost_and_power(machines, self._figures)
            watts = provisioned_watts(machines, self._figures)
            fields = {
                "machines": machines,
                "cost": cost,
                "power": power,
                "watts": watts,
                "roles": machines_by_role(spec),
                "gpu_power": self._gpu_power.of_spec(spec, config),
            }
            self._clusters[cache_key] = _ClusterFacts(spec, machines_label(spec), fields, tuple(sections.values()))
        return self._clusters[cache_key]

    def _measured(self, read: ReadFile[T], path: Path, source: str) -> Mapping[CurveKey, T]:
        if (read, path) not in self._files:
            if self._inside is not None:
                key = "file" if read is read_calibration else "db_path"
                self._inside.check(path, key=f"performance_model.{key}", value=source)
            self._files[read, path] = read(path, source)
        return self._files[read, path]

    def _check(self, spec: SimSpec) -> None:
        """Raise the errors that only show when a simulation is built. One is built for each distinct set of kinds of
        instances: how many machines of a kind there are makes no difference."""
        policies, machines = policies_for(spec), Machines(spec.servers)
        kinds = []
        for state in spec.start_states:
            with errors_of_part(spec.start_states, state):
                plans = policies.plans(state, machines.take(state))
            alike = {(plan.sku, plan.role, id(plan.processors), id(plan.spec)): plan for plan in plans}
            kinds.append((state.application_id, frozenset(replace(plan, machine=UNKNOWN) for plan in alike.values())))
        cache_key = replace(spec, servers=(), start_states=()), tuple(kinds)
        if cache_key not in self._built:
            Simulation(spec)
            self._built.add(cache_key)

    def _trace(self, ref: TraceRef) -> _TraceFacts:
        """The facts of a trace. A trace file is read whole, so that its errors show before anything runs."""
        if ref not in self._traces:
            self._check_place(ref)
            identity, name = workload.identity(ref, self._root), workload.workload_name(ref, self._root)
            if workload.find(ref, self._root) is None and not ref.arrivals:
                recipe = named.parse(ref.filename, ref.seed)
                about = int(recipe.rate_per_s * (recipe.duration_s or 0.0))
                named_rate, arriving_s = rate_of_number(recipe.rate_per_s), recipe.duration_s
                self._traces[ref] = _TraceFacts(identity, name, named_rate, about, arriving_s)
            else:
                trace, rate = workload.load(ref, self._root), workload.rate_per_s(ref, self._root)
                rate = None if rate is None else rate_of_number(rate)
                applications = frozenset(trace.application_id)
                arriving_s = arrivals_span_s(trace)
                facts = _TraceFacts(identity, name, rate, len(trace), arriving_s, applications, trace.concurrency)
                self._traces[ref] = facts
        return self._traces[ref]

    def _check_place(self, ref: TraceRef) -> None:
        """Raise SpecError for a trace that is not where this experiment may read, also by a link."""
        if self._inside is None:
            return
        try:
            self._inside.check(self._root / Path(ref.dir).expanduser(), key="trace.dir", value=ref.dir)
        except RuntimeError as error:  # `~` of somebody who has no home here
            raise SpecError("no such folder", key="trace.dir", value=ref.dir) from error
        if (path := workload.find(ref, self._root)) is not None:
            self._inside.check(path, key="trace.filename", value=ref.filename, option=f"trace.dir={ref.dir}")


def _rate_and_workload(choice: Choice, trace: _TraceFacts) -> tuple[float | None, str]:
    """The rate of a point is its trace's, or else the value of an axis `rate`. Its workload is the value of an axis of
    that name, or else the name of its trace without the rate."""
    word = choice.axes.get("workload")
    rate, name = trace.rate, trace.workload
    if (
        rate is None
        and trace.concurrency is None  # a closed loop has none
        and choice.workload is not None
        and (number := positive_number(choice.axes.get("rate"))) is not None
    ):
        rate, name = rate_of_number(number), choice.workload or trace.workload
    return rate, word if isinstance(word, str) else name


def positive_number(value: object) -> float | None:
    """A rate as it may be written: a number, also in quotes; None for anything else."""
    try:
        number = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else 0.0
    except (ValueError, OverflowError):
        return None
    return number if 0.0 < number < inf else None
