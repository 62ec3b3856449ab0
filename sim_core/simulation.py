"""A run: from its spec and trace to its result. Runs share nothing; any number of them can live in one process."""

from __future__ import annotations

import gc
import warnings
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from sim_core.application import Application
from sim_core.beyond import StepsBeyond, iterations_beyond
from sim_core.cache_use import CacheUse, cache_use_of, endless_caches
from sim_core.closed_loop import ClosedLoop
from sim_core.early_stop import EarlyStop
from sim_core.engine import Call, Engine, Later
from sim_core.errors import SpecError, SpecWarning, choices
from sim_core.event import Handler
from sim_core.memory import instance_memory
from sim_core.network import NETWORKS, WaitingTransfers, Wiring
from sim_core.network.use import LinkUse, together
from sim_core.performance.step_times import StepTimes
from sim_core.policies import policies_for
from sim_core.recorder import Recorder
from sim_core.replica import Replica
from sim_core.replicas import REPLICAS
from sim_core.request_state import REJECTED
from sim_core.results import (
    Pick,
    SimResult,
    Work,
    instance_columns,
    picked,
    request_columns,
    unserved_columns,
    work_of,
)
from sim_core.rng import Streams
from sim_core.scheduling import Start
from sim_core.scheduling.view import View
from sim_core.spec import SimSpec, StartStateSpec
from sim_core.standstill import Unfinished, standstill_of
from sim_core.start_state import InstancePlan, Machines
from sim_core.start_state.base import errors_of_part, part_key
from sim_core.trace import Trace
from sim_core.workload import OpenLoop, Workload

NO_BACKLOG = "stop_at_backlog_s has no effect: the clients of a closed loop wait, so no backlog can grow"


