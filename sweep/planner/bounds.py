"""The rate that a cluster cannot exceed for long, worked out from its tokens a second and its memory, without a run.

A request is so many prompt tokens, so many decodes (tokens after the first), and so much memory: its KV cache times the
iterations in which it decodes. An iteration of a machine does n prompt tokens and b decodes in a known time, and holds
the KV caches of its decodes, which are at most what fits. So for any weights of the three kinds of work, which add up
to 1, a machine does no more weighted work a second than its best iteration, and the cluster no more than the sum over
its machines. The bound is the least of these sums over the weights on a grid: each of them is true, and a finer grid
makes the bound only tighter. Where the scheduler keeps roles, a prompt machine does prompts alone and a token machine
decodes alone; where it may lend machines, as the mixed pool does, every machine may do both, also in one iteration.

What is left out makes the bound only higher: waiting, transfers, the KV caches of prompts and of preempted decodes,
and the SLO. Over a short run a cluster can take a little more, since requests may still be waiting when it ends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim_core.memory import instance_memory
from sim_core.performance import PERFORMANCE_MODELS, StepTimes
from sim_core.scheduling import SCHEDULERS
from sim_core.scheduling.jsq import KvJoinShortestQueue
from sim_core.scheduling.round_robin import KvRoundRobin
from sim_core.scheduling.token_jsq import KvTokenJoinShortestQueue
from sim_core.spec import PROMPT, TOKEN, ApplicationSpec, ModelSpec, PerformanceSpec, SchedulerSpec, SimSpec
from sim_core.start_state import START_STATES, InstancePlan, Machines
from sim_core.step import Step
from sweep.experiment.point import Point
from traces import workload
from traces.sizes import PREFIX
from traces.workload import AT, RECIPE, TraceRef

Floats = npt.NDArray[np.float64]

_KEEP_ROLES = (KvRoundRobin, KvJoinShortestQueue, KvTokenJoinShortestQueue)  # schedulers that never lend a machine
_STEPS = 64  # of the grid of weights
_SAMPLE = "100_1000s"  # rate and length of the trace that a named workload's sizes are taken from: 100,000 requests


@dataclass(frozen=True)
class Sizes:
    """Means over the requests of a workload: `prompt` tokens, `decodes` (tokens after the first), and `held`, the
    tokens of its KV cache times the iterations in which it decodes. `longest` is the longest prompt, in tokens."""

    prompt: float
    decodes: float
    held: float
    longest: int


def rate_bound(point: Point, root: Path) -> float | None:
    """The rate, in requests/s, that the cluster of a point cannot serve for long; None where it is not known. The first
    point of a workload takes longer: the trace is read. Files are below `root`."""
    work = _work(point, root)
    return None if work is None else float(work.min())


def balanced_rate(point: Point, root: Path) -> float | None:
    """As `rate_bound`, with every machine in its own role, also where it may be lent. It is no bound then, but tells
    which splits of the same machines are balanced: a split that has to lend serves less."""
    work = _work(point, root, keeps_roles=True)
    return None if work is None else float(work.min())


def load_shares(point: Point, root: Path) -> dict[str, float]:
    """What the point's rate takes at least of what the cluster can do: of its time for `prompts`, of its time for
    `decodes`, and of its `memory` for KV caches. Machines that may be lent count for both phases. Above 1 the cluster
    cannot serve the rate for long. Empty where it is not known, and without a rate."""
    work = _work(point, root)
    if work is None or point.rate is None:
        return {}
    limits = [float(work[place]) for place in _corners(len(work) > 1)]
    return {name: point.rate / most for name, most in zip(("prompts", "decodes", "memory"), limits, strict=False)}


def _work(point: Point, root: Path, *, keeps_roles: bool = False) -> Floats | None:
    """For each of the weights the weighted work of the whole cluster, in requests/s."""
    spec = point.spec
    if len(spec.applications) != 1 or not _is_piecewise(spec.performance) or spec.plugins:
        return None  # a policy of a user's own may do what is ruled out here
    application = spec.applications[0]
    sizes = _sizes(_without_rate(point.trace, root), root)
    kinds = [
        count * _best(spec.performance, application.model, plan, _role(application, plan, keeps_roles), sizes)
        for plan, count in _plans(spec)
    ]
    return np.sum(kinds, axis=0) if kinds else None


def _is_piecewise(performance: PerformanceSpec) -> bool:
    """Whether iteration times are straight lines between known numbers of tokens."""
    return bool(performance.curves) or performance.prompt_s is not None


def _plans(spec: SimSpec) -> Iterable[tuple[InstancePlan, int]]:
    """The instances of a cluster: one of each kind, with their number."""
    machines = Machines(spec.servers)
    plans = [
        plan for state in spec.start_states for plan in START_STATES[state.kind].plans(state, machines.take(state))
    ]
    kinds = {_kind(plan): plan for plan in plans}
    return [(kinds[kind], count) for kind, count in Counter(map(_kind, plans)).items()]


def _kind(plan: InstancePlan) -> tuple[object, ...]:
    """The same for instances that are alike, and cheap: specs with many fields take long to hash."""
    return plan.sku, plan.role, len(plan.processors), plan.processor_name, id(plan.spec)


def _role(application: ApplicationSpec, plan: InstancePlan, keeps_roles: bool) -> str:
    """The only phase that an instance does; empty where it may do both."""
    scheduler = application.scheduler
    policy = SCHEDULERS[scheduler.policy]
    if issubclass(policy, _KEEP_ROLES) or (keeps_roles and policy.splits):
        return _own_role(scheduler, plan)
    return ""


def _own_role(scheduler: SchedulerSpec, plan: InstancePlan) -> str:
    """The role that the start state gives, or else the processor (see `SplitScheduler`)."""
    return plan.role or (PROMPT if plan.processor_name in scheduler.prompt_processors else TOKEN)


def _without_rate(ref: TraceRef, root: Path) -> TraceRef:
    """A trace with the same sizes as that of `ref`, the same one for all rates and seeds."""
    path = workload.find(ref, root)
    if path is None:
        return replace(ref, filename=f"{PREFIX}{workload.workload_name(ref, root)}_{_SAMPLE}", seed=0)
    recipe = ref.filename.rpartition(AT)[0]
    is_at_rate = path.suffix == RECIPE and recipe and path.name == f"{Path(recipe).name}{RECIPE}"
    return replace(ref, filename=recipe if is_at_rate else ref.filename, seed=0)


@lru_cache(maxsize=64)
def _sizes(ref: TraceRef, root: Path) -> Sizes:
    trace = workload.load(ref, root)
    prompt, output, batch = (
        np.asarray(column, dtype=np.float64) for column in (trace.prompt_tokens, trace.output_tokens, trace.batch_size)
    )
    held = batch * (prompt + output) * (output - 1.0)
    return Sizes(float(prompt.mean()), float(output.mean()) - 1.0, float(held.mean()), int(prompt.max()))


@cache
def _weights(has_decodes: bool) -> Floats:
    """Weights of prompts, decodes and memory, a row each, which add up to 1."""
    if not has_decodes:
        return np.array([[1.0, 0.0, 0.0]])
    steps = [(a, b, _STEPS - a - b) for a in range(_STEPS + 1) for b in range(_STEPS + 1 - a)]
    return np.array(steps, dtype=np.float64) / _STEPS


@cache
def _corners(has_decodes: bool) -> tuple[int, ...]:
    """The rows of `_weights` in which prompts, decodes and memory count alone."""
    places = _weights(has_decodes).argmax(axis=0).tolist()
    return tuple(places) if has_decodes else (0,)


@lru_cache(maxsize=256)
def _best(performance: PerformanceSpec, model: ModelSpec, plan: InstancePlan, role: str, sizes: Sizes) -> Floats:
    """For each of the weights the most weighted work that an instance does, in requests/s. Work is counted in requests:
    the prompt tokens of a mean request are one unit of prompts."""
    policy = PERFORMANCE_MODELS[performance.policy](performance)
    times = policy.times_for(model, plan.processor_name, plan.spec).plus(plan.spec.run_s)
    prompts, decodes, seconds = _iterations(performance, times, plan, role, sizes)
    weights = _weights(sizes.decodes > 0.0)
    work = weights[:, :1] * (prompts / sizes.prompt)
    if sizes.decodes > 0.0:
        fits = instance_memory(model, plan).capacity_tokens
        work = work + weights[:, 1:2] * (decodes / sizes.decodes) + weights[:, 2:] * ((decodes > 0) * fits / sizes.held)
    best: Floats = (work / seconds).max(axis=1)
    return best


def _iterations(
    performance: PerformanceSpec, times: StepTimes, plan: InstancePlan, role: str, sizes: Sizes
) -> tuple[Floats, Floats, Floats]:
    """The iterations that may be an instance's best: their prompt tokens, their decodes, and their seconds.

    Work and time are straight lines between the measured numbers of tokens, so their ratio is largest at one of these,
    or where a batch is as small or as large as it may be.
    """
    members, limit = plan.spec.max_batch_size, plan.spec.max_batch_tokens
    largest = members * sizes.longest if limit is None else max(limit, sizes.longest)
    mixed_largest = largest if limit is None else limit  # a prompt beyond the limit runs alone
    most = members if limit is None else min(members, limit)  # decodes
    corners = {1, 2, most, most + 1, mixed_largest, largest}
    corners |= {tokens for curve in performance.curves for tokens in curve.batch_tokens}
    found: list[tuple[int, int, float]] = []
    if role != TOKEN:
        found += [(size, 0, times.seconds(Step(prompt_tokens=size), 1)) for size in corners if size <= largest]
    if role != PROMPT:
        found += [(0, size, times.seconds(Step(decodes=size), 1)) for size in corners if size <= most]
    if not role and members > 1:
        sizes_of_mixed = [size for size in corners if 2 <= size <= mixed_largest]
        splits = [(size, count) for size in sizes_of_mixed for count in {1, min(most, size - 1)}]
        found += [(size - count, count, times.seconds(Step(size - count, count), 1)) for size, count in splits]
    prompts, decodes, seconds = np.array(found, dtype=np.float64).T
    return prompts, decodes, seconds
