"""What several subcommands of `python -m sync` share: their options, and output on the terminal."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from rich.console import Console
from rich.progress import track

from configs.command_line import HelpText, folder
from configs.terminal import Column, console, draw
from sim_core.errors import SpecError, shown
from sync.analysis.texts import Table
from sync.load import SOURCES, load_sweep
from sync.results.sweep import AnyOf, Sweep

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


class _Conditions(argparse.Action):
    """Collects the conditions of `--where`, also of several; one that names a column again is refused."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, *values: Any) -> None:
        known = dict(getattr(namespace, self.dest))
        for text in values[0]:
            name, allowed = _condition(text)
            if name in known:
                reason = f"{shown(name)} has a condition already; write {shown(name)}=VALUE,VALUE to allow several"
                raise SpecError(reason, key="--where", value=text)
            known[name] = allowed
        setattr(namespace, self.dest, list(known.items()))


def _condition(text: str) -> tuple[str, AnyOf]:
    """A condition for `Sweep.where`; a number matches however it is written (8, 8.0)."""
    name, _, values = text.partition("=")
    if not name or not values:
        raise SpecError("is not COLUMN=VALUE", key="--where", value=text)
    return name, AnyOf(values, [reading for value in values.split(",") for reading in _readings(value)])


def _readings(text: str) -> list[object]:
    readings: list[object] = [text]
    for read in (int, float):
        with suppress(ValueError):
            readings.append(read(text))
    return readings + ([text == "true"] if text in ("true", "false") else [])


# The arguments and options that several subcommands have. `read_sweep` follows SWEEP, --source, --all and --slo.
_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "name": {"metavar": "SWEEP", "help": "the sweep's name; `python -m sync list` has them"},
    "runs": {
        "nargs": "*", "metavar": "RUN",
        "help": "only these runs: names as any table shows them, numbers, or beginnings of keys (default: all)",
    },
    "--slo": {"type": Path, "metavar": "FILE", "help": "limits in place of the experiment's, or the paper's"},
    "--rate": {
        "type": _rate, "metavar": "R", "help": "the rate that the cheapest clusters have to carry, in requests/s"
    },
    "--where": {
        "action": _Conditions, "nargs": "+", "default": [], "metavar": "COLUMN=VALUE",
        "help": "only runs with this, such as system=splitwise-ha rate=8,16; `show SWEEP --columns` lists the columns",
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
        formatter_class=HelpText,
    )
    parser.set_defaults(run=run)
    # Also behind the command's name; SUPPRESS, so that it does not undo what stands in front of it.
    parser.add_argument("--results", type=folder, default=argparse.SUPPRESS, help="the folder of results")
    for option in options:
        parser.add_argument(option, **_OPTIONS[option])
    return parser


def read_sweep(arguments: argparse.Namespace) -> Sweep:
    """The sweep that the arguments name. Raises as `load_sweep`."""
    return load_sweep(arguments.name, arguments.results, arguments.source, everything=arguments.all, slo=arguments.slo)


def left_out(sweep: Sweep, also: str = "--all counts them in", *, missing: bool = True) -> list[str]:
    """Which points of the sweep do not count, one line for each reason; `also` says how to have them counted. Without
    `missing` the points without a result are not mentioned."""
    lines = []
    if sweep.left_out:
        points = "1 finished point is" if sweep.left_out == 1 else f"{sweep.left_out:,} finished points are"
        lines.append(f"{points} left out: the experiment, as it was last started, does not have them ({also}).")
    open_points = 0 if sweep.plan is None else sweep.plan.points - len(sweep.outcomes)
    if missing and open_points > 0:
        points = (
            "1 point of the experiment has" if open_points == 1 else f"{open_points:,} points of the experiment have"
        )
        lines.append(f"{points} no result yet: nothing is said of them.")
    if sweep.superseded:
        lines.append(f"{sweep.superseded:,} superseded by newer runs of the same points are left out.")
    if unusable := len(sweep.source.unusable()):
        entries = "1 entry cannot be used and does" if unusable == 1 else f"{unusable:,} entries cannot be used and do"
        lines.append(f"{entries} not count.")
    return lines


def print_table(screen: Console, table: Table, more: str = "") -> None:
    """Print the table without its title, in the width of the screen: words to the left, figures to the right. `more`
    says where columns are to be had for which there is no room, as `--format markdown`."""
    cells = zip(*table.rows, strict=True) if table.rows else [()] * len(table.heads)
    columns = [
        Column(head, own, place not in table.words, whole=place in table.names, spare=table.spare_rank(place))
        for place, (head, own) in enumerate(zip(table.heads, cells, strict=True))
    ]
    ends = {len(table.rows) - 2} if table.has_total else set()
    screen.print(draw(columns, screen.width, ends=ends, more=more), soft_wrap=True)


def watched(items: Sequence[T], what: str) -> Iterable[T]:
    """The items, with a bar of progress while standard error is a terminal."""
    screen = console(error=True)
    return track(items, what, console=screen, transient=True, disable=not screen.is_terminal)
