"""What a run leaves behind: columns of numbers, and a summary of them."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sim_core import reference
from sim_core.arithmetic import Arithmetic, Columns
from sim_core.errors import InvariantError
from sim_core.performance.base import IterationTimes
from sim_core.performance.db import times_from_curve
from sim_core.recorder import Recorder
from sim_core.request_state import RequestState, Situation
from sim_core.spec import ApplicationSpec, SimSpec
from sim_core.standstill import Standstill, Unfinished, standstill_of
from sim_core.statistics import mean, percentile
from sim_core.trace import Trace

if TYPE_CHECKING:
    from sim_core.simulation import Simulation

PERCENTILES = (("p50", 50.0), ("p90", 90.0), ("p95", 95.0), ("p99", 99.0))


@dataclass(frozen=True, slots=True)
class SimResult:
    """Columns recorded during a run, and what follows from them.

    `requests`: a column a name, a row a completed request in order of completion. `unserved`: likewise for the
    rejected and the unfinished (in that order, then by arrival), with `outcome`, `state` (a `RequestState`), `instance`
    (the name of the one that the state concerns, or "") and `reason`, which says the same in words. `instances`: a
    column a name, a row an instance; `processor` is the name of its GPUs, `processors` how many of them hold its
    weights and KV cache. NaN stands for "did not happen", such as the transfer of a request that stayed.
    """

    requests: Columns
    unserved: dict[str, list[object]]
    instances: dict[str, list[object]]
    summary: dict[str, float] = field(default_factory=dict)
    completed: int = 0
    rejected: int = 0
    unfinished: int = 0
    standstill: Standstill | None = None  # instances that wait for memory which nobody frees, and their requests
    events: int = 0
    first_arrival_s: float = 0.0  # of all requests, on the run's clock as all of these; 0 where there is none
    end_s: float = 0.0
    stopped_s: float | None = None  # when `sim_core.early_stop` ended the run; None: it ran to its end
    cut_at_s: float | None = None  # the spec's `end_time_s` where that ended the run before all were served
    not_arrived: int = 0  # of the unfinished: still to come when the run ended
    origin_s: float = 0.0  # see `Trace`

    @property
    def span_s(self) -> float:
        """How long the run took, in simulated time: from its first arrival to its end."""
        return self.end_s - self.first_arrival_s


def collect(simulation: Simulation, trace: Trace, stopped_s: float | None = None) -> SimResult:
    """The result of a run that has ended, at `stopped_s` before its time. The summary of such a run has no times:
    they would be those of the requests that came first."""
    recorder = simulation.recorder
    unfinished_situations = _unfinished(simulation)
    unserved = _unserved(simulation, trace, unfinished_situations)
    rejected = len(recorder.rejected)
    unfinished = len(unserved["request_id"]) - rejected
    if len(recorder) + rejected + unfinished != len(trace):
        raise InvariantError(
            f"{len(recorder)} completed + {rejected} rejected + {unfinished} unfinished are not {len(trace)} requests"
        )
    first_s, end_s, end_time_s = trace.first_arrival_s, simulation.engine.now, simulation.spec.end_time_s
    requests = _request_columns(recorder, trace, simulation.arithmetic)
    _add_slowdowns(requests, simulation.spec, simulation.arithmetic)
    instances = _instance_columns(simulation, end_s - first_s)
    result = SimResult(
        requests=requests,
        unserved=unserved,
        instances=instances,
        completed=len(recorder),
        rejected=rejected,
        unfinished=unfinished,
        standstill=standstill_of(simulation.instances, unfinished_situations),
        events=simulation.engine.events,
        first_arrival_s=first_s,
        end_s=end_s,
        stopped_s=stopped_s,
        cut_at_s=end_time_s if stopped_s is None and unfinished and _was_cut(simulation, first_s) else None,
        not_arrived=len(trace) - bisect_right(trace.arrival_s, end_s),
        origin_s=trace.origin_s,
    )
    result.summary.update(_summary(result, simulation.arithmetic))
    if simulation.spec.performance.curves and stopped_s is None:
        result.summary["measured/iterations_beyond"] = float(simulation.iterations_beyond())
    return result


def _was_cut(simulation: Simulation, first_arrival_s: float) -> bool:
    """Whether events were still to come when the clock reached the end that the spec sets."""
    engine = simulation.engine
    return engine.now >= simulation.spec.ends_at_s(first_arrival_s) and len(engine) > 0


def _request_columns(recorder: Recorder, trace: Trace, arithmetic: Arithmetic) -> Columns:
    rows, time = recorder.numbers("index"), recorder.times
    minus, gather = arithmetic.minus, arithmetic.gather
    arrival, outputs = gather(trace.arrival_s, rows), gather(trace.output_tokens, rows)
    prompt_start, prompt_end = time("prompt_start_s"), time("prompt_end_s")
    ttft, e2e = minus(prompt_end, arrival), minus(time("end_s"), arrival)
    return {
        "request_id": gather(trace.request_id, rows),
        "application_id": gather(trace.application_id, rows),
        "arrival_s": arrival,
        "prompt_tokens": gather(trace.prompt_tokens, rows),
        "output_tokens": outputs,
        "queue_s": minus(prompt_start, arrival),
        "ttft_s": ttft,
        "tbt_s": arithmetic.per_token(e2e, ttft, outputs),
        "e2e_s": e2e,
        "prompt_start_s": prompt_start,
        "prompt_end_s": prompt_end,
        "transfer_start_s": time("transfer_start_s"),
        "transfer_end_s": time("transfer_end_s"),
        "token_start_s": time("token_start_s"),
        "token_end_s": time("token_end_s"),
        "preempted_s": time("preempted_s"),
        "preemptions": recorder.numbers("preemptions"),
        "prompt_instance": recorder.numbers("prompt_instance"),
        "token_instance": recorder.numbers("token_instance"),
    }


def _reference_times(spec: SimSpec, application: ApplicationSpec) -> IterationTimes | None:
    """How fast a request is alone on the SLO's reference machine; None where nothing says."""
    wanted = (application.model.measured_as, reference.REFERENCE_HARDWARE, reference.REFERENCE_TENSOR_PARALLELISM)
    if spec.performance.policy != "db":
        from sim_core.simulation import build_performance

        return build_performance(spec).iteration_times(*wanted)
    for curve in spec.performance.curves:
        if (curve.model, curve.hardware, curve.tensor_parallelism) == wanted:
            return times_from_curve(curve)
    return None


