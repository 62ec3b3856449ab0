"""From a resolved configuration (SplitwiseSim's groups and keys, as plain values) to a SimSpec."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sim_core.code_identity import used_plugins
from sim_core.errors import SpecError, choices
from sim_core.network import NETWORKS
from sim_core.options import read_options
from sim_core.performance.base import AskForGrids, Measured, Needs, nobody_to_ask, read_now
from sim_core.policies import Policies, policies_with
from sim_core.reference import REFERENCE_HARDWARE, REFERENCE_TENSOR_PARALLELISM
from sim_core.section import Section
from sim_core.spec import (
    NO_PIPELINES,
    ApplicationSpec,
    InstanceSpec,
    ModelSpec,
    NetworkSpec,
    PerformanceSpec,
    PluginSpec,
    ProcessorSpec,
    SchedulerSpec,
    ServerGroupSpec,
    SimSpec,
    StartStateSpec,
)
from sim_core.start_state.base import Reading, part_key

if TYPE_CHECKING:
    from pathlib import Path

MOST_PROCESSORS = 10_000  # of a machine
MOST_MACHINES = 100_000  # of a cluster: each is built in memory, so a few zeros too many would fill it
LONGEST_DELAY_S = 1e6  # on a clock that reads more, the times of iterations would lose their precision


def spec_from_config(
    resolved: Mapping[str, Any],
    root: Path,
    measured: Measured = read_now,
    plugins: Sequence[PluginSpec] = (),
    grids: AskForGrids = nobody_to_ask,
) -> SimSpec:
    """The run that `resolved` describes. The files that it names are below `root`; `measured` reads measurements, and
    `grids` is asked for tables that are no files. It may name policies of `plugins`; the spec has those of them that it
    uses.

    Raises SpecError (CapacityError among them) for anything that cannot be run, apart from the workload.
    """
    policies = policies_with(plugins)
    with policies.blamed():
        spec = _spec(resolved, root, measured, policies, grids)
    return replace(spec, plugins=used_plugins(spec, plugins)) if plugins else spec


def _spec(
    resolved: Mapping[str, Any], root: Path, measured: Measured, policies: Policies, grids: AskForGrids
) -> SimSpec:
    top = Section(resolved, "")
    servers = _servers(top)
    applications = _applications(top, policies)
    start_states = _start_states(top.section("start_state"), _run_overheads(top), servers, policies)
    for state in start_states:
        if state.application_id not in {application.application_id for application in applications}:
            key = f"{part_key(start_states, state)}.application_id"
            ids = [str(application.application_id) for application in applications]
            reason = f"there is no such application{choices(state.application_id, ids)}; applications=duo has two"
            raise SpecError(reason, key=key, value=state.application_id)
    router = top.section("router")
    router.text("policy", ("noop",))
    performance = top.section("performance_model")
    times = _performance(performance, policies, root, measured, grids, servers, applications, start_states)
    delay_s = policies.performance_models[times.policy].request_delay_s(times)
    spec = SimSpec(
        servers=servers,
        applications=applications,
        start_states=start_states,
        performance=times,
        routing_delay_s=router.section("overheads").number("routing_delay") + delay_s,
        end_time_s=_end_time(top),
        seed=top.integer("seed", 0),
        stop_at_backlog_s=top.number("stop_at_backlog_s", 1.0) if top.has("stop_at_backlog_s") else None,
        network=_network(top, servers),
    )
    top.section("arbiter").text("policy", ("noop",))
    top.ignore("power_model", "trace", "debug", "perfetto", "experiment", "tracking", "output_dir", "choices")
    return spec


def _end_time(top: Section) -> float | None:
    if not top.has("end_time"):
        return None
    seconds = top.value("end_time")
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= sys.float_info.max:
        raise top.error("end_time", "must be a number of seconds above 0, or null: no end")
    return top.number("end_time", above=True)


def _network(top: Section, servers: tuple[ServerGroupSpec, ...]) -> NetworkSpec:
    if not top.has("network"):  # a configuration that is older than the group
        return NetworkSpec()
    config = top.section("network")
    policy = config.text("policy", NETWORKS)
    spec = NETWORKS[policy].read(config, policy, top.section("hardware_repo"), servers)
    config.done()
    return spec


def _servers(top: Section) -> tuple[ServerGroupSpec, ...]:
    repo = top.section("hardware_repo")
    processors, skus = repo.mapping("processors"), repo.mapping("skus")
    cluster = top.section("cluster")
    cluster.ignore("power_budget", "interconnects")
    groups: list[ServerGroupSpec] = []
    for entry in cluster.sections("servers"):
        sku = entry.text("sku", skus)
        count = entry.integer("count", 0)
        if count + sum(group.count for group in groups) > MOST_MACHINES:
            raise entry.error("count", f"a cluster has at most {MOST_MACHINES} machines")
        entry.done()
        described = Section(skus[sku], f"hardware_repo.skus.{sku}")
        parts: list[ProcessorSpec] = []
        for part in described.sections("processors"):
            name = part.text("name", processors)
            memory = Section(processors[name], f"hardware_repo.processors.{name}").integer("memory_size", 1)
            processors_here = part.integer("count", 1)
            if processors_here > MOST_PROCESSORS:
                raise part.error("count", f"a machine has at most {MOST_PROCESSORS} processors")
            parts.extend([ProcessorSpec(name, memory)] * processors_here)
        if count:
            groups.append(ServerGroupSpec(sku, count, tuple(parts), described.number("tdp", default=0.0)))
    cluster.done()
    if not groups:
        raise SpecError("the cluster has no machine; give one a count", key="cluster.servers")
    return tuple(groups)


def _performance(
    config: Section,
    policies: Policies,
    root: Path,
    measured: Measured,
    grids: AskForGrids,
    servers: tuple[ServerGroupSpec, ...],
    applications: tuple[ApplicationSpec, ...],
    states: tuple[StartStateSpec, ...],
) -> PerformanceSpec:
    hardware: dict[str, set[str]] = {group.sku: set() for group in servers}
    for group in servers:
        hardware[group.sku].update(processor.name for processor in group.processors)
    models = {application.application_id: application.model for application in applications}
    instances: dict[tuple[ModelSpec, str, InstanceSpec], None] = {}
    for state in states:
        skus = [sku for sku in hardware if state.machines is None or dict(state.machines).get(sku)]
        for sku, kind in policies.start_states[state.kind].combinations(state, skus):
            model = models[state.application_id]
            instances.update(dict.fromkeys((model, name, kind) for name in sorted(hardware[sku])))
    reference = {(model.measured_as, REFERENCE_HARDWARE, REFERENCE_TENSOR_PARALLELISM) for model in models.values()}
    needs = Needs(root, measured, frozenset(reference), tuple(instances), grids)
    models_known = policies.performance_models
    spec = models_known[config.text("policy", models_known)].read(config, needs)
    config.done()
    return spec


def _applications(top: Section, policies: Policies) -> tuple[ApplicationSpec, ...]:
    models, repo = top.section("model_repo"), top.section("orchestrator_repo")
    applications: list[ApplicationSpec] = []
    for entry in top.sections("applications"):
        entry.ignore("overheads", "debug")
        application = ApplicationSpec(
            application_id=entry.integer("application_id", 0),
            model=_model(entry, models),
            scheduler=_scheduler(entry, repo.mapping("schedulers"), policies),
            spin_up_s=_spin_up(entry, repo.mapping("allocators")),
        )
        entry.done()
        if application.application_id in {a.application_id for a in applications}:
            raise entry.error("application_id", "two applications have this id")
        applications.append(application)
    if not applications:
        raise SpecError("there is no application", key="applications")
    return tuple(applications)


def _model(entry: Section, models: Section) -> ModelSpec:
    architectures, sizes = models.mapping("architectures"), models.mapping("sizes")
    name = entry.text("model_architecture", architectures)
    size_name = entry.text("model_size", sizes)
    shape = Section(architectures[name], f"model_repo.architectures.{name}")
    size = Section(sizes[size_name], f"model_repo.sizes.{size_name}")
    shape.ignore("name", "parameters", "source")
    size.ignore("name", "dtype_size")
    _check_belongs(entry, name, size.texts("architectures"), sizes)
    heads = shape.integer("num_heads", 1)
    model = ModelSpec(
        name=name,
        measured_as=shape.text("measured_as") if shape.has("measured_as") else name,
        num_layers=shape.integer("num_layers", 1),
        hidden_size=shape.integer("hidden_size", 1),
        num_heads=heads,
        num_kv_heads=shape.integer("num_kv_heads", 1) if shape.has("num_kv_heads") else None,
        weights_bytes=size.integer("weights", 0),
        bytes_per_element=_kv_element_bytes(entry) or size.integer("dtype_size", 1),
        kv_elements_per_layer=shape.integer("kv_elements", 1) if shape.has("kv_elements") else None,
        kv_parts=shape.integer("kv_parts", 1) if shape.has("kv_parts") else 0,
        precision=size.text("precision") if size.has("precision") else "",
        replicated_bytes=size.integer("replicated", 0, default=0),
    )
    if model.kv_bytes_per_token < 1:
        raise shape.error("num_heads", "must be at most hidden_size * num_kv_heads: no KV cache is left")
    shape.done()
    size.done()
    return model


def _kv_element_bytes(entry: Section) -> int | None:
    """The bytes of an element of the KV cache where an application sets them; None: as its model has them."""
    if not entry.has("kv_cache_dtype"):
        return None
    return {"auto": None, "bf16": 2, "fp8": 1}[entry.text("kv_cache_dtype", ("auto", "bf16", "fp8"))]


def _check_belongs(entry: Section, architecture: str, owners: tuple[str, ...], sizes: Mapping[str, Any]) -> None:
    """Raise SpecError where a size lists the architectures that it is for, and the model's is none of them."""
    if not owners or architecture in owners:
        return
    fitting = [
        name
        for name in sizes
        if architecture in Section(sizes[name], f"model_repo.sizes.{name}").texts("architectures")
    ]
    fix = f"take {' or '.join(fitting)}" if fitting else "make a size for it, or add it to this one's architectures"
    raise entry.error("model_size", f"these are weights of {' and '.join(owners)}, not of {architecture}; {fix}")


