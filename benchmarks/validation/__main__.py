"""Simulates measured serving points, and writes docs/validation.md.

    python -m benchmarks.validation

The last line of its output is JSON: see `benchmarks.validation.page.figures`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.validation import package
from benchmarks.validation.errors import TPOT, TTFT, Comparison, errors_in, package_errors_in
from benchmarks.validation.page import Results, figures, page
from benchmarks.validation.pictures import draw
from benchmarks.validation.points import AGGREGATED, DISAGGREGATED, Point, Reading, read_points, sample_file
from benchmarks.validation.runs import NONE, Batch, run_all
from benchmarks.validation.settings import Mechanism
from sim_core.compilation import form
from sim_core.whole_file import replacing

ROOT = Path(__file__).resolve().parents[2]
PAGE = "validation.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.validation", description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path, default=ROOT / "docs", help="the folder of the page; default: docs")
    parser.add_argument(
        "--limit", type=int, metavar="N", help="simulate N of the points, for a look, and write no page"
    )
    text = "a diagnosis: SGLang's models with experts alone, each step with prompts takes at least S seconds a layer"
    parser.add_argument("--launch", type=float, default=0.0, metavar="S", help=f"{text}; writes no page")
    text = "another: TensorRT-LLM alone, norms in one kernel with the all-reduce before them"
    parser.add_argument("--fused-norms", action="store_true", help=f"{text}; writes no page")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes; default: one a core")
    options = parser.parse_args(arguments)
    began_s = time.monotonic()
    reading = read_points(sample_file())
    points = reading.points
    mechanism = Mechanism(options.launch, options.fused_norms)
    if is_diagnosis := mechanism != NONE:
        points = [point for point in points if mechanism.concerns(point)]
    if options.limit is not None:
        points = Random(0).sample(points, min(options.limit, len(points)))
    print(f"{len(points):,} points; the core is {form().text}", flush=True)
    results = simulated(reading, points, max(options.jobs, 1), mechanism)
    for line in summary(results):
        print(line)
    if options.limit is None and not is_diagnosis:
        write(results, options.out)
        print(f"{options.out / PAGE} is written")
    print(f"{time.monotonic() - began_s:.0f} s")
    print(json.dumps(figures(results)))
    return 0


def simulated(reading: Reading, points: Sequence[Point], jobs: int, mechanism: Mechanism = NONE) -> Results:
    """The results of points, which are simulated by so many processes."""
    answers = package.known_answers()
    groups = sorted(_groups(points), key=lambda group: -sum(point.concurrency for point in group))
    with ProcessPoolExecutor(jobs) as pool:
        tasks = {pool.submit(run_all, group, answers, mechanism): len(group) for group in groups}
        _show_progress(tasks, len(points))
        batches = [task.result() for task in tasks]
    asked = package.Package(answers)
    engines = asked.engine_versions(list(points))
    known = answers | asked.new
    for batch in batches:
        known |= batch.answers
    package.keep(known)
    return Results(reading, _comparisons(points, batches), _not_run(batches), package.name(), engines)


def _show_progress(tasks: Mapping[Future[Batch], int], points: int) -> None:
    """Print a line for each tenth of the points that is done."""
    done = shown = 0
    for task in as_completed(tasks):
        done += tasks[task]
        if done * 10 // points > shown:
            shown = done * 10 // points
            print(f"{done:,} of {points:,} points", file=sys.stderr, flush=True)


def _groups(points: Sequence[Point]) -> list[list[Point]]:
    """Points whose engines have the same tables: one process asks for them."""
    groups: dict[tuple[Any, ...], list[Point]] = {}
    for point in points:
        key = point.family, point.precision, point.system, point.backend, point.is_inferencex, *point.engines
        groups.setdefault(key, []).append(point)
    return list(groups.values())


def _comparisons(points: Sequence[Point], batches: Sequence[Batch]) -> list[Comparison]:
    """In the order of the points, whatever process was the first."""
    places = {point.name: place for place, point in enumerate(points)}
    found = [Comparison(*outcome) for batch in batches for outcome in batch.outcomes]
    return sorted(found, key=lambda each: places[each.point.name])


def _not_run(batches: Sequence[Batch]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {mode: Counter() for mode in (AGGREGATED, DISAGGREGATED)}
    for batch in batches:
        for (mode, reason), count in batch.not_run.items():
            found[mode][reason] += count
    return found


def summary(results: Results) -> list[str]:
    """A line for each mode and metric."""
    lines = []
    for mode in (AGGREGATED, DISAGGREGATED):
        members = results.of(mode)
        left = ", ".join(f"{count} {reason}" for reason, count in sorted(results.not_run[mode].items()))
        lines.append(f"{mode}: {len(members):,} points" + (f"; not simulated: {left}" if left else ""))
        for metric in (TTFT, TPOT):
            ours, theirs = errors_in(members, metric), package_errors_in(members, metric)
            if ours is not None and theirs is not None:
                said, other = (
                    f"{each.median:.1f}%, p90 {each.p90:.1f}%, bias {each.bias:+.1f}%" for each in (ours, theirs)
                )
                lines.append(f"  {metric[:4].upper()} error: median {said}; the package's own estimate: {other}")
    return lines


def write(results: Results, folder: Path) -> None:
    """Write the page and its pictures."""
    folder.mkdir(parents=True, exist_ok=True)
    draw(results.of(AGGREGATED), folder)
    with replacing(folder / PAGE) as file:
        file.write(page(results).encode())


if __name__ == "__main__":
    sys.exit(main())
