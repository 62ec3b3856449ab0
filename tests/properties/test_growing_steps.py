"""Runs whose step times grow with context, on small random clusters: what the batch counts, and what a jump takes."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sim_core import SimSpec, Trace
from sim_core.batching import BATCHING
from sim_core.batching.vllm_scheduler import VllmScheduler
from sim_core.batching.whole_prompts import WholePrompts
from sim_core.replica import IterationObserver, Replica
from sim_core.replicas import REPLICAS
from sim_core.request import Request
from sim_core.results import SimResult
from sim_core.simulation import Simulation, simulate
from sim_core.spec import PerformanceSpec
from tests.properties.test_random_worlds import (
    TOGETHER,
    WHOLE,
    SteppingBatch,
    SteppingReplica,
    rows,
    specs,
    stepping,
)
from tests.sim_core import context_times, worlds

TIMES = ("prompt_start_s", "prompt_end_s", "token_start_s", "token_end_s", "end_s")
# Workloads of a second, too: prompts then displace whole batches of decodes, of which parts come back.
crowds = st.builds(
    lambda arrivals, rush: [(arrival_s / rush, *sizes) for arrival_s, *sizes in arrivals],
    rows(ties=False),
    st.sampled_from([1, 8, 16]),
)
growing = st.builds(context_times.drawn, st.sampled_from(context_times.ALL), st.integers(0, 10**6))


class ContextWatch(IterationObserver):
    """Counts the tokens of each request singly, and compares the contexts of steps with them."""

    def __init__(self) -> None:
        self.outputs: dict[Request, int] = {}  # that the request has, once it decodes
        self.runs = 0

    def iterations_ended(self, replica: Replica) -> None:
        if not isinstance(replica.batcher, WholePrompts):
            return
        step, decodes = replica.step, replica.batcher.batch.decodes
        requests = [task.request for task in decodes]
        context = sum(request.prompt_tokens + self.outputs.get(request, 1) - 1 for request in requests)
        assert (step.decode_context, step.prompt_context) == (context, 0)
        for request in requests:
            self.outputs[request] = self.outputs.get(request, 1) + step.repeat * step.passes
        self.runs += 1


def watched(spec: SimSpec, trace: Trace) -> SimResult:
    """The run, in which the contexts of all steps are compared."""
    simulation = Simulation(spec)
    watch = ContextWatch()
    for replica in simulation.replicas[0]:
        replica.observe(watch)
    result = simulation.run(trace)
    assert watch.runs or not result.completed or spec.start_states[0].kinds[0].policy not in WHOLE
    return result


@settings(deadline=None, max_examples=100)
@given(specs(), growing, crowds)
def test_the_context_of_a_step_is_that_of_its_decodes(
    spec: SimSpec, performance: PerformanceSpec, arrivals: list[Any]
) -> None:
    watched(replace(spec, performance=performance), worlds.trace(arrivals))


class GrowingReplica(SteppingReplica):
    """The same for steps that grow."""

    __slots__ = ()

    def _run(self, step: Any) -> None:
        step.decode_context = self.batcher.batch.context()
        super()._run(step)


class OneStep(VllmScheduler):
    """Lets no turn be skipped."""

    __slots__ = ()

    def alike(self) -> int:
        return 0


@pytest.mark.plain
@settings(deadline=None, max_examples=200)
@given(specs(policies=TOGETHER, batching=[*WHOLE, "vllm"]), growing, crowds, st.sampled_from([0.0, 0.0037]))
def test_a_jump_over_growing_steps_equals_its_single_steps(
    spec: SimSpec, performance: PerformanceSpec, arrivals: list[Any], overhead_s: float
) -> None:
    states = tuple(
        replace(state, instance=state.instance and replace(state.instance, run_s=overhead_s))
        for state in spec.start_states
    )
    spec, trace = replace(spec, performance=performance, start_states=states), worlds.trace(arrivals)
    jumped = watched(spec, trace)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sim_core.batching.whole_prompts.Batch", SteppingBatch)
        patch.setattr("sim_core.batching.vllm.VllmScheduler", OneStep)
        patch.setitem(REPLICAS, "steps", GrowingReplica)
        for name, policy in list(BATCHING.items()):
            patch.setitem(BATCHING, name, stepping(policy))
        simulation = Simulation(spec)
        stepped = simulation.run(trace)
    for replica in simulation.replicas[0]:
        assert isinstance(replica, GrowingReplica) or isinstance(replica.batcher.scheduler, OneStep)
    assert stepped.events >= jumped.events
    assert jumped.unserved == stepped.unserved
    first, second = ({row[0]: row for row in zip(*columns(result), strict=True)} for result in (jumped, stepped))
    assert first.keys() == second.keys()
    for number, row in first.items():
        for value, other in zip(row, second[number], strict=True):
            assert value == pytest.approx(other, rel=1e-12, abs=0.0, nan_ok=True)


def columns(result: SimResult) -> list[Any]:
    return [result.requests[name] for name in ("request_id", "prompt_instance", "preemptions", *TIMES)]


def test_a_run_of_growing_decodes_is_one_event() -> None:
    """Where nothing comes meanwhile, 2000 decodes over several sections of a table take no more events than 2."""
    for policy in context_times.ALL:
        for batching in ("ORCA", "Splitwise"):
            spec = worlds.spec(count=1, kv_tokens=9000, batch=worlds.instance(batching))
            spec = replace(spec, performance=context_times.drawn(policy, 5))
            few, many = (simulate(spec, worlds.trace([(0.0, 5, outputs)])) for outputs in (3, 2001))
            assert few.events == many.events
            assert math.isfinite(many.end_s)