def _scheduler(entry: Section, schedulers: Mapping[str, Any], policies: Policies) -> SchedulerSpec:
    name = entry.text("scheduler", schedulers)
    config = Section(schedulers[name], f"orchestrator_repo.schedulers.{name}")
    config.ignore("overheads")
    delays = config.section("executor_overheads")
    policy, known = config.text("policy"), policies.schedulers
    if policy not in known:
        raise config.error("policy", f"no scheduler of that name is built in (there are: {', '.join(known)})")
    scheduler = SchedulerSpec(
        name=name,
        policy=policy,
        options=read_options(known[policy].Options, config),
        prompt_processors=config.texts("prompt_processors"),
        token_processors=config.texts("token_processors"),
        submit_task_s=delays.number("submit_task", most=LONGEST_DELAY_S),
        submit_flow_s=delays.number("submit_flow", most=LONGEST_DELAY_S),
        finish_request_s=delays.number("finish_request", most=LONGEST_DELAY_S),
    )
    delays.done()
    config.done()
    return scheduler


def _allocator(entry: Section, allocators: Mapping[str, Any]) -> Section:
    name = entry.text("allocator", allocators)
    config = Section(allocators[name], f"orchestrator_repo.allocators.{name}")
    config.text("policy", ("noop",))
    return config


