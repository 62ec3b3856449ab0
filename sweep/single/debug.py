"""The files that `debug=True` writes during a run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from configs.gpu_power import GpuPower
from sim_core.observer import IterationLog
from sim_core.simulation import Simulation
from sim_core.trace import Trace
from sync.files.perfetto.options import PerfettoOptions
from sync.files.perfetto.tracks import PerfettoTrace


@contextmanager
def debug_outputs(
    folder: Path,
    simulation: Simulation,
    trace: Trace,
    options: PerfettoOptions,
    power: dict[str, GpuPower],
    request_ids: Sequence[int] | None = None,
) -> Iterator[None]:
    """Within this block a run of `simulation` writes `instances/*/*.csv` and `trace.perfetto.json` below `folder`.

    `request_ids` are those of the requests in the order in which they are submitted, which may grow (None: those of the
    trace). A run that fails leaves files up to that moment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    request_ids = trace.request_id if request_ids is None else request_ids
    with ExitStack() as outputs:
        for application_id, replicas in simulation.replicas.items():
            log = IterationLog(folder / "instances", application_id, replicas, request_ids)
            outputs.callback(log.close)
        perfetto = PerfettoTrace(folder / "trace.perfetto.json", simulation, trace, options, power, request_ids)
        outputs.callback(perfetto.close)
        yield
