"""`show`: the runs of one sweep as a table."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Sequence

from configs.terminal import Column, console, draw, figure, fits, lines, say
from sim_core.errors import shown
from sync.analysis.standing import repetitions, standing_of
from sync.commands.base import READING, Subparsers, add_command, left_out, read_sweep
from sync.commands.runs import chosen_runs
from sync.results.frame import runs_frame
from sync.results.metrics import METRICS
from sync.results.outcome import Outcome
from sync.results.point_id import SHOWN_OF_A_KEY, point_text
from sync.results.spreadsheet import safe_frame
from sync.results.statistics import mean
from sync.results.sweep import Sweep

# The figures by their heads; with each how soon its column may be left out.
_SHOWN = {
    f"{metric.upper()} {percentile} (s)": (f"{metric}/{percentile}_s", rank)
    for metric in METRICS
    for percentile, rank in (("p50", 3), ("p99", 2))
}
_EXAMPLES = """examples:
  python -m sync show quickstart
  python -m sync show quickstart --where system=splitwise-ha rate=24,32
  python -m sync show quickstart 16 18          the runs of two points, by number (or name, or key)
  python -m sync show quickstart --slo experiments/slo/paper.yaml   judged by a file's limits (`answers --help`)
  python -m sync show quickstart --all          also points of the experiment as it was before it was changed
  python -m sync show quickstart --each         a row for each run, also where runs differ by seed alone
"""


def add_parser(subparsers: Subparsers) -> None:
    """See `_run`."""
    summary = "show the runs of one sweep: times in seconds, what is too slow, and means over seeds"
    options = ("name", "runs", "--slo", "--where", *READING)
    parser = add_command(subparsers, "show", _run, summary, _EXAMPLES, options)
    parser.add_argument("--each", action="store_true", help="a row for each run, also where they differ by seed alone")
    parser.add_argument("--columns", action="store_true", help="list the columns that --where and --format csv have")
    text = "csv and json have a row for each run and all columns; default: %(default)s"
    parser.add_argument("--format", choices=("table", "csv", "json"), default="table", help=text)


def _run(arguments: argparse.Namespace) -> int:
    sweep = read_sweep(arguments)
    chosen = chosen_runs(sweep, arguments)
    if arguments.columns or arguments.format != "table":
        frame = runs_frame(map(sweep.with_goodput, chosen), sweep.slo)
        if arguments.columns:
            print("\n".join(map(shown, frame.columns)))
        elif arguments.format == "csv":
            safe_frame(frame).to_csv(sys.stdout, index=False)
        else:
            print(frame.to_json(orient="records", indent=1, double_precision=15))
        return 0
    _print(sweep, chosen, arguments.each)
    return 0


def _print(sweep: Sweep, chosen: Sequence[Outcome], each: bool) -> None:
    ordered = sorted(chosen, key=lambda outcome: outcome.index)
    groups = [[outcome] for outcome in ordered] if each else repetitions(ordered)
    several = any(len(members) > 1 for members in groups)
    screen = console()
    columns = _columns(groups, sweep, several)
    if not fits(columns, screen.width):
        columns = [_name_and_key(columns[0], columns[1]), *columns[2:]]
    screen.print(draw(columns, screen.width, more="--format csv"), soft_wrap=True)
    if several:
        say(screen, "Of several seeds: the mean, and the lowest to the highest; --each lists the runs.")
    for line in left_out(sweep):
        say(screen, line)


def _columns(groups: Sequence[Sequence[Outcome]], sweep: Sweep, several: bool) -> list[Column]:
    """A row for each group. Of the times the medians may be left out, before others."""
    columns = [
        Column("run", [_name(members) for members in groups]),
        Column("key", [members[0].key[:SHOWN_OF_A_KEY] for members in groups]),
        Column("verdict", [_verdict_text(members, sweep) for members in groups]),
    ]
    if several:
        columns.insert(2, Column("seeds", [f"{len(members)}" for members in groups], right=True, spare=1))
    return columns + [
        Column(head, [_spread(members, name) for members in groups], right=True, spare=rank)
        for head, (name, rank) in _SHOWN.items()
    ]


def _name_and_key(name: Column, key: Column) -> Column:
    """Both in one column, below each other."""
    cells = [lines(*pair) for pair in zip(name.texts, key.texts, strict=True)]
    return Column(lines(name.title, key.title), cells, whole=True)


def _name(members: Sequence[Outcome]) -> str:
    """The run's name; for repetitions the part that they have in common."""
    return members[0].name if len(members) == 1 else point_text(members[0].point_id)


def _verdict_text(members: Sequence[Outcome], sweep: Sweep) -> str:
    errors = [outcome.error for outcome in members if outcome.status == "failed"]
    if len(errors) == len(members):
        return f"failed: {(errors[0] or '').partition(chr(10))[0]}"
    return standing_of(members, sweep.slo, sweep.with_counts).text


def _spread(members: Sequence[Outcome], name: str) -> str:
    """The mean of a figure, for several values also the lowest and highest; `-` where one was not measured."""
    values = [outcome.summary.get(name, math.nan) for outcome in members if outcome.status != "failed"]
    if not values or not all(map(math.isfinite, values)):
        return "-"
    return (
        figure(mean(values))
        if len(values) == 1
        else f"{figure(mean(values))} ({figure(min(values))} to {figure(max(values))})"
    )
