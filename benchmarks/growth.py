"""Measure CPU time per request while trace, cluster or queue grow: `python benchmarks/growth.py [--large]`.

Each case runs in a process of its own. Raw numbers are printed as JSON.
"""

from __future__ import annotations

import argparse
import gc
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.cases import baseline, machine, spec_and_trace, split
from sim_core.simulation import Simulation

CASES = {
    "trace: HA 51 machines, 10 thousand": (split(26, 25), "rr_conv_70_140s"),
    "trace: HA 51 machines, 100 thousand": (split(26, 25), "rr_conv_70_1400s"),
    "cluster: baseline 40 machines": (baseline(40), "rr_conv_70_60s"),
    "cluster: baseline 400 machines": (baseline(400), "rr_conv_700_60s"),
    "cluster: baseline 4000 machines": (baseline(4000), "rr_conv_7000_60s"),
    "queue: baseline 4 machines, 40 thousand": (baseline(4), "rr_conv_70_600s"),
    "queue: HA 4 machines, 40 thousand": (split(2, 2), "rr_conv_70_600s"),
}
LARGE = {
    "trace: HA 51 machines, 1 million": (split(26, 25), "rr_conv_70_14286s"),
    "queue: baseline 4 machines, 120 thousand": (baseline(4), "rr_conv_200_600s"),
}


def measure(name: str) -> dict[str, object]:
    """Measure a case in this process."""
    spec, trace = spec_and_trace(*(CASES | LARGE)[name])
    simulation = Simulation(spec)
    gc.freeze()
    start = time.process_time()
    result = simulation.run(trace)
    cpu_s = time.process_time() - start
    return {
        "case": name,
        "requests": len(trace),
        "us_per_request": round(cpu_s / len(trace) * 1e6, 1),
        "completed": result.completed,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    }


def main() -> int:
    """Measure every case and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--large", action="store_true", help="the cases of a million requests too")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure(arguments.case)))
        return 0
    results = []
    for name in [*CASES, *(LARGE if arguments.large else ())]:
        done = subprocess.run([sys.executable, __file__, "--case", name], capture_output=True, text=True, check=True)
        results.append(json.loads(done.stdout))
        print(results[-1], file=sys.stderr, flush=True)
    print(json.dumps({"machine": machine(), "results": results}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
