"""What a run of a sweep costs beside its event loop, part by part, in CPU seconds: all parts in this one process.

    python benchmarks/parts.py --runs 20 --requests 72000

The runs are those of `service.py overhead`, which measures the whole: with Ray, and with what occurs once a sweep.
Here the parts of a run are timed in turn, so that other work on the machine slows all of them alike. Shares are of the
loops. The process has the environment of Ray's workers.
"""

from __future__ import annotations

import argparse
import os
import pickle
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.service import ROOT, isocost
from sim_core.engine import Engine
from sim_core.simulation import Simulation
from sweep.experiment.expand import expand
from sweep.experiment.file import parse_experiment
from sweep.experiment.point import Outcome, Point, SweepInfo
from sweep.launch import worker
from sweep.launch.ray_environment import OF_WORKERS
from sync.results import parquet
from sync.results.journal import Journal
from sync.tracking import artifacts, sink, store

LOOP = "the event loops"
ONCE = "once a sweep: "
# What is timed where it is called: the object whose attribute it is, its name, and the part that it belongs to.
CALLS: Sequence[tuple[Any, str, str]] = (
    (worker, "_trace_of", "worker: making traces"),
    (worker, "simulate", "worker: building clusters, collecting columns"),
    (worker, "measure", "worker: figures of requests"),
    (worker, "run_figures", "worker: goodput, stability, use of machines"),
    (worker, "_counts", "worker: requests beyond limits"),
    (worker, "encode_requests", "worker: Parquet"),
    (parquet, "derive", "worker: curves"),
    (pickle, "dumps", "from worker to driver: packing"),
    (pickle, "loads", "from worker to driver: unpacking"),
    (Journal, "write", "journal"),
    (sink.MlflowSink, "write", "MLflow: what is left of its writer"),
    (sink.MlflowSink, "_content", "MLflow: metrics and tags from an outcome"),
    (artifacts, "files", "MLflow: files from an outcome"),
    (store.MlflowStore, "log_files", "MLflow: writing files"),
    (store.MlflowStore, "create_run", "MLflow: database"),
    (store.MlflowStore, "finish_run", "MLflow: database"),
)


class Times:
    """CPU seconds by part, each without those parts that it calls."""

    def __init__(self) -> None:
        self.by_part: dict[str, float] = defaultdict(float)
        self._inside = [0.0]  # CPU seconds of the parts that were called, for each part that is under way

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Time a part."""
        self._inside.append(0.0)
        began_s = time.process_time()
        try:
            yield
        finally:
            took_s = time.process_time() - began_s
            self.by_part[part] += took_s - self._inside.pop()
            self._inside[-1] += took_s

    def time_calls(self) -> None:
        """Time all of `CALLS` from now on."""
        for owner, name, part in CALLS:
            setattr(owner, name, self._timed(getattr(owner, name), part))

    def _timed(self, call: Callable[..., Any], part: str) -> Callable[..., Any]:
        def timed(*arguments: Any, **named: Any) -> Any:
            with self.of(part):
                return call(*arguments, **named)

        return timed


class TimedEngine(Engine):
    """Counts the time of its event loop."""

    def __init__(self, times: Times) -> None:
        super().__init__()
        self._times = times

    def run(self, *arguments: Any) -> None:
        """See `Engine`."""
        with self._times.of(LOOP):
            super().run(*arguments)

    def at_each(self, *arguments: Any) -> None:
        """See `Engine`: arrivals are part of the loop."""
        with self._times.of(LOOP):
            super().at_each(*arguments)


def measure(runs: int, requests: int, results: Path) -> dict[str, float]:
    """CPU seconds by part of so many runs."""
    times = Times()
    vars(worker)["simulate"] = lambda spec, trace, pick: Simulation(spec, TimedEngine(times)).run(trace, pick)
    experiment = parse_experiment(isocost(runs, requests), "x.yaml")
    points = expand(experiment, [], ROOT)
    sweep = SweepInfo("parts", "", "parts", "", len(points), "python -m sweep parts")
    mlflow = sink.MlflowSink(results)
    mlflow.open(sweep)
    with Journal(results / sweep.name) as journal:
        for warm_up in (True, False):
            for point in points[:1] if warm_up else points:
                kept = _run(point, times, journal)
                mlflow.write(replace(kept, key=f"warm-{kept.key}") if warm_up else kept)
            if warm_up:
                times.by_part.clear()
                times.time_calls()
                with times.of(f"{ONCE}building points"):
                    expand(experiment, [], ROOT)
    with times.of(f"{ONCE}report and page in MLflow"):
        mlflow.close()
    return times.by_part


def _run(point: Point, times: Times, journal: Journal) -> Outcome:
    with times.of("worker: the rest of a run"):
        outcome = worker.run_point(point, ROOT)
    received: Outcome = pickle.loads(pickle.dumps(outcome, protocol=5))
    return journal.write(received)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--requests", type=int, default=72_000, help="in each of them (default: 72000)")
    arguments = parser.parse_args()
    if not os.environ.keys() >= OF_WORKERS.keys():
        os.execve(sys.executable, [sys.executable, *sys.argv], os.environ | OF_WORKERS)
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    with tempfile.TemporaryDirectory() as folder:
        took_s = measure(arguments.runs, arguments.requests, Path(folder))
    loops_s = took_s.pop(LOOP)
    print(f"{LOOP}: {1e3 * loops_s / arguments.runs:.1f} ms a run, of {arguments.requests} requests")
    once_s = {part: took_s.pop(part) for part in list(took_s) if part.startswith(ONCE)}
    for part, seconds in sorted(took_s.items()):
        print(f"  {part}: {1e3 * seconds / arguments.runs:.1f} ms, {seconds / loops_s:.2%}")
    print(f"in all {sum(took_s.values()) / loops_s:.1%} more than the loops")
    for part, seconds in once_s.items():
        print(f"{part}: {seconds:.2f} s")


if __name__ == "__main__":
    main()
