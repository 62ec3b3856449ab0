"""Runs the searches of an experiment with a question, and shows what they find."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

from rich.console import Console

from configs.terminal import console, tell
from sweep.closing import print_answer
from sweep.experiment.file import Experiment, same_experiment
from sweep.experiment.point import SweepInfo, project_root
from sweep.experiment.question import Question
from sweep.launch.interrupt import EXIT_INTERRUPTED, Interrupts
from sweep.planned import EarlierOutcomes, run_planned
from sweep.planner.searches import Planner
from sweep.planner.spaces import ClusterSpace
from sweep.progress import ProgressView
from sweep.running import info_of, launcher_of, show_counts, show_odd_points, show_troubles
from sweep.service import EndedSweep, Sweeping
from sync.results.found import Plan
from sync.results.growing import Facts, GrowingSweep
from sync.results.journal import Journal
from sync.results.outcome import ResultSink
from sync.tracking.writer import Delivery, SinkWriter

EXIT_FAILED = 1


@dataclass(frozen=True)
class Inquiry:
    """A question that was checked, with all that a search needs. `argv` is the command line, for the results."""

    experiment: Experiment
    question: Question
    spaces: Sequence[ClusterSpace]
    argv: Sequence[str]

    def info(self) -> SweepInfo:
        """What the sweep is, for its results."""
        skus = {sku for space in self.spaces for sku in space.first.machines}
        least = len(self.spaces)  # points; the journal counts them as they are wanted
        return info_of(self.experiment, self.spaces[0].grid, self.argv, points=least, systems={}, skus=skus)


@dataclass(frozen=True)
class Ended:
    """What became of a search: what it found, and the exit status of its command."""

    plan: Plan
    status: int


class _Keeping:
    """Keeps the points and the answers of a search in its journal; see `sweep.planned.Keeping`."""

    def __init__(self, journal: Journal, growing: GrowingSweep) -> None:
        self._journal, self._growing = journal, growing

    def keep_points(self, points: Mapping[str, Facts], *, is_done: bool) -> None:
        self._growing.write(points, is_done=is_done)

    def keep_found(self, plan: Plan) -> None:
        self._journal.write_found(plan)


def run_search(inquiry: Inquiry, arguments: argparse.Namespace, screen: Console, sink: ResultSink) -> Ended:
    """Run the searches, keep what they find, and show it on standard output."""
    info = inquiry.info()
    journal = Journal(arguments.results / info.name)
    earlier = EarlierOutcomes(journal, retry_failed=arguments.retry_failed)
    planner = Planner(inquiry.question, inquiry.spaces, inquiry.experiment.slo, earlier.table)
    ended, delivery = _searched(planner, info, journal, earlier, arguments, screen, sink)
    output = console()
    plan = planner.plan()
    print_answer(ended.outcomes, info, arguments.results, output, searched=plan)
    show_odd_points(ended, output, None, inquiry.experiment.plugins)
    show_counts(ended, info, output, is_search=True)
    show_troubles(ended, delivery, arguments, screen)
    if not plan.is_done:
        return Ended(plan, EXIT_INTERRUPTED if ended.interrupted else EXIT_FAILED)
    return Ended(plan, EXIT_FAILED if ended.failed else 0)


def _searched(
    planner: Planner,
    info: SweepInfo,
    journal: Journal,
    earlier: EarlierOutcomes,
    arguments: argparse.Namespace,
    screen: Console,
    sink: ResultSink,
) -> tuple[EndedSweep, Delivery]:
    with ExitStack() as stack:
        stack.enter_context(journal)
        interrupts = stack.enter_context(Interrupts())
        if arguments.fresh:
            journal.set_aside()
        keeping = _Keeping(journal, journal.growing(info, same_experiment))
        writer = SinkWriter(sink, info, earlier.read_again)
        stack.callback(writer.close)  # after an error, too, the writer delivers what it has
        sweeping = Sweeping(launcher_of(arguments, project_root()), journal, writer, interrupts, arguments.max_failures)
        ended = run_planned(
            sweeping, planner, earlier.read, partial(ProgressView, screen, trouble=writer.trouble), keeping
        )
        if ended.cut_off:
            tell(screen, f"{ended.cut_off} runs that were made ahead were not needed, and were given up")
        return ended, writer.close()
