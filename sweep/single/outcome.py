"""The outcomes of single runs, which belong to no sweep, and their delivery to a sink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from configs.gpu_power import GpuPowers
from configs.machines import cost_and_power, provisioned_watts, read_machines
from sim_core import SimSpec, Trace, content_key
from sweep.experiment.point import Point, arrivals_span_s, horizon_of, project_root
from sweep.launch.worker import finished_outcome
from sync.results.code import deciding_code
from sync.results.measure import MeasuredRun
from sync.results.outcome import Outcome, ResultSink, SweepInfo
from sync.results.privacy import one_line
from sync.results.sweep import RESULTS
from sync.tracking.address import tracking_uri, ui_lines
from sync.tracking.sinks import make_sink
from traces import workload
from traces.workload import TraceRef

NOTE = "Single runs and multiruns: `python -m sim_core ... tracking=mlflow`."


def single_outcome(
    spec: SimSpec,
    ref: TraceRef,
    trace: Trace,
    config: Mapping[str, Any],
    overrides: Sequence[str],
    result: MeasuredRun,
    gpu_power: GpuPowers,
) -> Outcome:
    """The outcome of a run that has just ended, without its times. It is named by its parts, such as
    `splitwise mixed_pool 3 dgx-a100 + 2 dgx-h100 rr_conv_12 seed 0`."""
    root, machines = project_root(), spec.machine_counts()
    figures = read_machines(root)
    cost, power = cost_and_power(machines, figures)
    identity = workload.identity(ref, root)
    system = "+".join(state.kind for state in spec.start_states) or "unallocated"
    scheduler = spec.applications[0].scheduler.name
    design = f"{system} {scheduler} {' + '.join(f'{count} {sku}' for sku, count in machines.items())}"
    point = Point(
        index=0,
        name=f"{design} {trace.name} seed {spec.seed}",
        system=system,
        design=design,
        workload=workload.workload_name(ref, root),
        overrides=tuple(overrides),
        spec=spec,
        trace=ref,
        trace_identity=identity,
        key=content_key(spec, identity, deciding_code().digest_for(spec)),
        axes={"scheduler": scheduler},
        machines=machines,
        cost=cost,
        power=power,
        watts=provisioned_watts(machines, figures),
        rate=workload.rate_per_s(ref, root),
        config=config,
        horizon_s=horizon_of(arrivals_span_s(trace), spec),
        concurrency=trace.concurrency,
        gpu_power=gpu_power,
    )
    outcome = finished_outcome(point, trace, result)
    return replace(
        outcome, trace=trace.name, seed=spec.seed, started_at=datetime.now(UTC).isoformat(timespec="seconds")
    )


def destination(sink: str, experiment: str, command: str = "") -> tuple[ResultSink, SweepInfo]:
    """The sink, and what it is told of the experiment for single runs. Connects to nothing yet.

    Raises SpecError for names and addresses that cannot be used.
    """
    return make_sink(sink, RESULTS), SweepInfo(experiment, NOTE, experiment, "", 0, command)


def deliver(sink: str, experiment: str, command: str, outcomes: Sequence[Outcome]) -> tuple[str | None, list[str]]:
    """Deliver the outcomes. Returns the reason in one line if that fails, else lines that say how to look at them."""
    opened, info = destination(sink, experiment, command)
    try:
        opened.open(info)
        for outcome in outcomes:
            opened.write(outcome)
        opened.close()
    except Exception as error:  # a store may raise anything
        return one_line(error), []
    return None, list(ui_lines(tracking_uri(RESULTS), opened.page())) if sink == "mlflow" else []
