"""Whether the compiled core and the same files as plain Python give the same bytes, in many different runs.

    python benchmarks/same_bytes.py [GROUP ...] [--random N] [--record]

Each form runs in a process of its own, and every run gives a digest of all that it recorded. The groups:
`grid`    every scheduler with every batching policy: lightly loaded, overloaded, and short of memory
`random`  N small runs that are drawn (400)
`closed`  half as many of them with clients who send a request when their last one has ended
`parity`  the runs whose results by SplitwiseSim are known
`long`    minutes of a workload on clusters of which most are overloaded, up to 120,000 queued requests
Prints a table in Markdown, and the names of the runs that differ. The exit code is 1 if there are any.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks import growth
from benchmarks.cases import CASES, ROOT, spec_and_trace
from configs.compose import Composer
from sim_core import spec_from_config
from sim_core.compilation import PURE, form
from sim_core.errors import SpecWarning
from tests.sim_core.small_runs import Run, closed, digest_of_run, drawn, grid
from traces.workload import TraceRef, load

GROUPS = ("grid", "random", "closed", "parity", "long")
RECORDED = ROOT / "tests" / "sim_core" / "digests.json"
RECORDED_RANDOM = 100  # of the random runs, so many are in RECORDED, half as many closed ones, and all of the grid
FIRST_COME = ["cluster.servers.0.count=0", "cluster.servers.1.count=4", "applications.0.scheduler=jsq"]
LONG = {
    **CASES,
    **{name: case for name, case in (growth.CASES | growth.LARGE).items() if name.startswith("queue")},
    "queue: ORCA 4 machines, 12 thousand": ([*FIRST_COME, "start_state=orca"], "rr_conv_20_600s"),
    "queue: default 4 machines, 6 thousand": (
        [*FIRST_COME, "start_state=baseline", "start_state.instance.instance_type=DEFAULT"], "rr_conv_10_600s",
    ),
}  # fmt: skip


def runs(groups: list[str], count: int) -> Iterator[tuple[str, Run]]:
    """The runs of these groups by name, of which the group is the first word. `count` of `random`, half of `closed`."""
    if "grid" in groups:
        yield from ((f"grid {name}", run) for name, run in grid())
    if "random" in groups:
        yield from ((f"random {number}", drawn(number)) for number in range(count))
    if "closed" in groups:
        yield from ((f"closed {number}", closed(number)) for number in range(count // 2))
    if "parity" in groups:
        for file in sorted((ROOT / "tests" / "parity" / "cases").glob("*/case.json")):
            spec = spec_from_config(Composer().resolved(json.loads(file.read_text())["overrides"]), ROOT)
            yield f"parity {file.parent.name}", (spec, load(TraceRef("trace", str(file.parent), spec.seed), ROOT))
    if "long" in groups:
        yield from ((f"long {name}", spec_and_trace(*case)) for name, case in LONG.items())


def digests(groups: list[str], count: int) -> dict[str, str]:
    """The digest of each of the runs, in this process."""
    with warnings.catch_warnings(action="ignore", category=SpecWarning):
        return {name: digest_of_run(run) for name, run in runs(groups, count)}


def of_both_forms(groups: list[str], count: int) -> tuple[dict[str, str], dict[str, str]]:
    """The digests of the compiled core, and of the plain one, whose processes run at the same time."""
    command = [sys.executable, __file__, "--digests", "--random", str(count), *groups]
    processes = [
        subprocess.Popen(command, env=os.environ | {PURE: pure}, stdout=subprocess.PIPE, text=True) for pure in "01"
    ]
    compiled, plain = (json.loads(process.communicate()[0]) for process in processes)
    return compiled, plain


def main() -> int:
    """Run, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("group", nargs="*", help="of the groups above; default: all")
    parser.add_argument("--random", type=int, default=400, metavar="N")
    parser.add_argument("--record", action="store_true", help=f"write {RECORDED.relative_to(ROOT)}, which a test reads")
    parser.add_argument("--digests", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := set(options.group).difference(GROUPS):
        parser.error(f"there is no group {min(unknown)!r}; there are {', '.join(GROUPS)}")
    groups = options.group or list(GROUPS)
    if options.digests:
        print(json.dumps(digests(groups, options.random)))
        return 0
    if not form().is_compiled:
        parser.error(form().text)
    if options.record:
        groups, options.random = ["grid", "random", "closed"], RECORDED_RANDOM
    compiled, plain = of_both_forms(groups, options.random)
    different = [name for name in compiled if compiled[name] != plain[name]]
    print("| group | runs | of them the same compiled and plain |\n|---|---|---|")
    for group in groups:
        names = [name for name in compiled if name.startswith(f"{group} ")]
        print(f"| {group} | {len(names)} | {len(names) - len(set(names) & set(different))} |")
    print(*(f"DIFFERENT: {name}" for name in different), sep="\n", end="\n" if different else "")
    if options.record and not different:
        RECORDED.write_text(json.dumps(compiled, indent=0) + "\n")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main())