def _add_slowdowns(requests: Columns, spec: SimSpec, arithmetic: Arithmetic) -> None:
    """Each time over that of the same request alone on the reference machine; NaN where that is unknown."""
    alone = {app.application_id: _reference_times(spec, app) for app in spec.applications}
    ttft, tbt, e2e = arithmetic.slowdowns(requests, alone)
    requests.update(ttft_slowdown=ttft, tbt_slowdown=tbt, e2e_slowdown=e2e)


def _unfinished(simulation: Simulation) -> list[Unfinished]:
    """The requests that an application has taken and not completed, with their application's number."""
    return [
        (number, request, application.situation_of(request))
        for number, application in simulation.applications.items()
        for request in application.unfinished()
    ]


def _unserved(simulation: Simulation, trace: Trace, unfinished: Sequence[Unfinished]) -> dict[str, list[object]]:
    rows = [(request.index, situation) for request, situation in simulation.recorder.rejected]
    rows.extend((request.index, situation) for _, request, situation in unfinished)
    come = simulation.recorder.numbers("index") + array("i", [row for row, _ in rows])
    never = Situation(RequestState.NOT_REACHED)
    rows.extend((row, never) for row in simulation.arithmetic.missing(come, len(trace)))
    return {
        "request_id": [trace.request_id[row] for row, _ in rows],
        "application_id": [trace.application_id[row] for row, _ in rows],
        "arrival_s": [trace.arrival_s[row] for row, _ in rows],
        "prompt_tokens": [trace.prompt_tokens[row] for row, _ in rows],
        "output_tokens": [trace.output_tokens[row] for row, _ in rows],
        "outcome": [situation.state.outcome for _, situation in rows],
        "reason": [situation.reason() for _, situation in rows],
        "state": [situation.state for _, situation in rows],
        "instance": [situation.instance for _, situation in rows],
    }


