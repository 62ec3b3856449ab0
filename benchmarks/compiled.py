"""How much faster the compiled core is than the same files as plain Python, and whether the results are the same.

    python benchmarks/compiled.py [CASE ...] [--rounds N]

The two forms take turns, each in a process of its own that runs the case three times. Times are CPU seconds of
`simulate` alone, the least of all runs. Prints a table in Markdown. The exit code is 1 where results differ.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.cases import CASES, ROOT
from benchmarks.compare import run
from sim_core.compilation import form


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", nargs="*", help=f"of {', '.join(CASES)}; default: all")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if not form().is_compiled:
        parser.error(form().text)
    print("| case | plain, requests per CPU-second | compiled | ratio |\n|---|---|---|---|")
    are_same = True
    for case in options.case or CASES:
        best, digests = {"0": float("inf"), "1": float("inf")}, set()
        for _ in range(options.rounds):
            for pure in best:
                found = run(ROOT, case, pure)
                best[pure] = min(best[pure], float(str(found["simulate_cpu_s"])))
                digests.add(found["digest"])
        are_same = are_same and len(digests) == 1
        note = "" if len(digests) == 1 else " RESULTS DIFFER"
        plain, compiled = (int(str(found["requests"])) / best[pure] for pure in ("1", "0"))
        print(f"| {case} | {plain:,.0f} | {compiled:,.0f} | {compiled / plain:.2f}{note} |", flush=True)
    return 0 if are_same else 1


if __name__ == "__main__":
    sys.exit(main())
