"""`python -m sweep status [NAME]`: how the sweeps of a folder of results are doing, also from another terminal."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table

from sim_core.errors import SpecError, choices
from sweep.experiment.point import Outcome
from sweep.table import output_console
from sweep.tally import SLOWEST, duration_text
from sync.results.journal import Journal

STATUS = "status"


def status_command(argv: Sequence[str]) -> int:
    """Run `python -m sweep status`; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m sweep status",
        description="How the sweeps below --results are doing: what is done, and of one that runs, how it goes on.",
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help="of an experiment (default: all that have results)")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR")
    arguments = parser.parse_args(argv)
    try:
        rows = _rows(arguments.results, arguments.names)
    except SpecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a folder that may not be read is not an empty one
        print(f"error: {error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    if not rows:
        print(f"no sweeps in {arguments.results}")
        return 0
    output_console().print(_table(rows))
    return 0


def _rows(results: Path, names: Sequence[str]) -> list[tuple[str, ...]]:
    """Of the sweeps with these names, or of all. Raises SpecError for a name that is none, OSError for what may not be
    read."""
    known = sorted(path.name for path in results.iterdir() if Journal(path).has_sweep()) if results.exists() else []
    for name in names:
        if name not in known:
            raise SpecError(f"no such sweep in {results}{choices(name, known)}", key="status", value=name)
    return [_row(results / name) for name in names or known]


def _table(rows: Sequence[tuple[str, ...]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in ("sweep", "state", "done", "unstable", "failed", "running", "left", "speed", "slowest points"):
        table.add_column(header, justify="left" if header in ("sweep", "state", "slowest points") else "right")
    for row in rows:
        table.add_row(*row)
    return table


def _row(folder: Path) -> tuple[str, ...]:
    """A sweep in words. What is finished, the journal's entries say; its last word is only asked how it goes on."""
    journal = Journal(folder)
    keys, info = journal.last_started(), journal.info()
    points = len(keys) if info is None else info.points
    outcomes = {key: outcome for key, outcome in journal.outcomes().items() if key in keys}
    counts = Counter(outcome.status for outcome in outcomes.values())
    holder, told = journal.holder(), journal.status()
    left = len(keys) - len(outcomes)
    state = f"runs (process {holder})" if holder else ("complete" if left == 0 else "not complete: start it again")
    if len(keys) < points:  # --limit, or one --point
        state += f"\n({len(keys)} of {points} points asked for)"
    running, speed = "-", "-"
    if holder and told:
        running, speed = str(told.get("running", "-")), _speed(told)
    return (
        *(folder.name, state, str(counts["completed"]), str(counts["stopped"]), str(counts["failed"])),
        *(running, str(left), speed, "\n".join(_slowest(list(outcomes.values())))),
    )


def _speed(told: dict[str, Any]) -> str:
    left_s = told.get("left_s")
    rest = f"\n{duration_text(left_s)} to go" if isinstance(left_s, int | float) else ""
    try:
        age_s = (datetime.now(UTC) - datetime.fromisoformat(told["at"])).total_seconds()
        old = f"\n(as of {duration_text(age_s)} ago)" if age_s > 10.0 else ""
    except (KeyError, ValueError, TypeError):
        old = ""
    return str(told.get("speed", "-")).replace(", ", "\n") + rest + old


def _slowest(outcomes: Sequence[Outcome]) -> list[str]:
    slowest = sorted(outcomes, key=lambda outcome: -outcome.wall_s)[:SLOWEST]
    return [f"{outcome.wall_s:.1f} s {outcome.name}" for outcome in slowest]

