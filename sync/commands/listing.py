"""`list`: the sweeps that have results."""

from __future__ import annotations

import argparse

from rich.markup import escape
from rich.table import Table

from sync.commands.base import Subparsers, add_command
from sync.console import output_console
from sync.load import list_sweeps, load_sweep


def add_parser(subparsers: Subparsers) -> None:
    """No options of its own."""
    told = "`not served` counts requests that were rejected or left unfinished, over all runs."
    add_command(subparsers, "list", _run, "the sweeps that have results below --results", told)


def _run(arguments: argparse.Namespace) -> int:
    names = list_sweeps(arguments.results)
    if not names:
        print(f"no sweeps in {arguments.results}")
        return 0
    table = Table("sweep", "completed", "stopped", "failed", "not served", "superseded")
    for name in names:
        sweep = load_sweep(name, arguments.results)
        outcomes = sweep.outcomes.values()
        counts = [sum(o.status == status for o in outcomes) for status in ("completed", "stopped", "failed")]
        missed = sum(outcome.unserved for outcome in outcomes)
        table.add_row(escape(name), *(str(count) for count in (*counts, int(missed), sweep.superseded)))
    output_console().print(table)
    return 0
