"""How well one measured point calibrates the rest of its configuration, on the points of `make validate`.

    python -m benchmarks.calibration

A configuration is a model, GPU, engine, precision and parallelism. One of its points is measured: a factor on step
times and an offset on TTFT are fitted to it, as `python -m sim_core calibrate` does, and the other points of the
configuration are simulated with these. Two rules say which point it is: one drawn at random, and the one whose
measured TTFT is at the first quartile. The last line is JSON: medians and 90th percentiles of errors, in percent.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from random import Random
from typing import Any

from benchmarks.validation import package
from benchmarks.validation.package import NoDataError, Package
from benchmarks.validation.points import Point, read_points, sample_file
from benchmarks.validation.runs import Outcome, run
from sim_core.compilation import form
from sim_core.errors import SpecError
from sweep.calibrate.fit import Fit, Times, fitted
from sweep.calibrate.formats.base import Lengths, MeasuredPoint

Pick = Callable[[Sequence[Point], Random], Point]


def at_random(points: Sequence[Point], dice: Random) -> Point:
    """Any point."""
    return dice.choice(points)


def at_low_load(points: Sequence[Point], dice: Random) -> Point:
    """The point whose measured TTFT is at the first quartile: neither the lightest load nor a heavy one."""
    return sorted(points, key=lambda point: (point.ttft_ms, point.name))[len(points) // 4]


RULES: Mapping[str, Pick] = {"random": at_random, "low_load": at_low_load}
BEFORE = "before"
Errors = dict[str, list[tuple[float, float]]]  # by rule, those of TPOT and TTFT of each point


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__.split("\n")[0])
    parser.add_argument("--configurations", type=int, metavar="N", help="only N of them, drawn at random")
    parser.add_argument("--seed", type=int, default=0, help="of what is drawn (default: 0)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes; default: one a core")
    options = parser.parse_args(arguments)
    configurations = [points for points in _configurations() if len(points) > 1]
    if options.configurations is not None:
        drawn = Random(options.seed).sample(configurations, len(configurations))
        configurations = drawn[: options.configurations]
    print(f"{len(configurations)} configurations, {sum(map(len, configurations)):,} points; {form().text}", flush=True)
    answers = package.known_answers()
    found: list[Errors] = []
    with ProcessPoolExecutor(max(options.jobs, 1)) as pool:
        tasks = [pool.submit(errors_of, points, options.seed, answers) for points in configurations]
        for number, task in enumerate(tasks, 1):
            found.append(task.result())
            if number % 10 == 0:
                print(number, json.dumps(figures(found)), flush=True)
    print(json.dumps({"configurations": sum(bool(each) for each in found), **figures(found)}))
    return 0


def _configurations() -> list[list[Point]]:
    found: dict[tuple[Any, ...], list[Point]] = {}
    for point in read_points(sample_file()).points:
        if point.engine is not None:
            key = point.family, point.system, point.backend, point.precision, point.engine
            found.setdefault(key, []).append(point)
    return list(found.values())


def errors_of(points: Sequence[Point], seed: int, answers: Mapping[str, Any]) -> Errors:
    """The errors of one configuration; empty where fewer than two of its points can be simulated."""
    asked = Package(answers)
    runs: dict[Point, Outcome] = {}
    for point in points:
        try:
            runs[point] = run(point, asked)
        except NoDataError:
            continue
    usable = list(runs)
    if len(usable) < 2:
        return {}
    errors: Errors = {BEFORE: [_errors(point, outcome) for point, outcome in runs.items()]}
    for rule, pick in RULES.items():
        chosen = pick(usable, Random(f"{seed} {usable[0].name}"))
        fit = _fit(chosen, asked)
        others = [point for point in usable if point is not chosen]
        errors[rule] = [_errors(point, run(point, asked, fit.factor, fit.ttft_offset_s)) for point in others]
    return errors


def _fit(point: Point, asked: Package) -> Fit:
    """The fit to one point, or none where it is beyond all bounds."""

    def simulate(_: MeasuredPoint, fit: Fit) -> Times:
        outcome = run(point, asked, fit.factor, fit.ttft_offset_s)
        return Times(outcome.ttft_ms, outcome.tpot_ms, outcome.queue_ms)

    lengths = Lengths(point.isl, point.isl), Lengths(point.osl, point.osl)
    measured = MeasuredPoint(point.name, *lengths, point.ttft_ms, point.tpot_ms, concurrency=point.concurrency)
    try:
        return fitted([measured], simulate)
    except SpecError:
        return Fit()


def _errors(point: Point, outcome: Outcome) -> tuple[float, float]:
    return abs(outcome.tpot_ms / point.tpot_ms - 1.0), abs(outcome.ttft_ms / point.ttft_ms - 1.0)


def figures(found: Sequence[Errors]) -> dict[str, dict[str, float]]:
    """The figures by rule, in percent."""
    return {rule: _figures([pair for errors in found for pair in errors.get(rule, [])]) for rule in (BEFORE, *RULES)}


def _figures(pairs: Sequence[tuple[float, float]]) -> dict[str, float]:
    said: dict[str, float] = {"points": len(pairs)}
    for place, metric in enumerate(("tpot", "ttft")):
        values = sorted(pair[place] for pair in pairs)
        for name, share in (("median", 0.5), ("p90", 0.9)):
            said[f"{metric}_{name}"] = round(100.0 * values[int(share * (len(values) - 1))], 1) if values else 0.0
    return said


if __name__ == "__main__":
    sys.exit(main())
