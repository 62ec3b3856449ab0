"""`compare`: why one run beats another."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from sim_core.errors import SpecError
from sync.analysis.compare import PERCENTS, Profile, compare_runs, profile
from sync.analysis.compare_words import as_json, attribution, figure_rows, paragraph, time_rows
from sync.commands.base import Subparsers, add_command, add_slo, add_source, slo_of
from sync.commands.console import output_console
from sync.commands.runs import find_run
from sync.results.outcome import Outcome
from sync.results.parquet import INSTANCES, read_beside
from sync.results.slo import Slo
from sync.results.sweep import Sweep

if TYPE_CHECKING:
    import pandas as pd

_EXAMPLES = """runs:
  a key or the beginning of one (`python -m sync show SWEEP` has them), or a name; with SWEEP: in front, of that sweep
examples:
  python -m sync compare 7f84ff 0190a3
  python -m sync compare 'quickstart:splitwise-ha 6P+4T conv 24 rps' 'baseline-h100 8xH100 conv 24 rps'
  python -m sync compare quickstart:7f84ff mine:0190a3 --format json
"""


def add_parser(subparsers: Subparsers) -> None:
    """See `_run`."""
    told = "explain why one run beats another: where the time goes, how busy and how full machines are"
    parser = add_command(subparsers, "compare", _run, told, _EXAMPLES)
    parser.add_argument("runs", nargs=2, metavar="RUN", help="see below")
    add_slo(parser)
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: %(default)s")
    add_source(parser)


def _run(arguments: argparse.Namespace) -> int:
    first = find_run(arguments.results, arguments.runs[0], arguments.source)
    second = find_run(arguments.results, arguments.runs[1], arguments.source, first[0])
    if first[1].key == second[1].key:
        raise SpecError("is the same run as the first", key="RUN", value=arguments.runs[1])
    tables = _requests(*first), _requests(*second)
    slo = slo_of(arguments) or first[0].slo
    if arguments.slo is None and second[0].slo != slo:
        told = f"Both runs are judged by the limits of {first[0].name} ({slo.told()}); --slo FILE takes others."
        print(told, file=sys.stderr)
    profiles = [_profile(*run, table, slo) for run, table in zip((first, second), tables, strict=True)]
    found = compare_runs(profiles[0], profiles[1], tables, slo)
    if arguments.format == "json":
        print(json.dumps(as_json(found), indent=1, allow_nan=False))
        return 0
    console = output_console()
    console.print(paragraph(found), markup=False)
    for sweep, outcome in (first, second):
        if note := _of_seeds(sweep, outcome):
            console.print(note, markup=False, soft_wrap=True)
    names = [escape(one.outcome.name) for one in (found.better, found.worse)]
    console.print(f"\nA: {names[0]}\nB: {names[1]}")
    table = Table("", *(f"p{percent:g} {side}" for percent in PERCENTS for side in ("A", "B", "A-B")))
    for number, row in enumerate(rows := time_rows(found)):
        table.add_row(*row, end_section=number == len(rows) - 2)
    console.print(table)
    console.print(attribution(), markup=False)
    figures = Table("", "A", "B")
    for cells in figure_rows(found):
        figures.add_row(*map(escape, cells))
    console.print(figures)
    return 0


def _of_seeds(sweep: Sweep, outcome: Outcome) -> str:
    """Which of several repetitions was compared; nothing where there is one."""
    same = outcome.system, outcome.point_id.repeated
    seeds = sum((other.system, other.point_id.repeated) == same for other in sweep.outcomes.values())
    return (
        f"{outcome.name}: seed {outcome.seed} of {seeds} seeds; `answers` says what all of them say."
        if seeds > 1
        else ""
    )


def _requests(sweep: Sweep, outcome: Outcome) -> pd.DataFrame | None:
    return None if sweep.source.requests_file(outcome.key) is None else sweep.requests(outcome.key)


def _profile(sweep: Sweep, outcome: Outcome, requests: pd.DataFrame | None, slo: Slo) -> Profile:
    file = sweep.source.requests_file(outcome.key)
    return profile(outcome, requests, {} if file is None else read_beside(file.read_bytes(), INSTANCES), slo)
