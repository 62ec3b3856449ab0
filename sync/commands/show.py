"""`show`: the runs of one sweep as a table."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from sync.analysis.standing import repetitions, together
from sync.commands.base import READING, Subparsers, add_command, left_out, output_console, read_sweep
from sync.results.outcome import Outcome
from sync.results.point_id import point_text
from sync.results.slo import Slo
from sync.results.statistics import mean
from sync.results.verdict import verdict

_SHOWN = ("ttft/p50_s", "ttft/p99_s", "tbt/p50_s", "tbt/p99_s", "e2e/p50_s", "e2e/p99_s")
_EXAMPLES = """examples:
  python -m sync show quickstart
  python -m sync show quickstart --where system=splitwise-ha rate=24,32
  python -m sync show quickstart --slo my_slo.yaml     judged by other limits (`answers --help`)
  python -m sync show quickstart --all          also points of the experiment as it was before it was changed
  python -m sync show quickstart --each         a row for each run, also where runs differ by seed alone
"""


def add_parser(subparsers: Subparsers) -> None:
    """See `_run`."""
    summary = "show the runs of one sweep: times in seconds, what is too slow, and means over seeds"
    parser = add_command(subparsers, "show", _run, summary, _EXAMPLES, ("name", "--slo", "--where", *READING))
    parser.add_argument("--each", action="store_true", help="a row for each run, also where they differ by seed alone")


def _run(arguments: argparse.Namespace) -> int:
    sweep = read_sweep(arguments)
    chosen = sweep.where(**dict(arguments.where)) if arguments.where else sweep.outcomes.values()
    ordered = sorted(chosen, key=lambda outcome: outcome.index)
    groups = [[outcome] for outcome in ordered] if arguments.each else repetitions(ordered)
    several = any(len(members) > 1 for members in groups)
    table = Table("key", "run", *(["seeds"] if several else []), "verdict", *_SHOWN)
    for members in groups:
        seeds = [f"{len(members)}"] if several else []
        table.add_row(*map(escape, (members[0].key[:10], _name(members), *seeds, *_figures(members, sweep.slo))))
    console = output_console()
    console.print(table)
    if several:
        note = "Of several seeds: the mean, and the lowest to the highest; --each lists the runs."
        console.print(note, soft_wrap=True)
    for line in left_out(sweep):
        console.print(line, soft_wrap=True)
    return 0


def _name(members: Sequence[Outcome]) -> str:
    """The run's name; for repetitions the part that they have in common."""
    return members[0].name if len(members) == 1 else point_text(members[0].point_id)


def _figures(members: Sequence[Outcome], slo: Slo) -> list[str]:
    verdict_text = together((outcome.seed, verdict(outcome, slo)) for outcome in members).text
    errors = [outcome.error for outcome in members if outcome.status == "failed"]
    if len(errors) == len(members):
        return [f"failed: {(errors[0] or '').partition(chr(10))[0]}"]
    measured = [outcome.summary for outcome in members if outcome.status != "failed"]
    return [verdict_text, *(_spread([summary.get(name, math.nan) for summary in measured]) for name in _SHOWN)]


def _spread(values: Sequence[float]) -> str:
    """The mean, for several values also the lowest and highest; `-` where one was not measured."""
    if not all(map(math.isfinite, values)):
        return "-"
    middle = mean(values)
    return f"{middle:.4g}" if len(values) == 1 else f"{middle:.4g} ({min(values):.4g} to {max(values):.4g})"
