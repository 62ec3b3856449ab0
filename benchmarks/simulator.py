"""Measure requests simulated per CPU-second; with --splitwisesim, also those of SplitwiseSim.

    python benchmarks/simulator.py [CASE ...] [--repeat N] [--splitwisesim CHECKOUT] [--python ITS_PYTHON]

The two simulators take turns, so that other work on the machine slows down both. `loop` is the event loop alone,
`process` the complete command; both are in CPU seconds. Raw numbers, machine and versions are printed as JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.cases import CASES, COMMON, ROOT, environment, machine
from traces.workload import TraceRef, load
from traces.writer import write_csv

OURS = """
import sys, time
from sim_core.engine import Engine
from sweep.single import job
class Timed(Engine):
    def run(self, *args):
        start = time.process_time(); super().run(*args); print("LOOP", time.process_time() - start)
untimed = job.Simulation
job.Simulation = lambda spec: untimed(spec, Timed())
from sweep.single.command import main
sys.exit(main())
"""
THEIRS = """
import os, sys, time
sys.path.insert(0, os.getcwd())
import simulator
whole = simulator.Simulator.run
def timed(self):
    start = time.process_time(); whole(self); print("LOOP", time.process_time() - start)
simulator.Simulator.run = timed
import runpy
runpy.run_path("run.py", run_name="__main__")
"""


def measure(python: str, code: str, cwd: Path, overrides: list[str], folder: str) -> dict[str, float]:
    """The CPU seconds of a command: of its event loop, and of its process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([python, "-c", code, *overrides, f"hydra.run.dir={folder}/out"], cwd=cwd, text=True,
                          capture_output=True, env=environment(f"{folder}/compiled"), check=False)  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{overrides}: {done.stderr.strip()[-2000:]}")
    loop = next(float(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("LOOP"))
    process = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"loop_cpu_s": loop, "process_cpu_s": process}


def run_case(name: str, arguments: argparse.Namespace, folder: str) -> dict[str, object]:
    """Measure a case, with the two simulators in turn."""
    overrides, workload = CASES[name]
    trace = load(TraceRef(workload, "traces/samples", 0), ROOT)
    write_csv(trace, Path(folder) / f"{workload}.csv")
    common = [*COMMON, *overrides]
    ours, theirs = [], []
    for _ in range(arguments.repeat):
        place = [f"trace.dir={folder}/", f"trace.filename={workload}"]
        ours.append(measure(sys.executable, OURS, ROOT, common + place, folder))
        if arguments.splitwisesim:
            place.append(f"trace.path={folder}/{workload}.csv")
            theirs.append(measure(arguments.python, THEIRS, arguments.splitwisesim, common + place, folder))
    loop, process = (median(run[key] for run in ours) for key in ("loop_cpu_s", "process_cpu_s"))
    result: dict[str, object] = {
        "case": name, "requests": len(trace), "requests_per_cpu_s": round(len(trace) / loop), "ours": ours
    }  # fmt: skip
    if theirs:
        result["splitwisesim"] = theirs
        result["loop_ratio"] = round(median(run["loop_cpu_s"] for run in theirs) / loop, 1)
        result["process_ratio"] = round(median(run["process_cpu_s"] for run in theirs) / process, 1)
    return result


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", choices=[[], *CASES], default=[])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--splitwisesim", type=Path, metavar="CHECKOUT")
    parser.add_argument("--python", default=sys.executable, help="the interpreter that has SplitwiseSim's packages")
    arguments = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.cases or CASES:
            results.append(run_case(name, arguments, folder))
            line = {key: value for key, value in results[-1].items() if key not in ("ours", "splitwisesim")}
            print(json.dumps(line), file=sys.stderr, flush=True)
    print(json.dumps({"machine": machine(), "results": results}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
