"""Single runs, those outside of a sweep: their outcomes, and taking them to a sink."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sim_core import SimSpec, Trace, __version__
from sync.results.figures import run_figures
from sync.results.measure import MeasuredRun
from sync.results.outcome import Outcome, ResultSink, SweepInfo
from sync.results.parquet import encode_requests
from sync.results.privacy import one_line
from sync.results.sweep import RESULTS
from sync.tracking.address import tracking_uri
from sync.tracking.sinks import make_sink
from sync.tracking.ui import ui_lines

NOTE = "Single runs and multiruns: `python -m sim_core ... tracking=mlflow`."


def single_outcome(
    spec: SimSpec,
    trace: Trace,
    result: MeasuredRun,
    *,
    key: str,
    overrides: Sequence[str],
    trace_identity: str,
    workload: str,
    rate: float | None,
    provisioned: tuple[float, float, float],
    config_yaml: str,
    times_s: tuple[float, float],
) -> Outcome:
    """The outcome of a run that has just ended, named by what it is. `provisioned` is the cluster's dollars an hour,
    power weight and W, `times_s` what the run took: of a core, and by the clock."""
    return Outcome(
        name=run_name(spec, trace.name),
        system=_system(spec),
        design=f"{_system(spec)} {spec.applications[0].scheduler.name} {_cluster(spec)}",
        workload=workload,
        key=key,
        index=0,
        overrides=tuple(overrides),
        axes={"scheduler": spec.applications[0].scheduler.name},
        machines=spec.machine_counts(),
        cost=provisioned[0],
        power=provisioned[1],
        watts=provisioned[2],
        rate=rate,
        trace=trace.name,
        trace_identity=trace_identity,
        seed=spec.seed,
        status="completed" if result.stopped_s is None else "stopped",
        summary={name: float(value) for name, value in (result.summary | run_figures(result)).items()},
        requests_parquet=encode_requests(result, spec, trace),
        config_yaml=config_yaml,
        cpu_s=times_s[0],
        wall_s=times_s[1],
        started_at=datetime.now(UTC).isoformat(timespec="seconds"),
        version=__version__,
    )


def run_name(spec: SimSpec, trace: str) -> str:
    """`splitwise mixed_pool 3 dgx-a100 + 2 dgx-h100 rr_conv_12 seed 0`."""
    return f"{_system(spec)} {spec.applications[0].scheduler.name} {_cluster(spec)} {trace} seed {spec.seed}"


def _cluster(spec: SimSpec) -> str:
    return " + ".join(f"{count} {sku}" for sku, count in spec.machine_counts().items())


def _system(spec: SimSpec) -> str:
    return "+".join(state.kind for state in spec.start_states) or "unallocated"


class SingleRuns:
    """Where single runs go: the sink called `sink`, and in it the experiment called `experiment`."""

    def __init__(self, sink: str, experiment: str, command: str, results: Path = RESULTS) -> None:
        """Raises SpecError for names and addresses that cannot be used; nothing is reached for yet."""
        self._results, self._name = results, sink
        self._sink: ResultSink = make_sink(sink, results)
        self._info = SweepInfo(experiment, NOTE, experiment, "", 0, command)

    def deliver(self, outcomes: Sequence[Outcome]) -> str | None:
        """Deliver all of them; what is in the way, in one line, or None."""
        try:
            self._sink.open(self._info)
            for outcome in outcomes:
                self._sink.write(outcome)
            self._sink.close()
        except Exception as error:  # whatever a store may raise
            return one_line(error)
        return None

    def seen_by(self) -> str:
        """How to look at them, for a person: lines of their own, or nothing."""
        if self._name != "mlflow":
            return ""
        return "".join(f"\n           {line}" for line in ui_lines(tracking_uri(self._results), self._sink.page()))
