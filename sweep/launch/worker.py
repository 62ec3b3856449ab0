"""Runs one point. This code runs in worker processes, on any machine; it never imports mlflow or Ray."""

from __future__ import annotations

import gc
import json
import time
import traceback
import warnings
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from sim_core import Trace, __version__, simulate
from sim_core.compilation import form
from sim_core.errors import SpecWarning
from sweep.experiment.point import Outcome, Point, describing_fields, failed_outcome
from sweep.launch.time_limit import time_limit
from sync.results.counts import all_beyond, counted
from sync.results.energy import gpu_rows
from sync.results.figures import run_figures
from sync.results.measure import MeasuredRun, measure, pick
from sync.results.parquet import encode_requests
from traces import workload
from traces.workload import TraceRef

KEPT_REQUESTS = 100_000  # of 48 bytes: a process keeps its last traces of at most so many, up to 300 MB
_KEPT_TRACES = 64  # a search runs many clusters with these seeds, and making a trace takes a tenth of a run
_KEPT_SECTIONS = 64  # the runs of a process share most sections of their configurations
_DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)  # four times as fast, where PyYAML was built with it


def run_point(point: Point, root: Path, *, timeout_s: float | None = None, trace: Trace | None = None) -> Outcome:
    """Simulate a point. An exception, or taking longer than `timeout_s`, becomes a failed outcome.

    `trace` is the point's; without it the trace is read or generated, files being below `root`.
    """
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    wall_start, cpu_start = time.perf_counter(), time.process_time()
    _freeze_imports()
    try:
        with time_limit(timeout_s):
            trace = _trace_of(point, root) if trace is None else trace
            with warnings.catch_warnings(action="ignore", category=SpecWarning):  # shown when the points were built
                result = measure(simulate(point.spec, trace, pick), point.spec)
            outcome = finished_outcome(point, trace, result)
    except Exception as error:  # of whatever kind: only this point fails, not the sweep
        outcome = failed_outcome(point, describe_error(error), version=__version__)
    else:
        outcome = replace(outcome, started_at=started_at)
    return replace(outcome, wall_s=time.perf_counter() - wall_start, cpu_s=time.process_time() - cpu_start)


def finished_outcome(point: Point, trace: Trace, result: MeasuredRun) -> Outcome:
    """The outcome of a point whose simulation gave `result`, without its times."""
    return Outcome(
        **describing_fields(point),
        status="completed" if result.stopped_s is None else "stopped",
        summary={name: float(value) for name, value in (result.summary | run_figures(result, point.slo)).items()},
        requests_parquet=encode_requests(result, point.spec, trace),
        counts=_counts(point, trace, result),
        config_yaml="".join(_section_yaml({name: part}) for name, part in point.config.items()),
        version=__version__,
        core=form().text,
        gpus=gpu_rows(result, point.spec, point.gpu_power) if result.stopped_s is None else [],
    )


def _section_yaml(section: Mapping[str, Any]) -> str:
    """A section of a configuration as YAML."""
    text = json.dumps(section)
    if json.loads(text) != section:  # JSON cannot say it: a name below is a number
        return _yaml(section)
    return _kept_yaml(text)


@lru_cache(maxsize=_KEPT_SECTIONS)
def _kept_yaml(section: str) -> str:
    """A section that is given as JSON, as YAML."""
    return _yaml(json.loads(section))


def _yaml(section: Mapping[str, Any]) -> str:
    return yaml.dump(section, Dumper=_DUMPER, sort_keys=False)


def _counts(point: Point, trace: Trace, result: MeasuredRun) -> dict[str, list[int]]:
    """The requests beyond each limit of the point's SLO; none where it is not known how long requests arrive."""
    limits = tuple(point.slo.limits())
    if point.horizon_s is None:
        return {}
    if result.stopped_s is not None:
        return all_beyond(np.asarray(trace.arrival_s), point.horizon_s, limits)
    unserved_s = np.array(result.unserved["arrival_s"], dtype=np.float64)
    return counted(result.requests, unserved_s, result.first_arrival_s, point.horizon_s, limits)


def _trace_of(point: Point, root: Path) -> Trace:
    """The trace of a point, made or read once where it is short."""
    if point.requests > KEPT_REQUESTS:
        return workload.load(point.trace, root)
    return _kept_trace(point.trace, root, point.trace_identity)


@lru_cache(maxsize=_KEPT_TRACES)
def _kept_trace(ref: TraceRef, root: Path, identity: str) -> Trace:
    """The trace that `ref` names below `root`; `identity` tells it from one that had its name before."""
    return workload.load(ref, root)


@cache
def _freeze_imports() -> None:
    """Keep the garbage collector from searching what the imports left: that is a fifth of a run's CPU time.

    Done once a process. `gc.get_freeze_count` cannot tell whether it was done: counting takes milliseconds.
    """
    gc.freeze()


def describe_error(error: BaseException) -> str:
    """The reason in the first line, the traceback in those that follow."""
    reason = traceback.format_exception_only(error)[-1].strip().splitlines()[0]
    return reason + "\n" + "".join(traceback.format_exception(error))
