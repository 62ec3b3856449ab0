"""`list`: the sweeps that have results."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from sync.commands.base import Subparsers, add_command, output_console
from sync.load import list_sweeps, load_sweep
from sync.results.sweep import Sweep
from sync.tracking.read import experiments_in_mlflow, find_mlflow_source

_LEGEND = """`not served` counts the requests of all runs that were rejected or left unfinished; `superseded` the runs
of points that newer code has run again; `left out` points that the changed experiment no longer has."""


def add_parser(subparsers: Subparsers) -> None:
    """No options of its own."""
    summary = "list the sweeps that have results below --results, or in MLflow alone"
    add_command(subparsers, "list", _run, summary, _LEGEND)


def _run(arguments: argparse.Namespace) -> int:
    sweeps = [load_sweep(name, arguments.results) for name in list_sweeps(arguments.results)]
    known = {sweep.name for sweep in sweeps}
    try:
        in_mlflow = list(_in_mlflow_alone(arguments.results, known))
    except OSError as error:  # what is below --results is listed also where the server does not answer
        print(f"warning: {error}: sweeps that are there alone are not listed", file=sys.stderr)
        in_mlflow = []
    if not sweeps and not in_mlflow:
        print(f"no sweeps in {arguments.results}")
        return 0
    table = Table("sweep", "completed", "stopped", "failed", "not served", "superseded", "left out")
    for sweep in sweeps:
        table.add_row(escape(sweep.name), *_counts(sweep))
    for sweep in in_mlflow:
        table.add_row(f"{escape(sweep.name)} (in MLflow)", *_counts(sweep))
    output_console().print(table)
    return 0


def _in_mlflow_alone(results: Path, known: set[str]) -> Iterator[Sweep]:
    for experiment in experiments_in_mlflow(results):
        source = None if experiment.name in known else find_mlflow_source(results, experiment.name)
        if source is not None:
            yield Sweep(experiment.name, source)


def _counts(sweep: Sweep) -> list[str]:
    outcomes = sweep.outcomes.values()
    counts = [sum(o.status == status for o in outcomes) for status in ("completed", "stopped", "failed")]
    missed = sum(outcome.unserved for outcome in outcomes)
    return [str(count) for count in (*counts, int(missed), sweep.superseded, sweep.left_out)]
