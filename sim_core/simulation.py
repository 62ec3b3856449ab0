"""A run: from its spec and trace to its result. Runs share nothing; any number can live in one process."""

from __future__ import annotations

import gc
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from sim_core.application import Application
from sim_core.arithmetic import Arithmetic
from sim_core.batching import BATCHING, Instance
from sim_core.batching.beyond import DecodesBeyond
from sim_core.early_stop import EarlyStop
from sim_core.engine import Engine
from sim_core.errors import SpecError, SpecWarning, choices
from sim_core.memory import instance_memory
from sim_core.network import Network, WaitingTransfers
from sim_core.performance import PERFORMANCE_MODELS, PerformanceModel
from sim_core.recorder import Recorder
from sim_core.request import Request
from sim_core.results import SimResult, collect
from sim_core.rng import Streams
from sim_core.scheduling import SCHEDULERS, Start
from sim_core.spec import SimSpec
from sim_core.start_state import START_STATES, InstancePlan, Machines
from sim_core.trace import Trace


class Simulation:
    """Everything of one run. `run` may be called once.

    `arithmetic` does what is worked out over the columns once the run has ended; in plain Python unless told.
    """

    def __init__(self, spec: SimSpec, arithmetic: Arithmetic | None = None) -> None:
        """Build the cluster. Raises SpecError or CapacityError where the spec cannot work."""
        self.spec = spec
        self.arithmetic = arithmetic or Arithmetic()
        self.engine = Engine()
        self.recorder = Recorder()
        self.transfers = WaitingTransfers()
        self._performance = build_performance(spec)
        self._decodes_beyond = DecodesBeyond()
        self.applications = {
            app.application_id: Application(app, self.engine, self.recorder) for app in spec.applications
        }
        self.instances: dict[int, list[Instance]] = {app.application_id: [] for app in spec.applications}
        machines = Machines(spec.servers)
        for state in spec.start_states:
            plans = START_STATES[state.kind](state, machines.take(state))
            if plans:
                self._fill(state.application_id, plans)

    def _fill(self, application_id: int, plans: list[InstancePlan]) -> None:
        spec = self.spec
        application = self.applications[application_id]
        model = application.spec.model
        instances = self.instances[application_id]
        for index, plan in enumerate(plans):
            policy = BATCHING[plan.spec.policy]
            times = self._performance.iteration_times(
                model.measured_as, plan.processor_name, plan.spec.tensor_parallelism
            )
            if policy.overhead_per_iteration:
                times = times.plus(plan.spec.run_s)
            memory = instance_memory(model, plan)
            instances.append(policy(self.engine, application, index, plan, memory, times))
            if plan.spec.max_batch_size > times.decode_s.measured_to:
                instances[-1].observer = self._decodes_beyond
        _warn_of_shared_memory(plans)
        scheduler_spec = application.spec.scheduler
        stream = Streams(spec.seed)[f"scheduler/{application_id}"]
        scheduler = SCHEDULERS[scheduler_spec.policy](Start(scheduler_spec, instances, stream))
        bandwidth = dict(scheduler_spec.options).get("transfer_bandwidth")
        network = None
        if bandwidth is not None:
            bandwidth *= scheduler.bandwidth_factor
            network = Network(self.engine, self.transfers, model.kv_bytes_per_token, bandwidth, application.delivered)
        application.start(instances, scheduler, network)

    def iterations_beyond(self) -> int:
        """How many iterations had more batch tokens than any measured one, so that their time is extrapolated."""
        tables = {id(instance.times): instance.times for all_of_it in self.instances.values() for instance in all_of_it}
        # an iteration with prompts is one look; one look may be many iterations of decodes alone
        looks = sum(times.prompt_s.looks_beyond + times.mixed_s.looks_beyond for times in tables.values())
        return looks + self._decodes_beyond.iterations

    def run(self, trace: Trace) -> SimResult:
        """Serve `trace`. Every request of it ends as completed, rejected or unfinished.

        Whatever counts time (the end, the start-up of instances, figures) counts from the first arrival.
        """
        trace = trace.on_run_clock()
        known = set(self.applications)
        strangers = set(trace.application_id) - known
        if strangers:
            raise SpecError(
                f"the trace {trace.name} asks for application {min(strangers)}, which is not configured"
                f"{choices(min(strangers), map(str, sorted(known)))}",
                key="applications",
            )
        arrivals = Arrivals(self, trace)
        stop = EarlyStop(self, trace)
        for application in self.applications.values():
            application.begin(trace.first_arrival_s)
        ends_at_s = self.spec.ends_at_s(trace.first_arrival_s)
        with _without_cycle_search():
            self.engine.run(trace.arrival_s, arrivals.arrive, ends_at_s, stop.slices_s())
        if self.engine.now == self.transfers.gave_up_s:
            self.engine.now = self._last_event_s(trace)
        return collect(self, trace, stop.stopped_s)

    def _last_event_s(self, trace: Trace) -> float:
        """When the last thing happened in a run whose clock has gone on for transfers that could not start."""
        times_s = [*trace.arrival_s[-1:], *self.recorder.times("end_s")]
        times_s += [instance.end + 0.0 for instances in self.instances.values() for instance in instances]
        for application in self.applications.values():
            times_s += [request.transfer_end_s or 0.0 for request in application.unfinished()]
        return min(max(times_s), self.engine.now)


def _warn_of_shared_memory(plans: list[InstancePlan]) -> None:
    """Warn where instances have the memory of more processors than share their work, which is SplitwiseSim's way."""
    for plan in plans:
        sharing, holding = plan.spec.tensor_parallelism, len(plan.processors)
        if sharing < holding:
            warnings.warn(
                f"{plan.parallelism_key}={sharing}: a machine is one instance, with the memory (at the price) of "
                f"{holding} GPUs and the speed of {sharing}, as in SplitwiseSim; "
                f"start_state.fill_machine=true makes it {holding // sharing} of {sharing} GPUs each",
                SpecWarning,
                stacklevel=2,
            )
            return


@contextmanager
def _without_cycle_search() -> Iterator[None]:
    """Keep Python from looking for cyclic garbage: a run makes none, and the search took up to a third of its time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Arrivals:
    """The router: makes a request of each row of the trace at its time, and hands it to its application."""

    __slots__ = (
        "_application_id",
        "_arrival_s",
        "_batch_size",
        "_delay_s",
        "_engine",
        "_output",
        "_prompt",
        "_targets",
    )

    def __init__(self, simulation: Simulation, trace: Trace) -> None:
        self._engine = simulation.engine
        self._delay_s = simulation.spec.routing_delay_s
        self._arrival_s, self._application_id = trace.arrival_s, trace.application_id
        self._prompt, self._output, self._batch_size = trace.prompt_tokens, trace.output_tokens, trace.batch_size
        self._targets = {key: app.arrive for key, app in simulation.applications.items()}

    def arrive(self, row: int) -> None:
        request = Request(row, self._arrival_s[row], self._prompt[row], self._output[row], self._batch_size[row])
        target = self._targets[self._application_id[row]]
        if self._delay_s == 0.0:
            target(request)
        else:
            self._engine.after(self._delay_s, target, request)


def build_performance(spec: SimSpec) -> PerformanceModel:
    """The performance model that `spec` names."""
    return PERFORMANCE_MODELS[spec.performance.policy](spec.performance)


def simulate(spec: SimSpec, trace: Trace, arithmetic: Arithmetic | None = None) -> SimResult:
    """Serve `trace` on what `spec` describes; a pure function of the two. `arithmetic`: see `Simulation`."""
    return Simulation(spec, arithmetic).run(trace)
