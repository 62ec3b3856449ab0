"""A point: one run of a sweep, with everything that decides it. `sync.results.outcome` has what becomes of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from configs.gpu_power import GpuPowers
from sim_core import SimSpec, Trace, content_key
from sim_core.performance.step_grid import engine_of
from sim_core.spec import StepGridSpec
from sync.results.outcome import FACTS_OF_A_POINT, Outcome, SweepInfo
from sync.results.point_id import PointId, Roles
from sync.results.slo import PAPER, Slo
from traces.workload import TraceRef

__all__ = ["Outcome", "Point", "SweepInfo", "content_key", "failed_outcome", "project_root"]

# The fields that a point and its outcome have in common.
_FIELDS_OF_BOTH = (
    *("name", "system", "design", "workload", "key", "index", "overrides", "axes", "machines", "roles"),
    *("cost", "power", "watts", "rate", "trace_identity", "model", "performance_model", "horizon_s"),
    *("batching", "kernels", "asked", "concurrency"),
)


@dataclass(frozen=True)
class Point:
    """One run, checked and complete. `python -m sim_core` with the `overrides` makes the same run.

    `design`, `workload`, `rate` (requests a second; None: the workload has no rate) and the trace's seed say what the
    point is (`PointId`); `name` is displayed. `machines` counts machines by SKU, `roles` by role and SKU (empty: they
    have no roles); `cost` is in dollars an hour, `power` in power weights, `watts` in W by nameplate. `config` is the
    resolved configuration as plain values. `requests` is the length of the trace, an estimate if it is generated.
    `horizon_s` is the time over which requests arrive (None: not known).
    Goodput, and requests beyond limits, are counted by `slo`. `asked` says what a planner wants to know of the run.
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
    horizon_s: float | None = None
    asked: str = ""
    concurrency: int | None = None  # of a closed loop
    gpu_power: GpuPowers = field(default_factory=dict)

    @property
    def model(self) -> str:
        """The language model that is served; of several applications all of them."""
        return " and ".join(dict.fromkeys(application.model.name for application in self.spec.applications))

    @property
    def performance_model(self) -> str:
        """Where iteration times come from: an entry of `sim_core.performance.PERFORMANCE_MODELS`."""
        return self.spec.performance.policy

    @property
    def batching(self) -> str:
        """The batching policies of its instances, today's engines among them."""
        kinds = [kind.policy for state in self.spec.start_states for kind in state.kinds]
        return " and ".join(dict.fromkeys(kinds))

    @property
    def kernels(self) -> str:
        """The engines whose measured kernels step times are made of, with their versions; empty for other times. Tables
        of the machine that slowdowns are relative to do not count."""
        spec = self.spec
        used = {processor.name for group in spec.servers if group.count for processor in group.processors}
        engines = [_engine_of(grid) for grid in spec.performance.grids if grid.deployment.hardware in used]
        return " and ".join(dict.fromkeys(filter(None, engines)))

    @property
    def point_id(self) -> PointId:
        """What the point is, without its name."""
        return PointId(self.design, self.workload, self.rate, self.trace.seed)


@lru_cache(maxsize=256)
def _engine_of(grid: StepGridSpec) -> str:
    return engine_of(grid)


def failed_outcome(point: Point, error: str, *, version: str) -> Outcome:
    """The outcome of a point that failed. The first line of `error` is the reason; more lines may follow."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Outcome(**describing_fields(point), status="failed", error=error, started_at=now, version=version)


def describing_fields(point: Point) -> dict[str, Any]:
    """The fields of an `Outcome` that say what its point is."""
    return {
        **{name: getattr(point, name) for name in _FIELDS_OF_BOTH},
        "trace": point.trace.filename,
        "seed": point.trace.seed,
        "goodput_limits": point.slo.of_each_request(),
        "plugins": {plugin.file: plugin.sha256 for plugin in point.spec.plugins},
    }


def facts_of(point: Point) -> dict[str, Any]:
    """The facts of a point that readers of results need, as the experiment has them now; plain values."""
    described = describing_fields(point)
    return {name: described[name] for name in FACTS_OF_A_POINT}


def arrivals_span_s(trace: Trace) -> float | None:
    """The time from the first arrival to the last, in s; None for a closed loop, of which only the run tells."""
    if trace.clients:
        return None
    return trace.arrival_s[-1] - trace.arrival_s[0] if len(trace) else 0.0


def horizon_of(arriving_s: float | None, spec: SimSpec) -> float | None:
    """The time over which requests arrive that the run takes in: it may end before the trace does."""
    if arriving_s is None or spec.end_time_s is None:
        return arriving_s
    return min(arriving_s, spec.end_time_s)


def project_root() -> Path:
    """The folder with the packages, configs, data and traces: the checkout, or Ray's copy of it on another node."""
    return Path(__file__).resolve().parents[2]
