"""Points as runs of the simulator: a cluster, a closed loop, and the means of TTFT and TPOT."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isnan
from statistics import fmean
from typing import Any

from benchmarks.validation import settings
from benchmarks.validation.package import Estimate, NoDataError, Package
from benchmarks.validation.points import AGGREGATED, Parallelism, Point
from benchmarks.validation.settings import Engine, Mechanism
from sim_core import spec
from sim_core.clients import Clients
from sim_core.performance.calibrated import scaled
from sim_core.results import SimResult
from sim_core.rng import Streams
from sim_core.simulation import simulate
from sim_core.trace import Trace
from sweep.calibrate.formats.base import Lengths
from sweep.calibrate.runs import drawn_lengths

BYTES_PER_GB = 1024**3
SEED = 0
VLLM_BLOCK = 16  # tokens; vLLM never uses the first block

NONE = Mechanism()
NO_ROOM = "the weights leave no room for a request"
UNSERVED = "requests were left over in the simulation"


@dataclass(frozen=True, slots=True)
class Worker:
    """Engines of one role, as the simulator gets them."""

    name: str  # of its machines
    deployment: spec.Deployment
    engine: Engine
    kv_tokens: int  # of the KV cache of an engine
    kv_bytes: int  # of a token
    count: int = 1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run says of a point, in ms. `queue_ms`: the part of TTFT before prompts start."""

    ttft_ms: float
    tpot_ms: float
    queue_ms: float = 0.0


@dataclass(slots=True)
class Batch:
    """What became of some points: one outcome or reason each, and answers of the package that are new."""

    outcomes: list[tuple[Point, Outcome, Estimate | None]] = field(default_factory=list)
    not_run: Counter[tuple[str, str]] = field(default_factory=Counter)  # by mode and reason
    answers: dict[str, Any] = field(default_factory=dict)


def run_all(points: Sequence[Point], answers: Mapping[str, Any], mechanism: Mechanism = NONE) -> Batch:
    """Simulate points of one kind of engine, one after the other."""
    package, batch = Package(answers), Batch()
    for point in points:
        try:
            outcome = run(point, package, mechanism=mechanism)
        except NoDataError as reason:
            batch.not_run[point.mode, str(reason)] += 1
            continue
        batch.outcomes.append((point, outcome, package.estimate(point)))
    batch.answers = package.new
    return batch


def run(
    point: Point, package: Package, factor: float = 1.0, offset_s: float = 0.0, mechanism: Mechanism = NONE
) -> Outcome:
    """Simulate a point, with all step times times `factor`, and requests that come later by `offset_s`. NoDataError
    with a reason where that is not possible."""
    grids = package.grids(point)
    workers = []
    for grid, (name, parallelism, engine, count) in zip(grids, _roles(point), strict=True):
        kv = package.kv_cache(grid, engine.tokens, engine.requests)
        if kv is None or kv[0] < point.isl + point.osl:
            raise NoDataError(NO_ROOM)
        tokens, kv_bytes = kv[0] * parallelism.data, kv[1] * parallelism.tensor
        workers.append(Worker(name, grid.deployment, engine, tokens, kv_bytes, count))
    options, used = mechanism.options(point), tuple(dict.fromkeys(grids))
    performance = spec.PerformanceSpec("aiconfigurator", options=options, grids=used)
    if factor != 1.0:
        performance = scaled(performance, factor, 0.0)
    cluster = cluster_of(point, workers, performance)
    result = simulate(replace(cluster, routing_delay_s=cluster.routing_delay_s + offset_s), trace_of(point))
    if result.rejected or result.unfinished:
        raise NoDataError(UNSERVED)
    return outcome_of(point, result)


def _roles(point: Point) -> list[tuple[str, Parallelism, Engine, int]]:
    if point.engine is not None:
        return [("engines", point.engine, settings.engine_of(point), 1)]
    assert point.prompts is not None and point.decodes is not None
    return [
        ("prompts", point.prompts.parallelism, settings.prompt_engine_of(point), point.prompts.count),
        ("decodes", point.decodes.parallelism, settings.decode_engine_of(point), point.decodes.count),
    ]


# -- the load ------------------------------------------------------------------------------------------------------


