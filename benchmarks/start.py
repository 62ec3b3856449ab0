"""Measure the start: `import sim_core`, and a complete single run of a few requests, compared with Python alone.

    python benchmarks/start.py [--repeat N]

CPU seconds of new processes, taken in turn. The best of N counts, since other work on the machine only adds to them.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.cases import ROOT, environment, machine


def cpu_s(arguments: list[str], compiled: str) -> float:
    """The CPU seconds of a new Python process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, *arguments]
    subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL, check=True, env=environment(compiled))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=9)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        commands = {
            "python": ["-c", "pass"],
            "import sim_core": ["-c", "import sim_core"],
            "import hydra": ["-c", "import hydra"],
            "single run, 10 s of 1 request/s": ["-m", "sim_core", "trace.filename=rr_conv_1_10s",
                                                f"hydra.run.dir={folder}/out"],
        }  # fmt: skip
        times: dict[str, list[float]] = {name: [] for name in commands}
        for _ in range(arguments.repeat):
            for name, command in commands.items():
                times[name].append(round(cpu_s(command, f"{folder}/compiled"), 4))
    best = {name: min(values) for name, values in times.items()}
    print(json.dumps({"machine": machine(), "best_cpu_s": best, "cpu_s": times}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
