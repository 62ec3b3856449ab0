"""One point, run: what happens in a worker process, on whichever machine. Never imports mlflow or Ray."""

from __future__ import annotations

import gc
import time
import traceback
import warnings
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import yaml

from sim_core import Trace, __version__, simulate
from sim_core.errors import SpecWarning
from sweep.experiment.point import Outcome, Point, describing_fields, failed_outcome
from sweep.launch.time_limit import time_limit
from sync.results.figures import run_figures
from sync.results.measure import measure
from sync.results.parquet import encode_requests
from traces import workload

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # four times as fast, where PyYAML was built with it


def run_point(point: Point, root: Path, *, timeout_s: float | None = None, trace: Trace | None = None) -> Outcome:
    """Simulate a point. An exception, or taking longer than `timeout_s`, becomes a failed outcome.

    `trace` is the point's; without it that is read or generated, files being below `root`.
    """
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    wall_start, cpu_start = time.perf_counter(), time.process_time()
    _freeze_imports()
    try:
        with time_limit(timeout_s):
            trace = workload.load(point.trace, root) if trace is None else trace
            with warnings.catch_warnings(action="ignore", category=SpecWarning):  # shown when the points were built
                result = measure(simulate(point.spec, trace), point.spec)
            table = encode_requests(result, point.spec, trace)
            figures = run_figures(result, point.slo)
    except Exception as error:  # whatever it is, it is this point's and not the sweep's
        failed = failed_outcome(point, describe_error(error), version=__version__)
        return replace(failed, wall_s=time.perf_counter() - wall_start, cpu_s=time.process_time() - cpu_start)
    return Outcome(
        **describing_fields(point),
        status="completed" if result.stopped_s is None else "stopped",
        summary={name: float(value) for name, value in (result.summary | figures).items()},
        requests_parquet=table,
        config_yaml=yaml.dump(dict(point.config), Dumper=_DUMPER, sort_keys=False),
        cpu_s=time.process_time() - cpu_start,
        wall_s=time.perf_counter() - wall_start,
        started_at=started_at,
        version=__version__,
    )


@cache
def _freeze_imports() -> None:
    """Once a process: what the imports left is not to be searched for garbage at every run, a fifth of its CPU time.

    To ask whether that was done already counts all that is frozen, which takes milliseconds.
    """
    gc.freeze()


def describe_error(error: BaseException) -> str:
    """The reason in the first line, the traceback in those that follow."""
    reason = traceback.format_exception_only(error)[-1].strip().splitlines()[0]
    return reason + "\n" + "".join(traceback.format_exception(error))
