"""What the command line does with its options."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from rich.console import Console

from sim_core import Code
from sim_core.errors import SimError, SpecError
from sweep.closing import plan, print_answer
from sweep.experiment.expand import Grid
from sweep.experiment.file import Experiment, read_experiment, same_experiment
from sweep.experiment.grammar import to_override
from sweep.experiment.naming import shell_text
from sweep.experiment.point import Outcome, Point, SweepInfo, facts_of, project_root
from sweep.former.keys import FormerKeys, under_former_keys
from sweep.launch.base import Launcher, LauncherError
from sweep.launch.interrupt import EXIT_INTERRUPTED, Interrupts
from sweep.launch.serial import SerialLauncher
from sweep.options import parse_arguments
from sweep.progress import Preparation, make_progress
from sweep.results_table import results_table
from sweep.service import Sweeping, SweepReport, finished_before, renamed, sweep_id
from sweep.status import STATUS, status_command
from sweep.table import cut_text, failures_text, output_console, standing_still_text, stopped_text
from sync.results.journal import Journal, JournalError
from sync.results.outcome import ResultSink
from sync.results.privacy import scrub
from sync.tracking.address import tracking_uri
from sync.tracking.sinks import make_sink
from sync.tracking.ui import ui_lines
from sync.tracking.writer import Delivery, SinkWriter
from traces.reader import spoken

EXIT_FAILED, EXIT_BAD_INPUT = 1, 2
COPY_OF_A_JOB = "working_dir_files"  # where Ray unpacks what is shipped
MOST_CANDIDATES = 10  # listed where the start of a key is that of several points


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == [STATUS]:
        return status_command(given[1:])
    arguments = parse_arguments(given)
    screen = Console(stderr=True, highlight=False, soft_wrap=True)
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_: screen.print(spoken(message), markup=False)
        try:
            return _run(arguments, screen, given)
        except (JournalError, LauncherError) as error:
            screen.print(f"error: {error}", markup=False)
            return EXIT_FAILED
        except SimError as error:
            screen.print(f"error: {' '.join(str(error).split())}", markup=False)
            return EXIT_BAD_INPUT
        except KeyboardInterrupt:
            screen.print("interrupted before anything ran")
            return EXIT_INTERRUPTED


def select_point(points: Sequence[Point], which: str) -> Point:
    """The point with a number, or the one whose key starts so. Raises SpecError when none does, or several do."""
    if which.isdecimal() and int(which) < len(points):
        return points[int(which)]
    matching = [point for point in points if which and point.key.startswith(which.lower())]
    if len(matching) == 1:
        return matching[0]
    if not matching:
        reason = f"no point has this number or key (there are {len(points)}; --dry-run lists them)"
        raise SpecError(reason, key="--point", value=which)
    listed = [f"{point.key[:12]} {point.name}" for point in matching[:MOST_CANDIDATES]]
    more = [f"and {len(matching) - MOST_CANDIDATES} more"] if len(matching) > MOST_CANDIDATES else []
    reason = f"{len(matching)} points have a key that starts so: {'; '.join(listed + more)}"
    raise SpecError(reason, key="--point", value=which)


def points_json(points: Sequence[Point]) -> str:
    """The points as JSON, for programs."""
    return json.dumps(
        [
            {
                "index": p.index,
                "name": p.name,
                "key": p.key,
                "system": p.system,
                "design": p.design,
                "workload": p.workload,
                "seed": p.trace.seed,
                "axes": p.axes,
                "overrides": list(p.overrides),
                "machines": p.machines,
                "roles": p.roles,
                "cost": p.cost,
                "power": p.power,
                "rate": p.rate,
                "trace": p.trace.filename,
            }
            for p in points
        ],
        indent=1,
    )


def _run(arguments: argparse.Namespace, screen: Console, argv: Sequence[str]) -> int:
    root = project_root()
    _refuse_passing_results(arguments.results, root)
    sink = make_sink(arguments.sink, arguments.results)  # an unknown name is bad input too
    experiment = read_experiment(arguments.experiment)
    grid = Grid(experiment, arguments.overrides, root)
    with Preparation(screen) as told:
        points = grid.points(arguments.limit if arguments.point is None else None, told)
    if not arguments.fresh:
        points = _under_former_keys(points, Journal(arguments.results / experiment.name), grid.code, screen)
    if arguments.point is not None:
        points = [select_point(points, arguments.point)]
    if arguments.dry_run:
        _show_points(points, grid.total, arguments.format)
        return 0
    if arguments.debug:
        return _debug(points[0], arguments.results / experiment.name, root, screen)
    info = SweepInfo(
        name=experiment.name,
        description=experiment.description,
        sweep_id=sweep_id(grid.experiment),
        experiment_text=experiment.text,
        points=grid.total,
        command=scrub(shlex.join(["python", "-m", "sweep", *argv])),
        slo=experiment.slo,
    )
    report, delivery = _sweep(points, info, sink, arguments, screen)
    _show_results(report, delivery, experiment, grid.total, arguments, screen)
    if report.interrupted and report.missing:
        return EXIT_INTERRUPTED
    return EXIT_FAILED if report.failed else 0


def _under_former_keys(points: Sequence[Point], journal: Journal, code: Code, screen: Console) -> list[Point]:
    with Preparation(screen, "looking for what an earlier version finished") as told:
        resumed = under_former_keys(points, journal, lambda: FormerKeys(code), told)
    for reason, count in resumed.again.items():
        screen.print(f"finished by an earlier version and run again: {count}, because {reason}", markup=False)
    return resumed.points


def _sweep(
    points: Sequence[Point], info: SweepInfo, sink: ResultSink, arguments: argparse.Namespace, screen: Console
) -> tuple[SweepReport, Delivery]:
    one = arguments.point is not None
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(arguments.results / info.name))
        interrupts = stack.enter_context(Interrupts())
        if arguments.fresh and not one:
            journal.set_aside()
        if not one or not journal.has_sweep():  # one point of a sweep leaves that as it was
            journal.write_sweep(info, [p.key for p in points], {p.key: facts_of(p) for p in points}, same_experiment)
        known: list[Outcome] = []
        if not one:
            with Preparation(screen, "reading what is finished") as told:
                known = list(finished_before(points, journal, retry_failed=arguments.retry_failed, told=told))
        by_key = {point.key: point for point in points}
        writer = SinkWriter(sink, info, lambda key: _read_again(journal, by_key[key]))
        stack.callback(writer.close)  # what it has, it still delivers when the sweep ends in an error
        launcher = _launcher(arguments, project_root())
        sweeping = Sweeping(launcher, journal, writer, interrupts, max_failures=arguments.max_failures)
        report = sweeping.run(points, known, lambda tally: make_progress(screen, tally, writer.trouble))
        return report, writer.close()


def _refuse_passing_results(results: Path, root: Path) -> None:
    """Raise SpecError for results below the copy of the project that Ray makes for a job, and removes with it."""
    if COPY_OF_A_JOB in root.parts and results.is_relative_to(root):
        reason = (
            "is in the copy of the project that Ray made for this job, and will go with it: name a folder that stays"
        )
        raise SpecError(reason, key="--results", value=str(results.relative_to(root)))


def _launcher(arguments: argparse.Namespace, root: Path) -> Launcher:
    if arguments.local or arguments.point is not None:
        return SerialLauncher(root, arguments.timeout_per_run)
    from sweep.launch.ray_launcher import RayLauncher

    return RayLauncher(arguments.address, arguments.jobs, arguments.timeout_per_run)


def _read_again(journal: Journal, point: Point) -> Outcome:
    outcome = journal.read(point.key)
    if outcome is None:
        raise JournalError(f"{journal.folder}: the entry of {point.key} is gone")
    return renamed(outcome, point)


def _debug(point: Point, folder: Path, root: Path, screen: Console) -> int:
    """The point as a single run of its own, with the outputs that a single run can write."""
    target = folder / "debug" / point.key[:12]
    if target.is_relative_to(Path.cwd()):
        target = target.relative_to(Path.cwd())  # easier to read
    overrides = [*point.overrides, "debug=True", to_override("hydra.run.dir", str(target))]
    command = ["python", "-m", "sim_core", *overrides]
    screen.print(f"{point.name}\n{shell_text(command)}", markup=False)
    search = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": search}
    return subprocess.run([sys.executable, *command[1:]], env=environment, check=False).returncode


def _show_points(points: Sequence[Point], total: int, form: str) -> None:
    if form == "json":
        print(points_json(points))
        return
    output_console().print(plan(points, total))


def _show_results(
    report: SweepReport,
    delivery: Delivery,
    experiment: Experiment,
    total: int,
    arguments: argparse.Namespace,
    screen: Console,
) -> None:
    console = output_console()
    completed = [outcome for outcome in report.outcomes if outcome.status == "completed"]
    stopped = [outcome for outcome in report.outcomes if outcome.status == "stopped"]
    for text in (standing_still_text(report.outcomes), cut_text(report.outcomes)):
        if text:
            console.print(text)
    if completed:
        console.print(results_table(report.outcomes, console, experiment.slo))
    if stopped:
        console.print(stopped_text(stopped))
    if report.failed:
        console.print(failures_text(report.failed, [str(arguments.experiment), *arguments.overrides]))
    reused = f" ({report.reused} of them finished before)" if report.reused else ""
    unstable = f", {len(stopped)} stopped as unstable" if stopped else ""
    count = len(report.outcomes) + report.missing
    part = f" ({count} of {total} points)" if count != total else ""
    failed = f"{reused}, 0 failed" if not report.failed else f", {len(report.failed)} failed{reused}"
    counts = f"{len(completed)} completed{unstable}{failed}, {report.missing} not run"
    console.print(f"{counts}{part}")
    print_answer(report.outcomes, experiment.slo, experiment.name, arguments.results, console)
    if report.given_up:
        screen.print(f"given up after {arguments.max_failures} failures (--max-failures); the same command goes on")
    elif report.missing:
        screen.print("interrupted; what is finished is kept, and the same command goes on from there")
    if delivery.undelivered:
        screen.print(
            f"warning: {len(delivery.undelivered)} results did not reach {arguments.sink} ({delivery.error});"
            " they are kept, and the same command delivers them",
            markup=False,
        )
    if arguments.sink == "mlflow" and report.outcomes:
        command = "\n  ".join(ui_lines(tracking_uri(arguments.results), delivery.page))
        console.print(f"to compare the runs in MLflow:\n  {command}", soft_wrap=True, markup=False)
