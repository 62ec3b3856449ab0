"""`show`: the runs of one sweep as a table."""

from __future__ import annotations

import argparse

from rich.markup import escape
from rich.table import Table

from sync.base import Outcome
from sync.commands.base import (
    Subparsers,
    add_command,
    add_name,
    add_reading,
    add_where,
    conditions,
    left_out,
    read_sweep,
)
from sync.console import output_console
from sync.verdict import verdict

_SHOWN = ("ttft/p50_s", "ttft/p99_s", "tbt/p50_s", "tbt/p99_s", "e2e/p50_s", "e2e/p99_s")


_EXAMPLES = """examples:
  python -m sync show quickstart
  python -m sync show quickstart --where system=splitwise-ha rate=24,32
  python -m sync show quickstart --all          also points of the experiment as it was before it was changed
"""


def add_parser(subparsers: Subparsers) -> None:
    """See `_run`."""
    told = "the runs of one sweep, with times in seconds and what is too slow"
    parser = add_command(subparsers, "show", _run, told, _EXAMPLES)
    add_name(parser)
    add_reading(parser)
    add_where(parser)


def _run(arguments: argparse.Namespace) -> int:
    sweep = read_sweep(arguments)
    chosen = sweep.where(**conditions(arguments.where)) if arguments.where else sweep.outcomes.values()
    table = Table("key", "run", "verdict", *_SHOWN)
    for outcome in sorted(chosen, key=lambda outcome: outcome.index):
        table.add_row(*(escape(cell) for cell in (outcome.key[:10], outcome.name, *_figures(outcome))))
    console = output_console()
    console.print(table)
    for line in left_out(sweep):
        console.print(line, soft_wrap=True)
    return 0


def _figures(outcome: Outcome) -> list[str]:
    if outcome.status == "failed":
        return [f"failed: {(outcome.error or '').partition(chr(10))[0]}"]
    return [verdict(outcome), *(f"{outcome.summary[name]:.4g}" if name in outcome.summary else "-" for name in _SHOWN)]
