"""What several subcommands of `python -m sync` share: their options, and output on the terminal."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table as RichTable

from sim_core.errors import SpecError
from sync.analysis.texts import Table
from sync.load import SOURCES, load_sweep
from sync.results.sweep import Sweep

T = TypeVar("T")
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def _rate(text: str) -> float:
    """A rate in requests/s. Raises SpecError for a text that is none."""
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.0 < rate < float("inf"):
        raise SpecError("must be a number above 0, in requests/s", key="--rate", value=text)
    return rate


def _condition(text: str) -> tuple[str, list[object]]:
    """A condition for `Sweep.where`; a number matches however it is written (8, 8.0)."""
    name, _, values = text.partition("=")
    if not name or not values:
        raise SpecError("is not COLUMN=VALUE", key="--where", value=text)
    return name, [reading for value in values.split(",") for reading in _readings(value)]


def _readings(text: str) -> list[object]:
    readings: list[object] = [text]
    for read in (int, float):
        try:
            readings.append(read(text))
        except ValueError:
            continue
    return readings + ([text == "true"] if text in ("true", "false") else [])


# The arguments and options that several subcommands have. `read_sweep` follows SWEEP, --source, --all and --slo.
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "name": {"metavar": "SWEEP", "help": "the sweep's name; `python -m sync list` has them"},
    "--slo": {"type": Path, "metavar": "FILE", "help": "limits in place of the experiment's, or the paper's"},
    "--rate": {
        "type": _rate, "metavar": "R", "help": "the rate that the cheapest clusters have to carry, in requests/s"
    },
    "--where": {
        "type": _condition, "nargs": "+", "default": [], "metavar": "COLUMN=VALUE",
        "help": "only runs with this, such as system=splitwise-ha rate=8,16",
    },
    "--all": {"action": "store_true", "help": "count also finished points that the experiment no longer has"},
    "--source": {
        "choices": tuple(SOURCES), "help": "where to read from (default: the first of these that has the sweep)"
    },
}  # fmt: skip
READING = ("--all", "--source")


def add_command(
    subparsers: Subparsers,
    name: str,
    run: Callable[[argparse.Namespace], int],
    summary: str,
    epilog: str = "",
    options: Sequence[str] = (),
) -> argparse.ArgumentParser:
    """The parser of a subcommand with some of `_OPTIONS`; `summary` is its line of help, `epilog` has examples."""
    parser = subparsers.add_parser(
        name,
        help=summary,
        description=f"{summary[:1].upper()}{summary[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    for option in options:
        parser.add_argument(option, **_OPTIONS[option])
    return parser


def read_sweep(arguments: argparse.Namespace) -> Sweep:
    """The sweep that the arguments name. Raises as `load_sweep`."""
    return load_sweep(arguments.name, arguments.results, arguments.source, everything=arguments.all, slo=arguments.slo)


def left_out(sweep: Sweep, also: str = "--all counts them in") -> list[str]:
    """Which points of the sweep do not count, one line for each reason; `also` says how to have them counted."""
    lines = []
    if sweep.left_out:
        points = "1 finished point is" if sweep.left_out == 1 else f"{sweep.left_out:,} finished points are"
        lines.append(f"{points} left out: the experiment, as it was last started, does not have them ({also}).")
    info = sweep.source.info()
    missing = 0 if info is None else info.points - len(sweep.outcomes)
    if missing > 0:
        points = "1 point of the experiment has" if missing == 1 else f"{missing:,} points of the experiment have"
        lines.append(f"{points} no result yet: nothing is said of them.")
    if sweep.superseded:
        lines.append(f"{sweep.superseded:,} superseded by newer runs of the same points are left out.")
    return lines


def output_console() -> Console:
    """Standard output; wide enough for whole lines where it is no terminal."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=200)


def rich_table(table: Table) -> RichTable:
    """The table without its title, as rich draws it: words to the left, figures to the right."""
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, head in enumerate(table.heads):
        drawn.add_column(escape(head), justify="left" if number in table.words else "right", overflow="fold")
    for number, row in enumerate(table.rows, 1):
        drawn.add_row(*map(escape, row), end_section=table.has_total and number == len(table.rows) - 1)
    return drawn


def shown(items: Sequence[T], what: str) -> Iterable[T]:
    """The items, with a bar of progress while standard error is a terminal."""
    console = Console(stderr=True)
    return track(items, what, console=console, transient=True, disable=not console.is_terminal)