def trace_of(point: Point) -> Trace:
    """The closed loop of a point: `ROUNDS` requests for each client."""
    requests = settings.ROUNDS * point.concurrency
    streams, least = Streams(SEED), settings.spread_of(point)
    clients = Clients(
        point.concurrency,
        requests,
        ramp_s=settings.STAGGER_S * point.concurrency,
        front_s=settings.SERIAL_S,
        front_token_s=settings.SERIAL_TOKEN_S,
    )
    return replace(
        Trace.of(((0.0, 1, 1) for _ in range(requests)), point.name),
        prompt_tokens=drawn_lengths(_lengths(point.isl, least), streams, "prompts", requests),
        output_tokens=drawn_lengths(_lengths(point.osl, least), streams, "outputs", requests),
        clients=(clients,),
    )


def _lengths(longest: int, least: float) -> Lengths:
    """Uniform from `least` of the longest on."""
    return Lengths(max(int(longest * least), 1), longest)


# -- the cluster ---------------------------------------------------------------------------------------------------


def cluster_of(point: Point, workers: Sequence[Worker], performance: spec.PerformanceSpec) -> spec.SimSpec:
    """One engine, or pools of workers for prompts and for decodes."""
    instances = [_instance(point.backend, worker) for worker in workers]
    if point.mode == AGGREGATED:
        state = spec.StartStateSpec("baseline", instance=instances[0])
        scheduler = spec.SchedulerSpec("jsq", policy="jsq")
    else:
        state = spec.StartStateSpec(
            "splitwise",
            split_type="heterogeneous",
            prompt=instances[0],
            token=instances[1],
            prompt_skus=(workers[0].name,),
            token_skus=(workers[1].name,),
        )
        bandwidth = settings.TRANSFER_BYTES_PER_S / BYTES_PER_GB
        scheduler = spec.SchedulerSpec(
            "kv_jsq",
            policy="kv_jsq",
            options=(("transfer_bandwidth", bandwidth),),
            submit_flow_s=settings.TRANSFER_S,
        )
    return spec.SimSpec(
        servers=tuple(_machines(point.backend, worker) for worker in workers),
        applications=(spec.ApplicationSpec(0, _model(workers[0]), scheduler),),
        start_states=(state,),
        performance=performance,
        routing_delay_s=settings.FRONT_S,
        seed=SEED,
    )


def _instance(policy: str, worker: Worker) -> spec.InstanceSpec:
    deployment = worker.deployment
    return spec.InstanceSpec(
        policy,
        tensor_parallelism=deployment.tensor_parallelism,
        data_parallelism=deployment.data_parallelism,
        expert_parallelism=deployment.expert_parallelism,
        max_batch_size=worker.engine.requests,
        options=worker.engine.options(policy, deployment.data_parallelism),
    )


def _model(worker: Worker) -> spec.ModelSpec:
    """A model of which a token has as many bytes of KV cache; its weights are not counted: see `_machines`."""
    deployment = worker.deployment
    return spec.ModelSpec(
        deployment.model,
        measured_as=deployment.model,
        num_layers=1,
        hidden_size=worker.kv_bytes,
        num_heads=1,
        num_kv_heads=None,
        weights_bytes=0,
        bytes_per_element=deployment.kv_bytes,
        kv_elements_per_layer=max(worker.kv_bytes // deployment.kv_bytes, 1),
        precision=deployment.precision,
    )


def _machines(policy: str, worker: Worker) -> spec.ServerGroupSpec:
    """Machines of one engine each, whose GPUs have the memory of its KV cache, and nothing else."""
    gpus = worker.deployment.tensor_parallelism
    tokens = worker.kv_tokens + (VLLM_BLOCK if policy == "vllm" else 0)
    memory_bytes = -(-tokens * worker.kv_bytes // gpus)
    gpu = spec.ProcessorSpec(worker.deployment.hardware, memory_bytes)
    return spec.ServerGroupSpec(worker.name, worker.count, (gpu,) * gpus)


# -- what comes out ------------------------------------------------------------------------------------------------


def outcome_of(point: Point, result: SimResult) -> Outcome:
    """The means over all requests, the first burst included. Where phases are apart the first token comes when the
    decode worker has the KV cache."""
    columns = result.requests
    ends_s = columns["prompt_end_s"]
    first_s = ends_s if point.mode == AGGREGATED else columns["transfer_end_s"]
    ttft, tpot = [], []
    for sent, first, prompt, end, tokens in zip(
        columns["arrival_s"], first_s, ends_s, columns["end_s"], columns["output_tokens"], strict=True
    ):
        begins = prompt if isnan(first) else first
        ttft.append(begins - sent)
        if tokens > 1:
            tpot.append((end - begins) / (tokens - 1))
    queue = fmean(start - sent for start, sent in zip(columns["prompt_start_s"], columns["arrival_s"], strict=True))
    return Outcome(1e3 * fmean(ttft), 1e3 * fmean(tpot), 1e3 * queue)
