"""Compare the speed and the results of the working tree with a commit: `python benchmarks/compare.py BASE [CASE ...]`.

BASE is the commit. Both trees run each case in turn in new processes, so that other work on the machine slows down
both, and the best of N counts. Times are CPU seconds from a spec and a trace to the columns and the summary of the
run, which `simulate` itself worked out in commits of before `sync.results.measure`. Each tree runs the core as its
users have it: compiled where it can be, or the plain one with SIM_CORE_PURE=1. The exit status is 1 if a column of the
results does not have the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.cases import CASES, COMMON, ROOT, machine
from sim_core.compilation import PURE, is_pure_asked

RUN = """
import hashlib, json, sys, time
from pathlib import Path
from configs.compose import Composer
from sim_core import spec_from_config
from sim_core.simulation import simulate
from traces.workload import TraceRef, load
try:
    from sync.results.measure import measure
except ImportError:
    measure = lambda result, spec: result
overrides, workload, root = json.loads(sys.argv[1])
spec = spec_from_config(Composer().resolved(overrides), Path(root))
trace = load(TraceRef(workload, "traces/samples", 0), Path(root))
simulated, whole = [], []
for _ in range(3):
    start = time.process_time()
    result = simulate(spec, trace)
    simulated.append(time.process_time() - start)
    result = measure(result, spec)
    whole.append(time.process_time() - start)
digest = hashlib.sha256()
for name in sorted(result.requests):
    digest.update(name.encode() + result.requests[name].tobytes())
print(json.dumps({"simulate_cpu_s": min(simulated), "whole_cpu_s": min(whole), "digest": digest.hexdigest(),
                  "requests": len(trace)}))
"""


def run(tree: Path, case: str, pure: str = "1") -> dict[str, object]:
    """Run a case in a process of its own in one tree, with the plain core unless `pure` is "0"; what it prints."""
    overrides, workload = CASES[case]
    task = json.dumps([[*COMMON, *overrides], workload, str(tree)])
    done = subprocess.run([sys.executable, "-c", RUN, task], cwd=tree, env=os.environ | {PURE: pure},
                          capture_output=True, text=True, check=False)  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{tree}: {done.stderr.strip()[-2000:]}")
    answer: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return answer


def compare(base: Path, case: str, repeat: int, pure: str) -> dict[str, object]:
    """Run a case in both trees in turn."""
    runs: dict[str, list[dict[str, object]]] = {"base": [], "here": []}
    for _ in range(repeat):
        for name, tree in (("base", base), ("here", ROOT)):
            runs[name].append(run(tree, case, pure))
    best = {name: min(float(str(each["whole_cpu_s"])) for each in many) for name, many in runs.items()}
    same = len({each["digest"] for many in runs.values() for each in many}) == 1
    return {"case": case, "times_faster": round(best["base"] / best["here"], 3), "same_results": same, **runs}


def compile_where_it_can_be(tree: Path) -> None:
    """Compile the core of a tree; older ones have only the plain one. What that says goes to standard error."""
    if (tree / "setup.py").exists():
        command = [sys.executable, "-W", "ignore", "setup.py", "-q", "compiled"]
        subprocess.run(command, cwd=tree, stdout=sys.stderr, check=True)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base", metavar="BASE", help="a commit")
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)} (all)")
    parser.add_argument("--repeat", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        subprocess.run(["git", "clone", "--quiet", "--shared", str(ROOT), str(base)], check=True)
        subprocess.run(["git", "checkout", "--quiet", "--detach", arguments.base], cwd=base, check=True)
        pure = "1" if is_pure_asked() else "0"
        if pure == "0":
            compile_where_it_can_be(base)
            compile_where_it_can_be(ROOT)
        results = []
        for case in arguments.cases or CASES:
            results.append(compare(base, case, arguments.repeat, pure))
            line = {key: results[-1][key] for key in ("case", "times_faster", "same_results")}
            print(json.dumps(line), file=sys.stderr, flush=True)
    print(json.dumps({"machine": machine(), "base": arguments.base, "results": results}, indent=1))
    return 0 if all(result["same_results"] for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
