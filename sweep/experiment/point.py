"""A point: one run of a sweep, fully said. `Outcome`, what becomes of it, is defined beside the sinks that take it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sim_core import Code, SimSpec, content_key
from sync.results.outcome import FACTS_OF_A_POINT, Outcome, SweepInfo
from sync.results.point_id import PointId, Roles
from sync.results.slo import PAPER, Slo
from traces.workload import TraceRef

__all__ = ["Outcome", "Point", "SweepInfo", "content_key", "deciding_code", "failed_outcome", "project_root"]

FIGURES = ("sync.results.measure",)  # the modules outside of the simulator that compute the figures of a run


def deciding_code() -> Code:
    """The code that decides outcomes: the simulator's, and that of the figures."""
    return Code(figures=FIGURES)


@dataclass(frozen=True)
class Point:
    """One run, checked and complete. `overrides` are what `python -m sim_core` takes to make it again.

    `design`, `workload`, `rate` (requests a second; None: the workload has no rate) and the trace's seed say what the
    point is (`PointId`); `name` is displayed. `machines` counts by SKU, `roles` the same by role (empty: machines
    have no roles), `cost` is in dollars an hour, `power` in the machines' power weights, `watts` goes by nameplate.
    `config` is the resolved configuration as plain values, `requests` says how many the trace has, of one that is yet
    to be generated about how many. `slo` are the experiment's limits: goodput is counted by them.
    """

    index: int
    name: str
    system: str
    design: str
    workload: str
    overrides: tuple[str, ...]
    spec: SimSpec
    trace: TraceRef
    trace_identity: str
    key: str
    axes: dict[str, object]
    machines: dict[str, int]
    cost: float
    power: float
    rate: float | None
    config: Mapping[str, Any]
    requests: int = 0
    watts: float = 0.0
    roles: Roles = field(default_factory=dict)
    slo: Slo = PAPER

    @property
    def point_id(self) -> PointId:
        """What the point is, whatever it is called."""
        return PointId(self.design, self.workload, self.rate, self.trace.seed)


def failed_outcome(point: Point, error: str, *, version: str) -> Outcome:
    """The outcome of a point that gave no result. `error` may have many lines; the first one is the reason."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Outcome(**describing_fields(point), status="failed", error=error, started_at=now, version=version)


def describing_fields(point: Point) -> dict[str, Any]:
    """The fields of an `Outcome` that only repeat what its point is."""
    return {
        "name": point.name,
        "system": point.system,
        "design": point.design,
        "workload": point.workload,
        "key": point.key,
        "index": point.index,
        "overrides": point.overrides,
        "axes": dict(point.axes),
        "machines": dict(point.machines),
        "cost": point.cost,
        "power": point.power,
        "watts": point.watts,
        "rate": point.rate,
        "trace": point.trace.filename,
        "trace_identity": point.trace_identity,
        "seed": point.trace.seed,
        "roles": point.roles,
        "goodput_limits": point.slo.of_each_request(),
    }


def facts_of(point: Point) -> dict[str, Any]:
    """What readers of results have to know of a point, as the experiment has it now; plain values."""
    described = describing_fields(point)
    return {name: described[name] for name in FACTS_OF_A_POINT}


def project_root() -> Path:
    """The folder that holds the packages, configs, data and traces: on a driver the checkout, on another node
    the copy that Ray delivered there."""
    return Path(__file__).resolve().parents[2]
