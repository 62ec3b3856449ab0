"""How much faster a planner's question is answered with two workers than with one, in real time.

    python benchmarks/two_workers.py                    the iso-cost question for conversations and four designs
    python benchmarks/two_workers.py FILE --rounds 3    another question

Each round runs the question with one worker and with two, in turn, and beside it what the machine itself gives: equal
simulations in one bare process, and in two at once. Two virtual processors are seldom twice as fast as one, so the
second ratio is the most that the first can reach.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[1]
QUESTION = """\
name: two-workers
find: {most: rate}
budget: {cost: {dgx-h100: 40}}
overrides: {performance_model: db, trace.filename: "rr_conv_${rate}_600s"}
systems:
  baseline-a100: {design: {baseline: dgx-a100}}
  baseline-h100: {design: {baseline: dgx-h100}}
  splitwise-ha:
    design: {prompt: dgx-h100, token: dgx-a100}
    axes: {prompt_machines: "range(5, 40, 5)"}
  splitwise-hh:
    design: {prompt: dgx-h100, token: dgx-h100}
    axes: {token_machines: "range(5, 40, 5)"}
"""
BARE = """
from benchmarks.cases import CASES, spec_and_trace
from sim_core.simulation import simulate
spec, trace = spec_and_trace(*CASES["ha-conv-70"])
for _ in range(RUNS):
    simulate(spec, trace)
"""


def bare_s(processes: int, runs: int) -> float:
    """The seconds that so many processes at once take for `runs` equal simulations each."""
    began_s = time.monotonic()
    code = BARE.replace("RUNS", str(runs))
    started = [subprocess.Popen([sys.executable, "-c", code], cwd=ROOT) for _ in range(processes)]
    assert not any(process.wait() for process in started)
    return time.monotonic() - began_s


def answer(question: Path, jobs: int) -> dict[str, float]:
    """Answer the question from nothing: the seconds of the command, the span of its runs, and their number."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "sweep", str(question), "--results", f"{folder}/results", "--jobs", str(jobs)]
        began_s = time.monotonic()
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        seconds = time.monotonic() - began_s
        points = list(Path(folder).glob("results/*/points/*.json"))
        ends_s = sorted(path.stat().st_mtime for path in points)
        cpu_s = sum(json.loads(path.read_text())["outcome"]["cpu_s"] for path in points)
    return {
        "jobs": jobs,
        "seconds": round(seconds, 1),
        "first_to_last_s": round(ends_s[-1] - ends_s[0], 1),
        "runs": len(points),
        "runs_cpu_s": round(cpu_s, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("question", nargs="?", type=Path, help="an experiment with find:")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    ratios: list[tuple[float, float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        question = options.question or Path(folder) / "two-workers.yaml"
        if options.question is None:
            question.write_text(QUESTION)
        for _ in range(options.rounds):
            one, two = answer(question.resolve(), 1), answer(question.resolve(), 2)
            alone_s = bare_s(1, 300)
            pair_s = bare_s(2, 300)
            ratios.append(
                (
                    one["seconds"] / two["seconds"],
                    one["first_to_last_s"] / two["first_to_last_s"],
                    2.0 * alone_s / pair_s,
                )
            )
            print(json.dumps({"one": one, "two": two, "bare_s": [round(alone_s, 1), round(pair_s, 1)]}), flush=True)
    whole, runs, bare = (round(median(values), 2) for values in zip(*ratios, strict=True))
    print(json.dumps({"times_as_fast": whole, "runs_alone": runs, "bare_processes": bare}))


if __name__ == "__main__":
    main()