class Simulation:
    """One run: its cluster, clock and records. `run` may be called once."""

    def __init__(self, spec: SimSpec, engine: Engine | None = None) -> None:
        """Build the cluster. Raises SpecError or CapacityError where the spec cannot work, PluginError where a plugin
        fails. `engine`: one that records its events, or the like; None for an ordinary one."""
        self.spec = spec
        self.engine = Engine() if engine is None else engine
        self.recorder = Recorder()
        self.transfers = WaitingTransfers()
        self._before: dict[int, list[Work]] = {}  # what replicas did in the warm-up
        self._policies = policies_for(spec)
        self._performance = self._policies.performance(spec.performance)
        self._steps_beyond = StepsBeyond()
        self._times: dict[tuple[int, float], tuple[StepTimes, StepTimes]] = {}  # see `_with_overhead`
        self.applications = {
            app.application_id: Application(app, self.engine, self.recorder) for app in spec.applications
        }
        self.replicas = {number: application.fleet.replicas for number, application in self.applications.items()}
        machines = Machines(spec.servers)
        with self._policies.blamed():
            for state in spec.start_states:
                with errors_of_part(spec.start_states, state):
                    taken = machines.take(state)
                    plans = self._policies.plans(state, taken)
                    if plans:
                        self._fill(state, plans)
                    elif state.kinds and not taken:
                        _warn_of_no_machine(part_key(spec.start_states, state), state.application_id)
        self._has_prefix_cache = bool(endless_caches(self.replicas))
        if self._has_prefix_cache:
            self.recorder.record_cached()

    def _fill(self, state: StartStateSpec, plans: list[InstancePlan]) -> None:
        spec, application_id = self.spec, state.application_id
        application = self.applications[application_id]
        replicas = [self._replica(application, index, plan) for index, plan in enumerate(plans)]
        _warn_of_shared_memory(plans, part_key(spec.start_states, state))
        scheduler_spec, view = application.spec.scheduler, View()
        policy = self._policies.schedulers[scheduler_spec.policy]
        application.fleet.listen(lambda replica: view.add(replica, policy.role_of(scheduler_spec, replica)))
        for replica in replicas:
            application.fleet.start(replica)
        start = Start(scheduler_spec, view, Streams(spec.seed)[f"scheduler/{application_id}"])
        scheduler = self._policies.scheduler(start)
        bandwidth = scheduler.bandwidth_gb_per_s()
        network = None
        if bandwidth is not None:
            factor = getattr(policy, "bandwidth_factor", 1.0)
            network = NETWORKS[spec.network.policy](
                Wiring(
                    engine=self.engine,
                    waiting=self.transfers,
                    spec=spec.network,
                    model=application.spec.model,
                    plans=plans,
                    bandwidth_gb_per_s=bandwidth,
                    bandwidth_factor=factor,
                    on_delivery=application.on_delivery,
                )
            )
        application.connect(scheduler, view, network)

    def _replica(self, application: Application, index: int, plan: InstancePlan) -> Replica:
        model = application.spec.model
        times = self._performance.times_for(model, plan.processor_name, plan.spec)
        times = self._with_overhead(times, plan.spec.run_s)
        memory = instance_memory(model, plan)
        policy = self._policies.batching[plan.spec.policy]
        batcher = policy(plan.spec, self.engine, policy.kv_cache(plan.spec, memory))
        if times.grows_with_context:
            batcher.track_context()
        replica = REPLICAS[policy.runs_on](application, index, plan, memory, times, batcher)
        if times.may_exceed(plan.spec.max_batch_size):
            replica.observe(self._steps_beyond)
        return replica

    def _with_overhead(self, times: StepTimes, overhead_s: float) -> StepTimes:
        """The same times with `overhead_s` added to each step: one object for all replicas of a kind, which so stays in
        the processor's cache."""
        key = (id(times), overhead_s)
        if key not in self._times:
            self._times[key] = (times, times.plus(overhead_s))  # both are kept, as an id may be given again
        return self._times[key][1]

    def submit(self) -> dict[int, Handler]:
        """By application, what takes a request when its client sends it: the router, with its delay."""
        delay_s, engine = self.spec.routing_delay_s, self.engine
        if delay_s == 0.0:
            return dict(self.applications)
        return {number: Later(engine, delay_s, application) for number, application in self.applications.items()}

    def in_cluster(self) -> int:
        """How many requests have arrived and not left."""
        return sum(application.in_cluster() for application in self.applications.values())

    def run(self, trace: Trace, pick: Pick = picked) -> SimResult:
        """Serve `trace`: each request at its own time, or when one of the trace's clients sends it."""
        if not self._has_prefix_cache:
            trace = replace(trace, prefixes=None)  # nobody would look at them
        return self.serve(workload_of(trace), pick)

    def serve(self, workload: Workload, pick: Pick = picked) -> SimResult:
        """Serve `workload`. Every request of it ends as completed, rejected or unfinished.

        Durations (the end of the run, the start-up of replicas, figures) count from the first arrival. `pick` takes the
        columns of completed requests from the trace.
        """
        known = set(self.applications)
        unknown = set(workload.applications()) - known
        if unknown:
            raise SpecError(
                f"the trace {workload.requests().name} asks for application {min(unknown)}, which is not configured"
                f"{choices(min(unknown), map(str, sorted(known)))}",
                key="applications",
            )
        if workload.concurrency() and self.spec.stop_at_backlog_s is not None:
            warnings.warn(NO_BACKLOG, SpecWarning, stacklevel=2)
        stop = EarlyStop(self.spec, workload, self.engine, self.in_cluster)
        for application in self.applications.values():
            application.begin(workload)
        workload.measures_from(Call(self._warmed_up))
        ends_at_s = self.spec.ends_at_s(workload.first_arrival_s())
        with _without_cycle_search():
            workload.begin(self.engine, self.submit())
            with self._policies.blamed():
                self.engine.run(ends_at_s, stop.slices_s())
        if self.engine.now == self.transfers.gave_up_s:
            self.engine.now = self._last_event_s(workload.requests())
        return self._result(workload, stop.stopped_s, pick)

    def _warmed_up(self, _: None) -> None:
        """The warm-up of the workload has ended: what replicas have done so far is in no figure."""
        self._before = {number: work_of(replicas, self.engine.now) for number, replicas in self.replicas.items()}

    def _result(self, workload: Workload, stopped_s: float | None, pick: Pick) -> SimResult:
        """The result of the run, which has ended."""
        trace, warmup = workload.requests(), workload.warmup()
        recorder, engine, spec = self.recorder, self.engine, self.spec
        start_s, end_s = workload.first_arrival_s(), engine.now
        first_s = trace.first_arrival_s if not warmup else trace.arrival_s[warmup] if len(trace) > warmup else end_s
        taken = self._unfinished()
        situations = [(request.index, situation) for _, request, situation in taken]
        requests = request_columns(recorder, trace, warmup, pick)
        unserved = unserved_columns(trace, recorder, situations, warmup)
        completed, rejected = len(requests["request_id"]), unserved["outcome"].count(REJECTED)
        unfinished = len(unserved["outcome"]) - rejected
        to_come = unfinished > 0 or workload.last_arrival_s() > end_s  # or it was done
        was_cut = to_come and end_s >= spec.ends_at_s(start_s) and len(engine) > 0  # events were still to come
        cut_at_s = spec.end_time_s if start_s == first_s or spec.end_time_s is None else end_s - first_s
        instances = instance_columns(self.replicas, end_s, end_s - first_s, self._before)
        arrived = bisect_right(trace.arrival_s, end_s)
        members = [replica for replicas in self.replicas.values() for replica in replicas]
        beyond = iterations_beyond(self._steps_beyond, [replica.times for replica in members])
        return SimResult(
            requests=requests,
            unserved=unserved,
            instances=instances,
            completed=completed,
            rejected=rejected,
            unfinished=unfinished,
            standstill=standstill_of(self.replicas, taken, end_s),
            events=engine.events,
            first_arrival_s=first_s,
            end_s=end_s,
            stopped_s=stopped_s,
            cut_at_s=cut_at_s if stopped_s is None and was_cut else None,
            not_arrived=len(trace) - arrived,
            origin_s=trace.origin_s,
            concurrency=workload.concurrency(),
            warmup=min(warmup, len(trace)),
            links=together(self._link_uses(end_s - start_s)),
            iterations_beyond=beyond if spec.performance.is_measured and stopped_s is None else None,
            provenance_s=self._steps_beyond.seconds_by_provenance(members, end_s),
            cache_use=self._cache_use(trace, arrived) if stopped_s is None else None,
        )

    def _cache_use(self, trace: Trace, arrived: int) -> CacheUse | None:
        rejected = (request.index for request, _ in self.recorder.rejected)
        return cache_use_of(self.replicas, trace, arrived, rejected)

    def _link_uses(self, span_s: float) -> list[LinkUse]:
        networks = [application.network for application in self.applications.values() if application.fleet.replicas]
        uses = [network.use(span_s) for network in networks if network is not None]
        return [use for use in uses if use is not None]

    def _unfinished(self) -> list[Unfinished]:
        """The requests that applications have taken and not completed."""
        return [
            (number, request, application.situation_of(request))
            for number, application in self.applications.items()
            for request in application.unfinished()
        ]

    def _last_event_s(self, trace: Trace) -> float:
        """The time of the last change in a run whose clock only went on for retries of transfers that never start."""
        times_s = [*trace.arrival_s[-1:], *self.recorder.times("end_s")]
        times_s += [replica.end_s for replicas in self.replicas.values() for replica in replicas]
        for application in self.applications.values():
            times_s += [request.transfer_end_s or 0.0 for request in application.unfinished()]
        return min(max(times_s), self.engine.now)


