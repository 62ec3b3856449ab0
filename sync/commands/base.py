"""Options that several subcommands of `python -m sync` have, and how they are read."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeAlias, TypeVar

from rich.console import Console
from rich.progress import track

from sim_core.errors import SpecError, choices
from sync.load import SOURCES, list_sweeps, load_sweep
from sync.results.journal import Journal, sweeps_in
from sync.results.outcome import SweepInfo
from sync.results.slo import Slo
from sync.results.slo_file import read_slo
from sync.results.sweep import Sweep

T = TypeVar("T")
Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add_command(
    subparsers: Subparsers, name: str, run: Callable[[argparse.Namespace], int], summary: str, epilog: str = ""
) -> argparse.ArgumentParser:
    """The parser of a subcommand; `summary` is its line of help, `epilog` has examples."""
    parser = subparsers.add_parser(
        name,
        help=summary,
        description=f"{summary[:1].upper()}{summary[1:]}.",
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(run=run)
    return parser


def add_name(parser: argparse.ArgumentParser) -> None:
    """Add the sweep's name."""
    parser.add_argument("name", metavar="SWEEP", help="the sweep's name; `python -m sync list` has them")


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add --source: where to read from."""
    parser.add_argument(
        "--source", choices=tuple(SOURCES), help="where to read from (default: the first of these that has the sweep)"
    )


def add_reading(parser: argparse.ArgumentParser) -> None:
    """Add --all and --source, which `read_sweep` follows."""
    parser.add_argument(
        "--all",
        action="store_true",
        help="count also finished points that the experiment no longer has",
    )
    add_source(parser)


def read_sweep(arguments: argparse.Namespace) -> Sweep:
    """The sweep that `add_name`, `add_reading` and `add_slo` name. Raises as `load_sweep`."""
    slo = slo_of(arguments)
    return load_sweep(arguments.name, arguments.results, arguments.source, everything=arguments.all, slo=slo)


def left_out(sweep: Sweep, also: str = "--all counts them in") -> list[str]:
    """Which points of the sweep do not count, one line for each reason; `also` says how to have them counted."""
    lines = []
    if sweep.left_out:
        points = "1 finished point is" if sweep.left_out == 1 else f"{sweep.left_out:,} finished points are"
        lines.append(f"{points} left out: the experiment, as it was last started, does not have them ({also}).")
    if missing := missing_points(sweep):
        points = "1 point of the experiment has" if missing == 1 else f"{missing:,} points of the experiment have"
        lines.append(f"{points} no result yet: nothing is said of them.")
    if sweep.superseded:
        lines.append(f"{sweep.superseded:,} superseded by newer runs of the same points are left out.")
    return lines


def missing_points(sweep: Sweep) -> int:
    """How many points of the experiment are not finished, as far as the source tells."""
    info = info_of(sweep)
    return 0 if info is None else max(0, info.points - len(sweep.outcomes))


def add_slo(parser: argparse.ArgumentParser) -> None:
    """Add --slo: the limits that runs are judged by."""
    parser.add_argument("--slo", type=Path, metavar="FILE", help="limits in place of the experiment's, or the paper's")


def slo_of(arguments: argparse.Namespace) -> Slo | None:
    """The limits of --slo; None without it: then the experiment's count. Raises SpecError."""
    return None if arguments.slo is None else read_slo(arguments.slo)


def add_rate(parser: argparse.ArgumentParser) -> None:
    """Add --rate, which `rate_of` reads: the rate that the cheapest clusters have to carry."""
    parser.add_argument("--rate", metavar="R", help="the rate that the cheapest clusters have to carry, in requests/s")


def rate_of(text: str | None) -> float | None:
    """The value of --rate, None without it. Raises SpecError for a text that is no rate."""
    if text is None:
        return None
    try:
        rate = float(text)
    except ValueError:
        rate = 0.0
    if not 0.0 < rate < float("inf"):
        raise SpecError("must be a number above 0, in requests/s", key="--rate", value=text)
    return rate


def info_of(sweep: Sweep) -> SweepInfo | None:
    """The facts of the sweep; None where its source does not have them."""
    return sweep.source.info()


def add_where(parser: argparse.ArgumentParser) -> None:
    """Add --where, which `conditions` reads."""
    parser.add_argument(
        "--where",
        nargs="+",
        default=[],
        metavar="COLUMN=VALUE",
        help="only runs with this, such as system=splitwise-ha rate=8,16",
    )


def conditions(texts: Sequence[str]) -> dict[str, object]:
    """The conditions of --where for `Sweep.where`; a number matches however it is written (8, 8.0)."""
    found: dict[str, object] = {}
    for condition in texts:
        name, equals, values = condition.partition("=")
        if not equals or not name or not values:
            raise SpecError("is not COLUMN=VALUE", key="--where", value=condition)
        found[name] = [value for text in values.split(",") for value in _readings(text)]
    return found


def _readings(text: str) -> list[object]:
    readings: list[object] = [text]
    for read in (int, float):
        try:
            readings.append(read(text))
        except ValueError:
            continue
    return readings + ([text == "true"] if text in ("true", "false") else [])


def journal_of(results: Path, name: str) -> Journal:
    """The journal of a sweep. Raises SpecError where there is none."""
    if name not in sweeps_in(results):
        known = list_sweeps(results)
        hint = choices(name, known) if known else "; there is none yet"
        raise SpecError(f"no journal of that sweep in {results}{hint}", key="sweep", value=name)
    return Journal(results / name)


def shown(items: Sequence[T], what: str) -> Iterable[T]:
    """The items, with a bar of progress while standard error is a terminal."""
    console = Console(stderr=True)
    return track(items, what, console=console, transient=True, disable=not console.is_terminal)
