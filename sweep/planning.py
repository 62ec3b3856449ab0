"""Questions from end to end: an experiment with `find`, `python -m sweep plan`, and `sweep.plan` in Python."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from configs.terminal import console, say_whole, tell
from sim_core.errors import SpecError
from sweep.experiment.file import Experiment, parse_experiment, read_experiment
from sweep.experiment.find import find_experiment
from sweep.experiment.naming import shell_text
from sweep.experiment.overrides import with_find
from sweep.experiment.plugins import arguments_of, with_plugins
from sweep.experiment.point import project_root
from sweep.options import PLAN, parse_arguments
from sweep.planner.ask import Words, experiment_text, save_text
from sweep.points_json import points_json
from sweep.progress import Preparation
from sweep.questions import (
    FIRST_POINTS,
    checked_spaces,
    first_points,
    limit_notes,
    refuse_options,
    search_preview,
    words_of,
)
from sweep.searching import Inquiry, run_search
from sync.analysis.iteration_times import CONSTANTS_WARNING, are_constants
from sync.results.found import Found, Plan
from sync.results.outcome import ResultSink
from sync.tracking.sinks import make_sink

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Answer:
    """What `sweep.plan` returns. `found` has an answer for each design and workload; `name` is that of the results, and
    `experiment_text` the experiment that was asked. `plan` counts what was run for it."""

    name: str
    experiment_text: str
    plan: Plan

    @property
    def found(self) -> list[Found]:
        """The answers."""
        return list(self.plan.found)

    @cached_property
    def frame(self) -> pd.DataFrame:
        """The answers as a table: a row for each, with the fields that are one value, and `rate` as three columns."""
        import pandas as pd

        return pd.DataFrame([_row(found) for found in self.plan.found])


def plan_command(arguments: argparse.Namespace, screen: Console, argv: Sequence[str]) -> int:
    """Run `python -m sweep plan`; returns the exit status. Raises SimError for a question that cannot be answered."""
    sink = make_sink(arguments.sink, arguments.results)
    text = experiment_text(words_of(arguments))
    if arguments.save is not None:
        save_text(arguments.save, text)
        command = ["python", "-m", "sweep", str(arguments.save), *arguments_of(map(str, arguments.plugins))]
        say_whole(screen, f"written; to run it: {shell_text(command)}")
        return 0
    if arguments.dry_run and arguments.format == "table":
        print(text)
    asked = with_plugins(parse_experiment(text, ""), arguments.plugins, partial(tell, screen))
    experiment, overrides = with_find(asked, arguments.overrides)
    return search(experiment, overrides, arguments, screen, sink, argv)


def search(
    experiment: Experiment,
    overrides: Sequence[str],
    arguments: argparse.Namespace,
    screen: Console,
    sink: ResultSink,
    argv: Sequence[str],
) -> int:
    """Answer the question of an experiment, or with --dry-run show what would be searched; returns the exit status."""
    refuse_options(arguments)
    inquiry = _inquiry(experiment, overrides, screen, argv)
    if not arguments.dry_run:
        return run_search(inquiry, arguments, screen, sink).status
    if arguments.format == "json":
        print(points_json(first_points(inquiry.spaces, inquiry.question, experiment.slo, FIRST_POINTS)))
    else:
        screen = console()
        screen.print(search_preview(inquiry.spaces, inquiry.question, screen.width), soft_wrap=True)
    return 0


def answered(
    experiment: str | Path | None,
    words: Words,
    overrides: Sequence[str],
    *,
    results: str | Path,
    sink: str,
    ray: bool,
    jobs: int | None,
    plugins: Sequence[str | Path] = (),
) -> Answer:
    """The answer to the question of an experiment, its file or name, or of `words`; see `sweep.plan`. Raises SimError
    for a question that cannot be answered."""
    screen = Console(stderr=True, highlight=False, soft_wrap=True)
    if experiment is None:
        asked = parse_experiment(experiment_text(words), "")
    elif words != Words():
        raise SpecError("say either an experiment or a question in words", key="experiment", value=str(experiment))
    else:
        asked = read_experiment(find_experiment(Path(experiment), project_root(), (PLAN,)))
    asked = with_plugins(asked, [Path(plugin) for plugin in plugins], partial(tell, screen))
    asked, others = with_find(asked, overrides)
    if asked.find is None:
        raise SpecError("asks nothing: it has no find:, such as find: {most: rate}", source=asked.source)
    where = ["--jobs", str(jobs)] if jobs else [] if ray else ["--local"]
    arguments = parse_arguments([PLAN, *where, "--sink", sink, "--results", str(results)])
    typed = [str(experiment or PLAN), *arguments_of(map(str, plugins)), *overrides]
    inquiry = _inquiry(asked, others, screen, typed)
    ended = run_search(inquiry, arguments, screen, make_sink(sink, arguments.results))
    return Answer(asked.name, asked.text, ended.plan)


def _inquiry(experiment: Experiment, overrides: Sequence[str], screen: Console, argv: Sequence[str]) -> Inquiry:
    """The question of an experiment, checked; what is odd about it is said. Raises SimError."""
    assert experiment.find is not None
    with Preparation(screen) as preparation:
        spaces = checked_spaces(experiment, overrides, project_root(), preparation)
    for note in limit_notes(experiment.slo):
        tell(screen, f"note: {note}")
    if are_constants(space.first.performance_model for space in spaces):
        tell(screen, CONSTANTS_WARNING, style="bold yellow")
    return Inquiry(experiment, experiment.find, spaces, argv)


def _row(found: Found) -> dict[str, object]:
    row = {name: value for name, value in asdict(found).items() if not isinstance(value, dict | list | tuple)}
    row.pop("rate", None)
    rate = {} if found.rate is None else asdict(found.rate)
    return {**row, **{f"rate_{name}": rate.get(name) for name in ("low", "estimate", "high")}}
