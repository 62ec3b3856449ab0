"""`list`: the sweeps that have results."""

from __future__ import annotations

import argparse
import sys

from configs.terminal import Column, console, draw, say
from sync.commands.base import Subparsers, add_command
from sync.load import list_sweeps, load_sweep
from sync.results.journal import JournalError
from sync.results.privacy import one_line
from sync.results.sweep import Sweep
from sync.tracking.read import experiments_in_mlflow, find_mlflow_source

_LEGEND = """`not served` counts the requests of all runs that were rejected or left unfinished; `superseded` the runs
of points that newer code has run again; `left out` points that the changed experiment no longer has."""

# The heads of the counts of runs; with each how soon its column may be left out (0: never).
_HEADS = (("completed", 0), ("stopped", 0), ("failed", 0), ("not served", 1), ("superseded", 3), ("left out", 2))


def add_parser(subparsers: Subparsers) -> None:
    """No options of its own."""
    summary = "list the sweeps that have results below --results, or in MLflow alone"
    add_command(subparsers, "list", _run, summary, _LEGEND)


def _run(arguments: argparse.Namespace) -> int:
    shown: dict[str, Sweep] = {}
    for name in list_sweeps(arguments.results):
        try:
            shown[name] = load_sweep(name, arguments.results)
        except JournalError as error:  # such as a link
            print(f"warning: not listed: {error}", file=sys.stderr)
    try:
        names = [experiment.name for experiment in experiments_in_mlflow(arguments.results)]
        sources = {name: find_mlflow_source(arguments.results, name) for name in names if name not in shown}
        shown |= {f"{name} (in MLflow)": Sweep(name, source) for name, source in sources.items() if source is not None}
    except OSError as error:  # what is below --results is listed also where the server does not answer
        print(f"warning: {one_line(error)}: sweeps that are there alone are not listed", file=sys.stderr)
    if not shown:
        say(console(), f"no sweeps in {arguments.results}")
        return 0
    counts = zip(*map(_counts, shown.values()), strict=True)
    columns = [Column(head, cells, right=True, spare=rank) for (head, rank), cells in zip(_HEADS, counts, strict=True)]
    screen = console()
    screen.print(draw([Column("sweep", list(shown)), *columns], screen.width), soft_wrap=True)
    return 0


def _counts(sweep: Sweep) -> list[str]:
    outcomes = sweep.outcomes.values()
    counts = [sum(o.status == status for o in outcomes) for status in ("completed", "stopped", "failed")]
    missed = sum(outcome.unserved for outcome in outcomes)
    return [str(count) for count in (*counts, int(missed), sweep.superseded, sweep.left_out)]