def _run_overheads(top: Section) -> dict[int, float]:
    """By application, the overhead `run` of its allocator: seconds on top of an iteration."""
    allocators = top.section("orchestrator_repo").mapping("allocators")
    overheads = {}
    for entry in top.sections("applications"):
        delays = _allocator(entry, allocators).section("instance_overheads")
        overheads[entry.integer("application_id", 0)] = delays.number("run")
        if delays.number("preempt", default=0.0) > 0.0:
            raise delays.error("preempt", "preemption takes no time here: must be 0")
        delays.done()
    return overheads


def _spin_up(entry: Section, allocators: Mapping[str, Any]) -> float:
    delays = _allocator(entry, allocators).section("overheads")
    if delays.number("spin_down", default=0.0) > 0.0:
        raise delays.error("spin_down", "instances are never taken down here: must be 0")
    spin_up_s = delays.number("spin_up")
    delays.done()
    return spin_up_s


def _start_states(
    state: Section, run_s: Mapping[int, float], servers: tuple[ServerGroupSpec, ...], policies: Policies
) -> tuple[StartStateSpec, ...]:
    """One state for one application, or `parts`, one for each of several."""
    if not state.has("parts"):
        return (_start_state(state, run_s, servers, policies),)
    state.text("state_type")
    parts = tuple(_start_state(part, run_s, servers, policies) for part in state.sections("parts"))
    state.done()
    ids = [part.application_id for part in parts]
    for number in ids:
        if ids.count(number) > 1:
            raise SpecError(f"application {number} has two parts; join them", key="start_state.parts")
    return parts


def _start_state(
    state: Section, run_s: Mapping[int, float], servers: tuple[ServerGroupSpec, ...], policies: Policies
) -> StartStateSpec:
    known = policies.start_states
    kind = state.text("state_type")
    if kind not in known:
        kind = kind.split("_")[0]
    if kind not in known:
        raise state.error("state_type", f"unknown start state{choices(kind, known)}")
    application_id = state.integer("application_id", 0, default=0)
    taken: tuple[tuple[str, int], ...] | None = None
    if state.has("machines"):
        counts = state.section("machines")
        taken = tuple((str(sku), counts.integer(str(sku), 0)) for sku in state.mapping("machines"))
    overhead_s = run_s.get(application_id, 0.0)
    own = StartStateSpec(kind, application_id, taken)
    spec = known[kind].read(state, Reading(own, lambda part: _instance(part, overhead_s, policies), servers))
    state.done()
    return spec


def _instance(config: Section, run_s: float, policies: Policies) -> InstanceSpec:
    config.ignore("num_instances", "instance_names", "max_batch_size", "max_batch_tokens", "max_preemptions")
    policy = config.text("instance_type", policies.batching)
    pipeline_parallelism = config.integer("pipeline_parallelism", 1)
    if pipeline_parallelism != 1:
        raise config.error("pipeline_parallelism", NO_PIPELINES)
    spec = InstanceSpec(
        policy=policy,
        tensor_parallelism=config.integer("tensor_parallelism", 1),
        pipeline_parallelism=pipeline_parallelism,
        run_s=run_s,
        data_parallelism=config.integer("data_parallelism", 1, default=1),
        expert_parallelism=config.integer("expert_parallelism", 1, default=1),
        reserved_bytes=int(config.number("reserved_gb", default=0.0) * 1e9),
        **policies.batching[policy].read_limits(config),
    )
    config.done()
    return spec
