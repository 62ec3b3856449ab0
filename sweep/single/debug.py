"""The files that `debug=True` writes during a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from sim_core.observer import IterationLog
from sim_core.simulation import Simulation
from sim_core.trace import Trace
from sync.files.perfetto import GpuPower, PerfettoOptions, PerfettoTrace


@contextmanager
def debug_outputs(
    folder: Path, simulation: Simulation, trace: Trace, options: PerfettoOptions, power: dict[str, GpuPower]
) -> Iterator[None]:
    """Within this block a run of `simulation` writes `instances/*/*.csv` and `trace.perfetto.json` below `folder`.

    A run that fails leaves files up to that moment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as outputs:
        for application_id, replicas in simulation.replicas.items():
            log = IterationLog(folder / "instances", application_id, replicas, list(trace.request_id))
            outputs.callback(log.close)
        perfetto = PerfettoTrace(folder / "trace.perfetto.json", simulation, trace, options, power)
        outputs.callback(perfetto.close)
        yield