def _instance_columns(simulation: Simulation, span_s: float) -> dict[str, list[object]]:
    end_s = simulation.engine.now
    columns: dict[str, list[object]] = {
        name: []
        for name in ("application_id", "index", "name", "sku", "role", "busy_s", "busy_ended_s", "utilisation",
                     "iterations", "batches", "kv_peak_fraction", "processor", "processors", "tensor_parallelism")
    }  # fmt: skip
    for application_id, instances in simulation.instances.items():
        for instance in instances:
            busy_s = instance.busy_until(end_s)
            row = (
                application_id, instance.index, instance.name, instance.sku, instance.role, busy_s,
                instance.busy_s, busy_s / span_s if span_s > 0 else 0.0, instance.iteration + instance.without_decodes,
                instance.starts, instance.kv_peak / instance.kv_capacity, instance.processor, instance.processors,
                instance.tensor_parallelism,
            )  # fmt: skip
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
    return columns


def _summary(result: SimResult, arithmetic: Arithmetic) -> dict[str, float]:
    """Figures by name. All times in it count from the first arrival."""
    summary: dict[str, float] = {
        "run/completed": float(result.completed),
        "run/rejected": float(result.rejected),
        "run/unfinished": float(result.unfinished),
        "run/events": float(result.events),
        "run/end_s": result.span_s,
    }
    if result.stopped_s is not None:
        summary["run/stopped_early_s"] = result.stopped_s - result.first_arrival_s
    if result.cut_at_s is not None:
        summary["run/cut_at_s"], summary["run/not_arrived"] = result.cut_at_s, float(result.not_arrived)
    if result.standstill is not None:
        summary["run/standstill_requests"] = float(result.standstill.requests)
        summary["run/standstill_s"] = result.standstill.since_s - result.first_arrival_s
    if result.completed == 0 or result.stopped_s is not None:
        return summary
    requests = result.requests
    summary.update(_times(requests, arithmetic))
    applications = sorted(set(requests["application_id"]))
    if len(applications) > 1:
        for number in applications:
            own_rows = (row for row, application in enumerate(requests["application_id"]) if application == number)
            rows = array("q", own_rows)
            own: Columns = {name: arithmetic.gather(column, rows) for name, column in requests.items()}
            summary[f"application_{number}/run/completed"] = float(len(rows))
            summary.update({f"application_{number}/{name}": value for name, value in _times(own, arithmetic).items()})
    if (span_s := result.span_s) > 0:
        summary["throughput/requests_per_s"] = result.completed / span_s
        summary["throughput/output_tokens_per_s"] = sum(requests["output_tokens"]) / span_s
    summary["memory/peak_fraction"] = max(map(_number, result.instances["kv_peak_fraction"]))
    summary["utilisation/mean"] = mean([_number(value) for value in result.instances["utilisation"]])
    return summary


def _times(requests: Columns, arithmetic: Arithmetic) -> dict[str, float]:
    """Statistics of times and slowdowns."""
    summary: dict[str, float] = {}
    for metric in ("ttft", "tbt", "e2e", "queue"):
        values = arithmetic.ascending(requests[f"{metric}_s"])
        if values:
            summary[f"{metric}/mean_s"] = mean(values)
            summary.update({f"{metric}/{name}_s": percentile(values, p) for name, p in PERCENTILES})
            summary[f"{metric}/max_s"] = values[-1]
    for metric in reference.METRICS:
        values = arithmetic.ascending(requests[f"{metric}_slowdown"])
        for name in reference.SLOWDOWN_PERCENTILES if values else ():
            summary[f"{metric}/{name}_slowdown"] = percentile(values, float(name[1:]))
    return summary


def _number(value: object) -> float:
    assert isinstance(value, float)
    return value
