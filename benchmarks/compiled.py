"""How much faster the compiled core is than the same files as plain Python, and whether the results are the same.

    python benchmarks/compiled.py [CASE ...] [--rounds N]

The two forms take turns, each in a process of its own that runs the case three times. Times are CPU seconds of
`simulate` alone, the least of all runs. Prints a table in Markdown. The exit code is 1 where results differ.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.cases import CASES, ROOT
from sim_core.compilation import PURE

RUN = """
import json, sys, time
from hashlib import sha256
sys.path.insert(0, ".")
from benchmarks.cases import CASES, spec_and_trace
from sim_core.compilation import form
from sim_core.simulation import simulate
spec, trace = spec_and_trace(*CASES[sys.argv[1]])
seconds = []
for _ in range(3):
    start = time.process_time()
    result = simulate(spec, trace)
    seconds.append(time.process_time() - start)
digest = sha256(repr((result.unserved, result.instances, result.events, result.end_s)).encode())
for name, column in sorted(result.requests.items()):
    digest.update(name.encode() + column.tobytes())
print(json.dumps([form().is_compiled, min(seconds), digest.hexdigest(), len(trace)]))
"""


def run(case: str, pure: str) -> tuple[bool, float, str, int]:
    """Whether the core was compiled, the CPU seconds, the digest of the results, and the requests of a case."""
    command = [sys.executable, "-c", RUN, case]
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {PURE: pure}, text=True, stdout=subprocess.PIPE, check=True
    )
    is_compiled, seconds, digest, requests = json.loads(done.stdout)
    return is_compiled, seconds, digest, requests


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="*", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print("| case | plain, requests per CPU-second | compiled | ratio |\n|---|---|---|---|")
    are_same = True
    for case in options.case or CASES:
        best, digests = {"0": float("inf"), "1": float("inf")}, set()
        for _ in range(options.rounds):
            for pure in best:
                is_compiled, seconds, digest, requests = run(case, pure)
                if is_compiled is not (pure == "0"):
                    raise SystemExit("the core is not compiled: make compiled")
                best[pure] = min(best[pure], seconds)
                digests.add(digest)
        are_same = are_same and len(digests) == 1
        note = "" if len(digests) == 1 else " RESULTS DIFFER"
        plain, compiled = requests / best["1"], requests / best["0"]
        print(f"| {case} | {plain:,.0f} | {compiled:,.0f} | {compiled / plain:.2f}{note} |", flush=True)
    return 0 if are_same else 1


if __name__ == "__main__":
    sys.exit(main())
