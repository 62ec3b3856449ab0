"""What a run is: frozen values, complete in themselves (no file, no default left to look up).

A run is a pure function of (SimSpec, trace, code version). `SimSpec.digest()` hashes the first; two specs
are equal exactly when their digests are.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from sim_core.digest import sha256
from sim_core.errors import SpecError

NO_PIPELINES = "pipelines are not modelled: must be 1; tensor_parallelism says over how many GPUs an instance extends"
PROMPT, TOKEN, MIXED = "prompt", "token", "mixed"  # the roles of an instance; a baseline instance has none


@dataclass(frozen=True, slots=True)
class ProcessorSpec:
    """A GPU: its name is the key of the performance tables."""

    name: str
    memory_bytes: int


@dataclass(frozen=True, slots=True)
class ServerGroupSpec:
    """`count` machines of one SKU."""

    sku: str
    count: int
    processors: tuple[ProcessorSpec, ...]  # of one machine
    tdp_w: float


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """A model as far as serving it matters: the bytes of its weights and of a token's KV cache."""

    name: str
    measured_as: str  # the name under which performance tables know it
    num_layers: int
    hidden_size: int
    num_heads: int
    num_kv_heads: int | None  # None: as many as num_heads
    weights_bytes: int
    bytes_per_element: int

    @property
    def kv_bytes_per_token(self) -> int:
        """Key and value, each hidden_size elements in every layer (fewer with grouped-query attention)."""
        width = self.hidden_size
        if self.num_kv_heads is not None:
            width = self.hidden_size * self.num_kv_heads // self.num_heads
        return 2 * width * self.num_layers * self.bytes_per_element


@dataclass(frozen=True, slots=True)
class InstanceSpec:
    """How one instance batches. `policy` names an entry of `sim_core.batching.BATCHING`.

    `pipeline_parallelism` is 1: stages of a pipeline are not modelled, and anything else is a SpecError.
    """

    policy: str
    tensor_parallelism: int
    pipeline_parallelism: int
    max_batch_size: int
    max_batch_tokens: int | None = None
    max_preemptions: int | None = None
    run_s: float = 0.0  # overhead: on top of each iteration, or of each task where tasks run to completion

    def __post_init__(self) -> None:
        if self.pipeline_parallelism != 1:
            raise SpecError(NO_PIPELINES, key="pipeline_parallelism", value=self.pipeline_parallelism)


@dataclass(frozen=True, slots=True)
class StartStateSpec:
    """The instances that an application starts with. `kind` names an entry of `sim_core.start_state.START_STATES`."""

    kind: str
    application_id: int = 0
    machines: tuple[tuple[str, int], ...] | None = None  # SKU and count taken from the cluster; None: all that are left
    instance: InstanceSpec | None = None  # uniform
    split_type: str | None = None  # split: homogeneous or heterogeneous
    prompt: InstanceSpec | None = None
    token: InstanceSpec | None = None
    prompt_machines: int = 0  # homogeneous: how many machines take each role, in the cluster's order
    token_machines: int = 0
    prompt_skus: tuple[str, ...] = ()  # heterogeneous: which SKUs take each role
    token_skus: tuple[str, ...] = ()
    fill_machine: bool = False  # uniform: as many instances as fit, not one a machine with the memory of all of it

    @property
    def kinds(self) -> tuple[InstanceSpec, ...]:
        """The kinds of instances that there may be: one, or one for each role."""
        return tuple(kind for kind in (self.instance, self.prompt, self.token) if kind is not None)


@dataclass(frozen=True, slots=True)
class SchedulerSpec:
    """`policy` names an entry of `sim_core.scheduling.SCHEDULERS`; `name` is the configuration's own."""

    name: str
    policy: str
    options: tuple[tuple[str, float], ...] = ()
    prompt_processors: tuple[str, ...] = ()  # split schedulers: who does what where the start state does not say
    token_processors: tuple[str, ...] = ()
    submit_task_s: float = 0.0
    submit_flow_s: float = 0.0
    finish_request_s: float = 0.0

    def option(self, name: str) -> float:
        """The value of one of the policy's own options."""
        return dict(self.options)[name]


@dataclass(frozen=True, slots=True)
class ApplicationSpec:
    """An endpoint: one model behind one scheduler."""

    application_id: int
    model: ModelSpec
    scheduler: SchedulerSpec
    spin_up_s: float = 0.0  # until its instances take requests


@dataclass(frozen=True, slots=True)
class CurveSpec:
    """Measured medians of one (model, hardware, tensor parallelism): seconds at each count of batch tokens."""

    model: str
    hardware: str
    tensor_parallelism: int
    batch_tokens: tuple[int, ...]
    prompt_s: tuple[float, ...]
    token_s: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PerformanceSpec:
    """`policy` names an entry of `sim_core.performance.PERFORMANCE_MODELS`."""

    policy: str
    prompt_s: float | None = None  # constant
    token_s: float | None = None
    curves: tuple[CurveSpec, ...] = ()  # db: those that this run can need, and the SLO's reference


@dataclass(frozen=True, slots=True)
class SimSpec:
    """One run, whole."""

    servers: tuple[ServerGroupSpec, ...]
    applications: tuple[ApplicationSpec, ...]
    start_states: tuple[StartStateSpec, ...]  # one an application at most
    performance: PerformanceSpec
    routing_delay_s: float = 0.0
    end_time_s: float | None = None  # after the first arrival, when the run ends, finished or not; None: no such end
    seed: int = 0
    stop_at_backlog_s: float | None = None  # see `sim_core.early_stop`

    def canonical(self) -> str:
        """The spec as JSON, the same text in every process (floats by their shortest exact form)."""
        import json  # for this alone, and not at every start

        return json.dumps(self, default=_fields, sort_keys=True, separators=(",", ":"), allow_nan=False)

    def ends_at_s(self, first_arrival_s: float) -> float:
        """When the run of a trace ends at the latest, on the trace's own clock; infinity without `end_time_s`."""
        return inf if self.end_time_s is None else first_arrival_s + self.end_time_s

    def digest(self) -> str:
        """SHA-256 of `canonical()`, in hex."""
        return sha256([self.canonical().encode()]).hex()

    def machine_counts(self) -> dict[str, int]:
        """Machines by SKU, in the cluster's order, SKUs without machines left out."""
        counts: dict[str, int] = {}
        for group in self.servers:
            if group.count:
                counts[group.sku] = counts.get(group.sku, 0) + group.count
        return counts


# Fields that specs have gained since results were first kept, with the value that all specs had until then. They are
# left out where they have it, so that the digests of those specs stay what they were.
_GAINED: dict[str, object] = {"fill_machine": False}


def _fields(spec: object) -> dict[str, object]:
    """A spec's own fields by name: many times as fast as `asdict`, which copies every number."""
    values = {name: getattr(spec, name) for name in spec.__slots__}  # type: ignore[attr-defined]
    for name, value in _GAINED.items():
        if name in values and values[name] == value:
            del values[name]
    return values
