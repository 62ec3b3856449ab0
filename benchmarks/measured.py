"""How far `performance_model=measured` is from SplitwiseSim's measurements that it has not seen.

    python benchmarks/measured.py [FILE]

Each measured step of decodes (their number, and the tokens of context) is left out in turn, and its time is worked out
from the others of its model, hardware and tensor parallelism. The table has mean and largest error,

- between: of steps with no more and no fewer decodes than the others have;
- beyond: of the step with the most decodes, so that its time is extrapolated to twice as many as are left;
- seen: of the fit with all steps, as runs have it. Times scatter, and one slope over context does not go through all;
- prompts: between others, left out in turn. Their times are on straight lines between the measured ones, as in `db`.

Then come the same errors of decodes with `table` and, with all of its points, `db`. Hardware with the decodes of other
hardware counts once. It exits with 1 where the mean of the errors between is above 3%, or the largest above 10%.
`FILE` is a table of runs; by default that of the project, data/performance_runs.csv.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from sim_core.performance.curve import times_from_curve
from sim_core.performance.measured import times_from_runs
from sim_core.performance.measured_runs import read_runs, steps_of
from sim_core.performance.measurements import read_curves
from sim_core.performance.plausible import plausible
from sim_core.performance.step_times import StepTimes
from sim_core.performance.table import times_from_steps
from sim_core.spec import MeasuredSteps
from sim_core.step import Step

DATA = Path(__file__).resolve().parents[1] / "data"
COLUMNS = ("between", "beyond", "seen", "prompts")
MOST_MEAN, MOST = 0.03, 0.1
Fit = Callable[[MeasuredSteps], StepTimes]


class Errors(NamedTuple):
    """Relative errors, without their sign, of steps between others and of the largest ones."""

    between: list[float]
    beyond: list[float]


def error(times: StepTimes, number: int, context: int, seconds: float) -> float:
    """The relative error of the time of a step of decodes."""
    return abs(times.seconds(Step(0, number, 0, context), 1) / seconds - 1.0)


def left_out(steps: MeasuredSteps, fit: Fit) -> Errors:
    """The errors at each step that is left out in turn."""
    errors = Errors([], [])
    for step in steps.decodes:
        rest = tuple(other for other in steps.decodes if other != step)
        kind = errors.between if min(rest)[0] <= step[0] <= max(rest)[0] else errors.beyond
        kind.append(error(fit(replace(steps, decodes=rest)), *step))
    return errors


def with_all(steps: MeasuredSteps, times: StepTimes) -> list[float]:
    """The errors of times at all steps of decodes."""
    return [error(times, *step) for step in steps.decodes]


def prompts_left_out(steps: MeasuredSteps) -> list[float]:
    """The errors of prompts between others, each left out in turn."""
    errors = []
    for step in steps.prompts[1:-1]:
        times = times_from_runs(replace(steps, prompts=tuple(other for other in steps.prompts if other != step)))
        errors.append(abs(times.seconds(Step(step[0]), 1) / step[2] - 1.0))
    return errors


def shares(errors: Sequence[float]) -> str:
    """Mean and largest of errors."""
    return f"{sum(errors) / len(errors):7.2%}{max(errors):7.1%}" if errors else " " * 14


def distinct(file: Path) -> list[MeasuredSteps]:
    """The measured steps in a file, of copies the first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # which runs are left out is in data/README.md
        steps = [steps_of(runs, file.name) for runs in read_runs(file, str(file)).values()]
    return list({(each.model, each.tensor_parallelism, each.decodes): each for each in reversed(steps)}.values())[::-1]


def curves() -> dict[tuple[str, str, int], StepTimes]:
    """The times of `db`."""
    path = DATA / "performance_curves.csv"
    return {key: times_from_curve(plausible(curve)[0]) for key, curve in read_curves(path, path.name).items()}


def row(name: str, steps: int, columns: Sequence[Sequence[float]]) -> str:
    """A line of the table."""
    return "  ".join((f"{name:32} {steps:5}", *map(shares, columns)))


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=DATA / "performance_runs.csv", metavar="FILE")
    measured, db = distinct(parser.parse_args().file), curves()
    total: list[list[float]] = [[], [], [], []]
    of_table = Errors([], [])
    of_db: list[float] = []
    print("  ".join((f"{'mean and largest error':32} steps", *map("{:>14}".format, COLUMNS))))
    for steps in measured:
        key = steps.model, steps.hardware, steps.tensor_parallelism
        fitted = with_all(steps, times_from_runs(steps))
        found = [*left_out(steps, times_from_runs), fitted, prompts_left_out(steps)]
        print(row(f"{key[0]} on {key[1]}, {key[2]} GPUs", len(fitted), found))
        for all_errors, errors in zip((*total, *of_table), (*found, *left_out(steps, times_from_steps)), strict=True):
            all_errors += errors
        if key in db:
            of_db += with_all(steps, db[key])
    between, beyond, seen, _ = total
    print(row("all", len(seen), total))
    print(row("table", len(seen), of_table))
    print(row("db", len(of_db), ([], [], of_db)))
    print(f"between and beyond: {shares([*between, *beyond]).strip()}")
    return int(sum(between) / len(between) > MOST_MEAN or max(between) > MOST)


if __name__ == "__main__":
    sys.exit(main())
