"""What a sweep costs beside its simulations, and how far it scales.

    python benchmarks/service.py overhead     CPU of the whole service over that of the simulation loops, part by part
                                              (--runs 40 --requests 72000, --sink mlflow; or of all runs of
                                              --experiment experiments/isocost.yaml, in 17 minutes)
    python benchmarks/service.py workers      two workers against one
    python benchmarks/service.py points       10,000 points of about 10 ms
    python benchmarks/service.py cores        64 cores (in name) and tasks of a second that sleep

The first two take minutes on two cores; other work on the machine moves the figures.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from rich.console import Console

from sim_core.early_stop import EarlyStop
from sim_core.simulation import Simulation
from sim_core.workload import OpenLoop
from sweep.experiment.expand import expand
from sweep.experiment.file import parse_experiment
from sweep.experiment.point import Outcome, Point, SweepInfo, describing_fields, failed_outcome
from sweep.launch.backlog import Backlog
from sweep.launch.interrupt import Interrupts
from sweep.launch.ray_launcher import RayLauncher
from sweep.launch.worker import run_point
from sweep.progress import ProgressView
from sweep.service import Sweeping
from sweep.tally import Tally
from sync.results.journal import Journal
from sync.tracking.sinks import make_sink
from sync.tracking.writer import SinkWriter
from traces import workload

ROOT = Path(__file__).resolve().parents[1]
# Five designs for the money of 40 H100 machines, from light load to about what they can serve.
SYSTEMS, RATES = 5, (40, 75)
ISOCOST = """\
name: service
overrides:
  cluster: half_half
  performance_model: db
  applications.0.scheduler: mixed_pool
  trace.filename: rr_conv_${rate}_${seconds}s
variables: {seconds: "${eval:'REQUESTS // ${rate}'}"}
axes: {rate: "RATES_A_SECOND"}
systems:
  baseline-a100: {overrides: {start_state: baseline, applications.0.scheduler: token_jsq,
    cluster.servers.0.count: 70, cluster.servers.1.count: 0}}
  baseline-h100: {overrides: {start_state: baseline, applications.0.scheduler: token_jsq,
    cluster.servers.0.count: 0, cluster.servers.1.count: 40}}
  splitwise-aa: {overrides: {start_state: splitwise, start_state.split_type: homogeneous,
    cluster.servers.0.count: 70, cluster.servers.1.count: 0,
    start_state.prompt.num_instances: 45, start_state.token.num_instances: 25}}
  splitwise-hh: {overrides: {start_state: splitwise, start_state.split_type: homogeneous,
    cluster.servers.0.count: 0, cluster.servers.1.count: 40,
    start_state.prompt.num_instances: 25, start_state.token.num_instances: 15}}
  splitwise-ha: {overrides: {start_state: splitwise, start_state.split_type: heterogeneous,
    start_state.prompt.instance_names: [dgx-h100], start_state.token.instance_names: [dgx-a100],
    cluster.servers.0.count: 26, cluster.servers.1.count: 25}}
"""
SHORT = """\
name: short
overrides: {cluster: half_half, cluster.servers.0.count: 0, cluster.servers.1.count: 2, performance_model: db,
  start_state: baseline, applications.0.scheduler: token_jsq, trace.filename: "rr_conv_${rate}_60s"}
axes: {rate: "1, 2, 3, 4, 5", seed: "range(2000)"}
systems: {two: {}}
"""


def isocost(runs: int, requests: int) -> str:
    """So many runs of about so many requests each."""
    (low, high), count = RATES, max(2, runs // SYSTEMS)
    rates = [round(low + (high - low) * i / (count - 1)) for i in range(count)]
    return ISOCOST.replace("REQUESTS", str(requests)).replace("RATES_A_SECOND", ", ".join(map(str, rates)))


def loops_cpu_s(points: Sequence[Point]) -> float:
    """CPU of the event loops alone: in as many processes as the sweep has workers, since they slow each other down."""
    processes = os.cpu_count() or 1
    with ProcessPoolExecutor(processes) as pool:
        return sum(pool.map(_loops_cpu_s, [points[first::processes] for first in range(processes)]))


def _loops_cpu_s(points: Sequence[Point]) -> float:
    gc.freeze()
    total_s = 0.0
    for point in points:
        trace = workload.load(point.trace, ROOT)
        simulation = Simulation(point.spec)
        requests = OpenLoop(trace)
        stop = EarlyStop(point.spec, requests, simulation.engine, simulation.in_cluster)
        gc.disable()
        began_s = time.process_time()
        ends_at_s = point.spec.ends_at_s(trace.first_arrival_s)
        requests.begin(simulation.engine, simulation.submit())
        simulation.engine.run(ends_at_s, stop.slices_s())
        total_s += time.process_time() - began_s
        gc.enable()
    return total_s


class TreeCpu:
    """CPU seconds of a process and of all below it, by kind; call `look` now and then while it runs."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._seen: dict[int, tuple[str, float]] = {}

    def look(self) -> None:
        from tests.faults.clusters import descendants

        for one, line in {self._pid: "", **descendants(self._pid)}.items():
            try:
                fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            known = self._seen.get(one, ("ray", 0.0))[0]
            works = line.startswith("ray::") and not line.split()[0].endswith("Agent")
            kind = "driver" if one == self._pid else "workers" if works else known
            self._seen[one] = kind, sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")

    def by_kind(self) -> dict[str, float]:
        found = {"driver": 0.0, "workers": 0.0, "ray": 0.0}
        for kind, seconds in self._seen.values():
            found[kind] += seconds
        return found


