"""One point, run: what happens in a worker process, on whichever machine. Never imports mlflow or Ray."""

from __future__ import annotations

import gc
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path

import yaml

from sim_core import __version__, simulate
from sweep.point import Outcome, Point, describing_fields, failed_outcome
from sync.parquet import encode_requests
from traces import workload

_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # four times as fast, where PyYAML was built with it


def run_point(point: Point, root: Path) -> Outcome:
    """Simulate a point; its trace is read or generated below `root`. An exception becomes a failed outcome."""
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    wall_start, cpu_start = time.perf_counter(), time.process_time()
    if not gc.get_freeze_count():
        # what the imports left behind is not to be searched for garbage at every run: a fifth of its CPU time
        gc.freeze()
    try:
        trace = workload.load(point.trace, root)
        result = simulate(point.spec, trace)
        table = encode_requests(result, point.spec, trace)
    except Exception as error:  # whatever it is, it is this point's and not the sweep's
        return failed_outcome(point, describe_error(error), version=__version__)
    return Outcome(
        **describing_fields(point),
        status="completed",
        summary={name: float(value) for name, value in result.summary.items()},
        requests_parquet=table,
        config_yaml=yaml.dump(dict(point.config), Dumper=_DUMPER, sort_keys=False),
        cpu_s=time.process_time() - cpu_start,
        wall_s=time.perf_counter() - wall_start,
        started_at=started_at,
        version=__version__,
    )


def describe_error(error: BaseException) -> str:
    """The reason in the first line, the traceback in those that follow."""
    reason = traceback.format_exception_only(error)[-1].strip().splitlines()[0]
    return reason + "\n" + "".join(traceback.format_exception(error))