def _warn_of_no_machine(key: str, application_id: int) -> None:
    """Warn of an application that takes all machines that are left, where none is."""
    text = f"{key}: no machine is left for application {application_id}, so all of its requests are rejected"
    warnings.warn(f"{text}; raise cluster.servers.*.count, or let others take fewer", SpecWarning, stacklevel=2)


def _warn_of_shared_memory(plans: list[InstancePlan], section: str) -> None:
    """Warn where an instance has the memory of more processors than share its work, as in SplitwiseSim. `section`: of
    the configuration, in which its start state stands."""
    for plan in plans:
        key = f"{section}{plan.parallelism_key.removeprefix('start_state')}"
        sharing, holding = plan.spec.tensor_parallelism, len(plan.processors)
        if sharing < holding:
            warnings.warn(
                f"{key}={sharing}: a machine is one instance, with the memory (at the price) of "
                f"{holding} GPUs and the speed of {sharing}, as in SplitwiseSim; "
                f"{section}.fill_machine=true makes it {holding // sharing} of {sharing} GPUs each",
                SpecWarning,
                stacklevel=2,
            )
            return


@contextmanager
def _without_cycle_search() -> Iterator[None]:
    """Switch off the search for cyclic garbage: a run makes none, and the search took up to a third of its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def workload_of(trace: Trace) -> Workload:
    """What submits the requests of a trace: its clients, or the trace itself, at their times."""
    return ClosedLoop(trace) if trace.clients else OpenLoop(trace.on_run_clock())


def simulate(spec: SimSpec, trace: Trace, pick: Pick = picked) -> SimResult:
    """Serve `trace` on the cluster that `spec` describes. A pure function of the two. `pick`: see `Simulation.serve`.

    Raises SpecError (CapacityError among them) for a spec that cannot work, or a trace that does not go with it, and
    PluginError where a policy of a plugin fails.
    """
    return Simulation(spec).run(trace, pick)