def sweep(text: str, *options: str) -> dict[str, float]:
    """The command line, from its start to its end: seconds, CPU of all of its processes, peak memory of the driver."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "x.yaml").write_text(text)
        command = [sys.executable, "-m", "sweep", f"{folder}/x.yaml", "--results", f"{folder}/results", *options]
        began_s, peak_kb = time.monotonic(), 0
        with (Path(folder) / "out").open("w") as out:
            process = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out)
            tree = TreeCpu(process.pid)
            while process.poll() is None:
                tree.look()
                try:
                    status = (Path("/proc") / str(process.pid) / "status").read_text()
                    peak_kb = int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1])
                except (OSError, StopIteration):
                    pass
                time.sleep(0.1)
        wall_s, cpu_s = time.monotonic() - began_s, tree.by_kind()
        said = (Path(folder) / "out").read_text()
        assert process.returncode == 0, said
        times = sorted(p.stat().st_mtime for p in Path(folder).glob("results/*/points/*.json"))
        runs = [json.loads(p.read_text())["outcome"] for p in Path(folder).glob("results/*/points/*.json")]
    return {
        "seconds": round(wall_s, 1),
        "runs": len(runs),
        "requests": sum(run["summary"]["run/completed"] for run in runs),
        "cpu_s": round(sum(cpu_s.values()), 1),
        **{f"{kind}_cpu_s": round(seconds, 1) for kind, seconds in cpu_s.items()},
        "runs_cpu_s": round(sum(run["cpu_s"] for run in runs), 1),
        "first_to_last_s": round(times[-1] - times[0], 1),
        "driver_peak_mb": round(peak_kb / 1024),
    }


def overhead(sink: str, text: str) -> None:
    points = expand(parse_experiment(text, "x.yaml"), [], ROOT)
    before_s = loops_cpu_s(points[::2])  # the machine is not equally fast at all times
    told = sweep(text, "--sink", sink)
    loops_s = before_s + loops_cpu_s(points[1::2])
    parts = {
        "the rest of the runs": told["runs_cpu_s"] - loops_s,
        "starting workers, and talking to them": told["workers_cpu_s"] - told["runs_cpu_s"],
        "the driver": told["driver_cpu_s"],
        "Ray": told["ray_cpu_s"],
    }
    print(json.dumps({"loops_cpu_s": round(loops_s, 1), **told}))
    requests = f"{told['requests'] / told['runs']:,.0f} requests on average"
    print(f"{len(points)} runs of {requests}: {told['cpu_s'] / loops_s - 1.0:.1%} more CPU than the loops alone")
    for name, seconds in parts.items():
        print(f"  {name}: {seconds / loops_s:.1%} ({seconds:.1f} s)")


def workers(runs: int, requests: int) -> None:
    text = isocost(runs, requests)
    one = sweep(text, "--sink", "none", "--jobs", "1")
    two = sweep(text, "--sink", "none", "--jobs", "2")
    print(json.dumps({"one": one, "two": two}))
    print(f"two workers are {one['first_to_last_s'] / two['first_to_last_s']:.2f} times one, from the first result on")


def points_per_second(count: int = 10_000) -> None:
    """Points that sleep for 10 ms and then are what a real one was: what is left is the driver's work, and Ray's."""
    began_s = time.process_time()
    points = expand(parse_experiment(SHORT, "x.yaml"), [], ROOT)[:count]
    expand_s = time.process_time() - began_s
    launcher = _Sleeping(jobs=4, seconds=0.01, pattern=run_point(points[0], ROOT))
    info = SweepInfo("short", "", "short", "", count, "")
    with tempfile.TemporaryDirectory() as folder, Journal(Path(folder)) as journal, Interrupts() as interrupts:
        writer = SinkWriter(make_sink("none", Path(folder)), info, journal.read)
        sweeping = Sweeping(launcher, journal, writer, interrupts)
        tallies: list[Tally] = []

        def view(tally: Tally) -> ProgressView:
            tallies.append(tally)
            return ProgressView(Console(quiet=True), tally)

        began_s = time.process_time()
        report = sweeping.run(points, [], view)
        cpu_s, rate = time.process_time() - began_s, len(points) / tallies[0].elapsed_s
        writer.close()
        kept = len(list(Path(folder).glob("points/*.json")))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    assert (len(report.outcomes), kept) == (count, count)
    print(
        f"{count} points of 10 ms, 4 cores in name: {rate:.0f} a second; the driver {1e3 * cpu_s / count:.1f} ms of CPU"
        f" a point (and {1e3 * expand_s / count:.1f} to expand it), {peak_mb:.0f} MB at most"
    )


class _Sleeping(RayLauncher):
    """Its points sleep for so many seconds and then are what `pattern` was."""

    def __init__(self, jobs: int, seconds: float, pattern: Outcome) -> None:
        super().__init__(jobs=jobs)
        self._seconds, self._pattern = seconds, pattern

    def __enter__(self) -> _Sleeping:
        import ray

        super().__enter__()
        pattern = ray.put(self._pattern)
        remote = ray.remote(num_cpus=1, max_retries=0)(_sleep)
        seconds = self._seconds

        class Task:
            def remote(self, task: Sequence[Point], *_: object) -> object:
                return remote.remote(task, seconds, pattern)

        self._task = Task()
        return self


def _sleep(task: Sequence[Point], seconds: float, pattern: Outcome) -> list[Outcome]:
    outcomes = []
    for point in task:
        time.sleep(seconds)
        outcomes.append(replace(pattern, **describing_fields(point), wall_s=seconds))
    return outcomes


def cores(count: int = 64, each: int = 30) -> None:
    (point,) = expand(parse_experiment(SHORT, "x.yaml"), ["rate=5", "seed=0"], ROOT)
    points = [replace(point, key=f"{i:064x}", index=i, requests=100_000) for i in range(count * each)]
    ended: list[float] = []
    pattern = failed_outcome(point, "slept", version="0")
    with Interrupts() as interrupts, _Sleeping(jobs=count, seconds=1.0, pattern=pattern) as launcher:
        for _ in launcher.outcomes(Backlog.of(points[: 8 * count]), interrupts):  # until all processes are there
            pass
        cpu_s, began_s = resource.getrusage(resource.RUSAGE_SELF).ru_utime, time.monotonic()
        for _ in launcher.outcomes(Backlog.of(points), interrupts):
            ended.append(time.monotonic() - began_s)
        cpu_s = resource.getrusage(resource.RUSAGE_SELF).ru_utime - cpu_s
    busy = len(points) * 1.0 / (count * ended[-1])
    print(
        f"{count} cores, {len(points)} tasks of 1 s: {ended[-1]:.1f} s, {busy:.1%} busy; the driver {cpu_s:.1f} CPU s"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", default=["overhead", "workers", "points", "cores"])
    parser.add_argument("--sink", default="mlflow", help="of overhead (default: mlflow)")
    parser.add_argument("--runs", type=int, default=40, help="of overhead and workers (default: 40)")
    parser.add_argument("--requests", type=int, default=72_000, help="in each of them (default: 72000)")
    parser.add_argument("--experiment", type=Path, help="of overhead: a file with other runs")
    arguments = parser.parse_args()
    if arguments.experiment is not None and not arguments.experiment.is_file():
        parser.error(f"--experiment {arguments.experiment}: no such file")
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    print(f"load before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    text = (
        isocost(arguments.runs, arguments.requests)
        if arguments.experiment is None
        else arguments.experiment.read_text()
    )
    measurements = {
        "overhead": lambda: overhead(arguments.sink, text),
        "workers": lambda: workers(arguments.runs, arguments.requests),
        "points": points_per_second,
        "cores": cores,
    }
    for what in arguments.what:
        measurements[what]()


if __name__ == "__main__":
    main()
