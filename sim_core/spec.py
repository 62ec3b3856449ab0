"""The description of a run: frozen values that refer to no file and no default elsewhere.

A run is a pure function of (SimSpec, trace, code version). Two specs are equal exactly when their `digest()` is.
"""

from __future__ import annotations

from dataclasses import field
from math import inf

from sim_core.digest import sha256
from sim_core.errors import SpecError
from sim_core.record import record

Options = tuple[tuple[str, float | str], ...]  # a policy's own options by name: see `sim_core.options`

NO_PIPELINES = "pipelines are not modelled: must be 1; tensor_parallelism says over how many GPUs an instance extends"
PROMPT, TOKEN, MIXED = "prompt", "token", "mixed"  # the roles of an instance; a baseline instance has none


@record
class ProcessorSpec:
    """A GPU. Performance tables know it by its name."""

    name: str
    memory_bytes: int


@record
class ServerGroupSpec:
    """`count` machines of one SKU."""

    sku: str
    count: int
    processors: tuple[ProcessorSpec, ...]  # of one machine
    tdp_w: float = 0.0


@record
class ModelSpec:
    """A language model: the sizes of its weights and of a token's KV cache."""

    name: str
    measured_as: str  # its name in performance tables
    num_layers: int
    hidden_size: int
    num_heads: int
    num_kv_heads: int | None  # None: as many as num_heads
    weights_bytes: int
    bytes_per_element: int = 2
    kv_elements_per_layer: int | None = None  # of a token; None: it follows from the sizes above
    kv_parts: int = 0  # over how many GPUs the KV cache of a token can be split: more hold copies; 0: over any number
    precision: str = ""  # of the weights: bf16, fp8, fp4, int4; "": not said
    replicated_bytes: int = 0  # of the weights: those of which each rank of attention has a copy

    @property
    def kv_bytes_per_token(self) -> int:
        """The bytes of a key and a value, each of hidden_size elements a layer (fewer with grouped-query attention)."""
        if self.kv_elements_per_layer is not None:
            return self.kv_elements_per_layer * self.num_layers * self.bytes_per_element
        width = self.hidden_size
        if self.num_kv_heads is not None:
            width = self.hidden_size * self.num_kv_heads // self.num_heads
        return 2 * width * self.num_layers * self.bytes_per_element

    def kv_copies(self, gpus: int) -> int:
        """How many copies of a token's KV cache the GPUs have that share its attention."""
        return -(-gpus // self.kv_parts) if self.kv_parts else 1


@record
class InstanceSpec:
    """How one instance batches. `policy` names an entry of `sim_core.batching.BATCHING`.

    `pipeline_parallelism` is 1: stages of a pipeline are not modelled, and anything else is a SpecError.
    """

    policy: str
    tensor_parallelism: int
    pipeline_parallelism: int = 1
    max_batch_size: int = 512
    max_batch_tokens: int | None = None  # Splitwise
    max_preemptions: int | None = None  # Splitwise
    run_s: float = 0.0  # overhead: on top of each iteration, or of each task where tasks run to completion
    options: Options = ()
    data_parallelism: int = 1  # ranks of attention, each on a part of the GPUs with requests of its own
    expert_parallelism: int = 1  # over how many of the GPUs the experts are divided whole
    reserved_bytes: int = 0  # of each GPU's memory: what the engine takes beside weights and KV cache

    def __post_init__(self) -> None:
        if self.pipeline_parallelism != 1:
            raise SpecError(NO_PIPELINES, key="pipeline_parallelism", value=self.pipeline_parallelism)
        for key in ("data_parallelism", "expert_parallelism"):
            value = getattr(self, key)
            if value < 1 or self.tensor_parallelism % value:
                text = f"must divide tensor_parallelism ({self.tensor_parallelism}), the GPUs of an instance"
                raise SpecError(text, key=key, value=value)


@record
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
    fill_machine: bool = False  # uniform: as many instances as fit, not one per machine with the memory of all of it
    options: Options = ()

    @property
    def kinds(self) -> tuple[InstanceSpec, ...]:
        """The kinds of instances that the state may make: one, or one for each role."""
        return tuple(kind for kind in (self.instance, self.prompt, self.token) if kind is not None)


@record
class SchedulerSpec:
    """`policy` names an entry of `sim_core.scheduling.SCHEDULERS`; `name` is the configuration's own."""

    name: str
    policy: str
    options: Options = ()
    prompt_processors: tuple[str, ...] = ()  # split schedulers: roles where the start state does not give any
    token_processors: tuple[str, ...] = ()
    submit_task_s: float = 0.0
    submit_flow_s: float = 0.0
    finish_request_s: float = 0.0


@record
class ApplicationSpec:
    """An endpoint: one model behind one scheduler."""

    application_id: int
    model: ModelSpec
    scheduler: SchedulerSpec
    spin_up_s: float = 0.0  # until its instances take requests


@record
class CurveSpec:
    """Measured medians of one (model, hardware, tensor parallelism): seconds at each count of batch tokens."""

    model: str
    hardware: str
    tensor_parallelism: int
    batch_tokens: tuple[int, ...]
    prompt_s: tuple[float, ...]
    token_s: tuple[float, ...]


@record
class MeasuredSteps:
    """Measured steps of one (model, hardware, tensor parallelism), in ascending order.

    A step of prompts is its prompt tokens, the tokens of context before them, and its seconds. A step of decodes is
    their number, the tokens of context that they hold, and its seconds.
    """

    model: str
    hardware: str
    tensor_parallelism: int
    prompts: tuple[tuple[int, int, float], ...]
    decodes: tuple[tuple[int, int, float], ...]


@record
class Deployment:
    """What the times of an instance's steps depend on: a model, as it is served on GPUs of one kind.

    `tensor_parallelism` is the number of GPUs. `engine` names the software, such as vllm.
    """

    model: str  # its name in performance tables
    precision: str  # of the weights
    kv_bytes: int  # of an element of the KV cache
    hardware: str
    tensor_parallelism: int
    data_parallelism: int
    expert_parallelism: int
    engine: str

    @property
    def key(self) -> tuple[str, str, int]:
        """Model, hardware and tensor parallelism, by which other performance tables know it."""
        return self.model, self.hardware, self.tensor_parallelism


@record
class StepGridSpec:
    """The tables of the step times of one deployment: see `sim_core.performance.step_grid`.

    `sha256` is the digest of their text, which a run's key covers in its place. `packed` is the text, compressed.
    """

    deployment: Deployment
    sha256: str
    packed: bytes = field(compare=False, repr=False)


@record
class PerformanceSpec:
    """`policy` names an entry of `sim_core.performance.PERFORMANCE_MODELS`."""

    policy: str
    prompt_s: float | None = None  # constant
    token_s: float | None = None
    curves: tuple[CurveSpec, ...] = ()  # db: those that this run can need, and the reference machine's
    options: Options = ()
    steps: tuple[MeasuredSteps, ...] = ()  # table: those that this run can need, and the reference machine's
    grids: tuple[StepGridSpec, ...] = ()  # aiconfigurator: those that this run can need, and the reference machine's

    @property
    def is_measured(self) -> bool:
        """Whether its times are measurements, beyond which they are extrapolated."""
        return bool(self.curves or self.steps or self.grids)


@record
class MachineLinksSpec:
    """The links of the machines of a SKU, in bytes a second each way."""

    sku: str
    machine_bytes_per_s: float  # of all network cards of a machine together
    gpu_bytes_per_s: float  # of a GPU to the others of its machine


@record
class NetworkSpec:
    """`policy` names an entry of `sim_core.network.NETWORKS`. Options that have their default are left out."""

    policy: str = "private"
    options: Options = ()
    links: tuple[MachineLinksSpec, ...] = ()  # of each SKU, for networks whose links are shared


@record
class PluginSpec:
    """A file with policies of a user's own, of which the run uses some: see `sim_core.plugins`.

    `code` is the digest of the text as far as it decides results. Texts that differ in comments alone are equal.
    """

    code: str
    file: str = field(compare=False)  # its name, without folders
    text: str = field(compare=False, repr=False)

    @property
    def sha256(self) -> str:
        """The SHA-256 of the file, in hex."""
        return sha256([self.text.encode()]).hex()


@record
class SimSpec:
    """The complete description of a run."""

    servers: tuple[ServerGroupSpec, ...]
    applications: tuple[ApplicationSpec, ...]
    start_states: tuple[StartStateSpec, ...]  # one an application at most
    performance: PerformanceSpec
    routing_delay_s: float = 0.0
    end_time_s: float | None = None  # after the first arrival, when the run ends; None: it runs until all is done
    seed: int = 0
    stop_at_backlog_s: float | None = None  # see `sim_core.early_stop`
    plugins: tuple[PluginSpec, ...] = ()  # those of which it uses a policy
    network: NetworkSpec = NetworkSpec()

    def canonical(self) -> str:
        """The spec as JSON, the same text in every process (floats by their shortest exact form)."""
        import json  # here: not needed at every start

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


# Fields that were added since results were first kept, by class, with the value that stands for a spec without them.
# A field with this value is left out, so that the digests of older specs stay the same.
_ADDED: dict[str, dict[str, object]] = {
    "InstanceSpec": {"options": (), "data_parallelism": 1, "expert_parallelism": 1, "reserved_bytes": 0},
    "ModelSpec": {"kv_elements_per_layer": None, "kv_parts": 0, "precision": "", "replicated_bytes": 0},
    "StartStateSpec": {"fill_machine": False, "options": ()},
    "PerformanceSpec": {"options": (), "steps": (), "grids": ()},
    "SimSpec": {"plugins": (), "network": NetworkSpec()},
}


def _fields(spec: object) -> dict[str, object]:
    """A spec's fields by name. Many times as fast as `dataclasses.asdict`, which copies every number."""
    if isinstance(spec, PluginSpec):
        return {"code": spec.code}
    if isinstance(spec, StepGridSpec):
        return {"deployment": spec.deployment, "sha256": spec.sha256}
    values = {name: getattr(spec, name) for name in spec.__slots__}  # type: ignore[attr-defined]
    for name, value in _ADDED.get(type(spec).__name__, {}).items():
        if values[name] == value:
            del values[name]
    return values
