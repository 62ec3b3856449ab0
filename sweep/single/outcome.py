"""The outcomes of single runs, which belong to no sweep, and their delivery to a sink."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from configs.machines import cost_and_power, provisioned_watts, read_machines
from sim_core import Code, SimResult, SimSpec, Trace, content_key
from sweep.experiment.point import Point, project_root
from sweep.launch.worker import finished_outcome
from sync.results.outcome import Outcome, ResultSink, SweepInfo
from sync.results.privacy import one_line
from sync.results.sweep import RESULTS
from sync.tracking.address import tracking_uri
from sync.tracking.sinks import make_sink
from sync.tracking.ui import ui_lines
from traces import workload
from traces.workload import TraceRef

NOTE = "Single runs and multiruns: `python -m sim_core ... tracking=mlflow`."


def single_outcome(
    spec: SimSpec,
    ref: TraceRef,
    trace: Trace,
    config: Mapping[str, Any],
    overrides: Sequence[str],
    result: SimResult,
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
        key=content_key(spec, identity, Code().digest_for(spec)),
        axes={"scheduler": scheduler},
        machines=machines,
        cost=cost,
        power=power,
        watts=provisioned_watts(machines, figures),
        rate=workload.rate_per_s(ref, root),
        config=config,
    )
    outcome = finished_outcome(point, trace, result)
    return replace(
        outcome, trace=trace.name, seed=spec.seed, started_at=datetime.now(UTC).isoformat(timespec="seconds")
    )


class SingleRuns:
    """The destination of single runs: an experiment of a sink."""

    def __init__(self, sink: str, experiment: str, command: str, results: Path = RESULTS) -> None:
        """Raises SpecError for names and addresses that cannot be used; connects to nothing yet."""
        self._results, self._name = results, sink
        self._sink: ResultSink = make_sink(sink, results)
        self._info = SweepInfo(experiment, NOTE, experiment, "", 0, command)

    def deliver(self, outcomes: Sequence[Outcome]) -> str | None:
        """Deliver all outcomes; returns the reason in one line if that fails, else None."""
        try:
            self._sink.open(self._info)
            for outcome in outcomes:
                self._sink.write(outcome)
            self._sink.close()
        except Exception as error:  # a store may raise anything
            return one_line(error)
        return None

    def seen_by(self) -> str:
        """How a person can look at the results: text that begins with a line break, or nothing."""
        if self._name != "mlflow":
            return ""
        return "".join(f"\n           {line}" for line in ui_lines(tracking_uri(self._results), self._sink.page()))
