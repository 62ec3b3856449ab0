"""The command `python -m sweep`: reads the experiment, runs its points, shows the results."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from rich.console import Console

from configs.stored import own_settings
from configs.terminal import console, lines, say_whole, tell
from sim_core import Code
from sim_core.errors import SimError, SpecError, shown
from sim_core.limits import allowed
from sim_core.spec import PluginSpec
from sweep.closing import (
    counting,
    preview,
    print_answer,
    print_sentences,
)
from sweep.experiment.expand import Grid
from sweep.experiment.file import Experiment, read_experiment, same_experiment
from sweep.experiment.find import find_experiment
from sweep.experiment.grammar import to_override
from sweep.experiment.naming import shell_text
from sweep.experiment.overrides import with_find
from sweep.experiment.plugins import arguments_of, with_plugins
from sweep.experiment.point import Outcome, Point, SweepInfo, facts_of, project_root
from sweep.former.keys import FormerKeys, under_former_keys
from sweep.launch.base import LauncherError
from sweep.launch.interrupt import EXIT_INTERRUPTED, Interrupts
from sweep.options import PLAN, parse_arguments, parse_plan_arguments
from sweep.planning import plan_command, search
from sweep.points_json import points_json
from sweep.progress import Preparation, ProgressView
from sweep.results_table import results_table
from sweep.running import info_of, launcher_of, show_counts, show_odd_points, show_troubles
from sweep.service import EndedSweep, Sweeping, finished_before, read_again
from sweep.status import STATUS, status_command
from sweep.versions import warning_of
from sync.analysis.iteration_times import CONSTANTS_WARNING, are_constants
from sync.results.inside import make_folder, refuse_links, refuse_links_below
from sync.results.journal import Journal, JournalError
from sync.results.outcome import ResultSink
from sync.results.plan import Plan, plan_of
from sync.results.run_names import NO_POINT, named
from sync.tracking.sinks import make_sink
from sync.tracking.writer import Delivery, SinkWriter
from traces.reader import spoken

EXIT_FAILED, EXIT_BAD_INPUT = 1, 2
MOST_IN_SIGHT = 12  # runs; a longer table moves the answer in front of it off the screen
COPY_OF_A_JOB = "working_dir_files"  # the folder where Ray unpacks what is shipped with a job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    typed = list(sys.argv[1:] if argv is None else argv)
    if typed[:1] == [STATUS]:
        return status_command(typed[1:])
    arguments = parse_plan_arguments(typed[1:]) if typed[:1] == [PLAN] else parse_arguments(typed)
    if arguments.experiment == Path(STATUS) and not Path(STATUS).is_file():  # after options, such as --results
        typed.remove(STATUS)
        return status_command(typed)
    screen = Console(stderr=True, highlight=False, soft_wrap=True)
    with warnings.catch_warnings(), allowed(arguments.allow):
        warnings.showwarning = lambda message, *_: tell(screen, spoken(message))
        try:
            _refuse_passing_results(arguments.results, project_root())
            run = plan_command if typed[:1] == [PLAN] else _run
            return run(arguments, screen, typed)
        except (JournalError, LauncherError) as error:
            screen.print(lines(*f"error: {error}".splitlines()))
            return EXIT_FAILED
        except SimError as error:
            tell(screen, f"error: {' '.join(str(error).split())}")
            return EXIT_BAD_INPUT
        except KeyboardInterrupt:
            tell(screen, "interrupted before anything ran")
            return EXIT_INTERRUPTED


def select_point(points: Sequence[Point], which: str) -> Point:
    """The point that the text names: by its name, its number, or the start of its key (`sync.results.run_names`).
    Raises SpecError for none, or several."""
    return named(which, points, "--point", "--dry-run", NO_POINT)


def _run(arguments: argparse.Namespace, screen: Console, argv: Sequence[str]) -> int:
    root = project_root()
    sink = make_sink(arguments.sink, arguments.results)  # first, so that an unknown name is refused at once
    file = find_experiment(arguments.experiment, root, (PLAN, STATUS))
    if file != arguments.experiment:
        say_whole(screen, f"experiment: {file}")
    asked = with_plugins(read_experiment(file), arguments.plugins, partial(tell, screen))
    experiment, overrides = with_find(asked, arguments.overrides)
    if experiment.find is not None:
        return search(experiment, overrides, arguments, screen, sink, argv)
    grid = Grid(experiment, overrides, root)
    with Preparation(screen) as preparation:
        points = grid.points(arguments.limit if arguments.point is None else None, preparation)
    if not arguments.fresh:
        journal = Journal(arguments.results / experiment.name)
        points = _under_former_keys(points, journal, grid.code, screen)
        if arguments.point is None and (warning := warning_of(journal, points, experiment.text)):
            tell(screen, f"warning: {warning}")
    if arguments.point is not None:
        points = [select_point(points, arguments.point)]
    if are_constants(point.performance_model for point in points):
        tell(screen, CONSTANTS_WARNING, style="bold yellow")
    if arguments.dry_run:
        if arguments.format == "json":
            print(points_json(points))
        else:
            screen = console()
            screen.print(preview(points, grid.total, screen.width), soft_wrap=True)
        return 0
    if arguments.debug:
        return _debug(points[0], experiment, arguments.results, root, screen)
    skus = {sku for point in points for sku in point.machines}
    info = info_of(experiment, grid, argv, points=grid.total, systems=grid.rates, skus=skus)
    ended, delivery = _sweep(points, info, sink, arguments, screen)
    plan = plan_of(grid.total, grid.rates, map(facts_of, points))
    _show_results(ended, info, plan, arguments, experiment.plugins)
    show_troubles(ended, delivery, arguments, screen)
    if ended.interrupted and ended.missing:
        return EXIT_INTERRUPTED
    return EXIT_FAILED if ended.failed else 0


def _under_former_keys(points: Sequence[Point], journal: Journal, code: Code, screen: Console) -> list[Point]:
    with Preparation(screen, "looking for points that an earlier version finished") as preparation:
        resumed = under_former_keys(points, journal, lambda: FormerKeys(code), preparation.over)
    for reason, count in resumed.again.items():
        tell(screen, f"finished by an earlier version and run again: {count}, because {reason}")
    return resumed.points


def _sweep(
    points: Sequence[Point], info: SweepInfo, sink: ResultSink, arguments: argparse.Namespace, screen: Console
) -> tuple[EndedSweep, Delivery]:
    is_one_point = arguments.point is not None
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(arguments.results / info.name))
        interrupts = stack.enter_context(Interrupts())
        if arguments.fresh and not is_one_point:
            journal.set_aside()
        if not is_one_point or not journal.has_sweep():  # one point of a sweep leaves the sweep's facts as they were
            facts = {point.key: facts_of(point) for point in points}
            journal.write_sweep(info, list(facts), facts, same_experiment)
        known: list[Outcome] = []
        if not is_one_point:
            with Preparation(screen, "reading finished points") as preparation:
                read = finished_before(preparation.over(points), journal, retry_failed=arguments.retry_failed)
                known = list(read)
        if len(known) == len(points) and arguments.sink != "none":
            tell(screen, f"nothing is left to run; {arguments.sink} gets what it lacks")
        by_key = {point.key: point for point in points}
        writer = SinkWriter(sink, info, lambda key: read_again(journal, by_key[key]))
        stack.callback(writer.close)  # after an error, too, the writer delivers what it has
        launcher = launcher_of(arguments, project_root())
        sweeping = Sweeping(launcher, journal, writer, interrupts, arguments.max_failures)
        ended = sweeping.run(points, known, partial(ProgressView, screen, trouble=writer.trouble))
        return ended, writer.close()


def _refuse_passing_results(results: Path, root: Path) -> None:
    """Raise SpecError for results in the copy of the project that Ray makes for a job, and removes with the job."""
    if COPY_OF_A_JOB in root.parts and results.is_relative_to(root):
        reason = (
            "is in the copy of the project that Ray made for this job, and removes with it: name a folder elsewhere"
        )
        raise SpecError(reason, key="--results", value=str(results.relative_to(root)))


def _debug(point: Point, experiment: Experiment, results: Path, root: Path, screen: Console) -> int:
    """Run the point as a single run of its own, which can write what every instance did. It writes below `results`
    alone: the point's settings are ours, and no link in the results, which may be somebody else's, is followed."""
    target = results / experiment.name / "debug" / point.key[:12]
    refuse_links(target, results)
    refuse_links_below(target)
    make_folder(target.parent)
    if target.is_relative_to(Path.cwd()):
        target = target.relative_to(Path.cwd())  # easier to read
    settings = own_settings(point.overrides, tuple(experiment.plugins.values()))
    overrides = [*settings, "debug=True", to_override("hydra.run.dir", str(target))]
    command = ["python", "-m", "sim_core", *arguments_of(experiment.plugins), *overrides]
    screen.print(f"{shown(point.name)}\n{shell_text(command)}", markup=False)
    search = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": search}
    try:
        return subprocess.run([sys.executable, *command[1:]], env=environment, check=False).returncode
    except OSError as error:  # such as more text than a command line takes
        raise SpecError(f"the run cannot be started: {error.strerror}", key="--debug") from error


def _show_results(
    ended: EndedSweep, info: SweepInfo, plan: Plan, arguments: argparse.Namespace, plugins: Mapping[str, PluginSpec]
) -> None:
    """Print the answer, then what it comes from: the table of runs, and what happened to those that are not in it; the
    answer again below a long table. A single point answers nothing of its experiment: its figures alone are shown."""
    screen = console()
    outcomes = ended.outcomes
    found = None
    if arguments.point is None:
        found = print_answer(outcomes, info, arguments.results, screen, plan)
    if any(outcome.status == "completed" for outcome in outcomes):
        counted = counting(info, arguments.results)
        screen.print(results_table(outcomes, screen, info.slo, counted), soft_wrap=True)
    typed = [str(arguments.experiment), *arguments_of(map(str, arguments.plugins)), *arguments.overrides]
    show_odd_points(ended, screen, typed, plugins)
    show_counts(ended, info, screen)
    if found is not None and len(outcomes) > MOST_IN_SIGHT:
        print_sentences(found, screen)
