"""`python -m sweep status [NAME]`: how the sweeps in a folder of results are doing, from any terminal."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from configs.command_line import Parser
from sim_core.errors import SpecError, choices
from sweep.table import output_console, table_of_rows
from sweep.tally import SLOWEST, duration_text
from sync.results.journal import Journal

STATUS = "status"
_HEADERS = "sweep|state|done|unstable|failed|running|left|speed|slowest points"
_WIDTHS = {"sweep": 40, "state": 40, "slowest points": 60}


def status_command(argv: Sequence[str]) -> int:
    """Run `python -m sweep status`; returns the exit status."""
    parser = Parser(prog="python -m sweep status", description="How far sweeps are, also those that are running.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="an experiment's name (default: all with results)")
    parser.add_argument("--results", type=Path, default=Path("results"), metavar="DIR", help="default: results")
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
    output_console().print(table_of_rows(_HEADERS, rows, _WIDTHS))
    return 0


def _rows(results: Path, names: Sequence[str]) -> list[tuple[str, ...]]:
    """A row for each sweep with one of these names, or for all sweeps if no names are given.

    Raises SpecError for a name that no sweep has, OSError for a folder that may not be read.
    """
    known = sorted(path.name for path in results.iterdir() if Journal(path).has_sweep()) if results.exists() else []
    for name in names:
        if name not in known:
            raise SpecError(f"no such sweep in {results}{choices(name, known)}", key="status", value=name)
    return [_row(results / name) for name in names or known]


def _row(folder: Path) -> tuple[str, ...]:
    """The cells of a sweep. The counts are of the journal's entries; its last status only adds running and speed."""
    journal = Journal(folder)
    keys, info = journal.last_started(), journal.info()
    points = len(keys) if info is None else info.points
    outcomes = {key: outcome for key, outcome in journal.outcomes().items() if key in keys}
    counts = Counter(outcome.status for outcome in outcomes.values())
    holder, status = journal.holder(), journal.status()
    left = len(keys) - len(outcomes)
    state = f"runs (process {holder})" if holder else ("complete" if left == 0 else "not complete: start it again")
    if len(keys) < points:  # because of --limit or --point
        state += f"\n({len(keys)} of {points} points asked for)"
    running, speed = "-", "-"
    if holder and status:
        running, speed = str(status.get("running", "-")), _speed(status)
    slowest = sorted(outcomes.values(), key=lambda outcome: -outcome.wall_s)[:SLOWEST]
    return (
        *(folder.name, state, str(counts["completed"]), str(counts["stopped"]), str(counts["failed"])),
        *(running, str(left), speed, "\n".join(f"{outcome.wall_s:.1f} s {outcome.name}" for outcome in slowest)),
    )


def _speed(status: Mapping[str, Any]) -> str:
    left_s = status.get("left_s")
    left = f"\n{duration_text(left_s)} to go" if isinstance(left_s, int | float) else ""
    try:
        age_s = (datetime.now(UTC) - datetime.fromisoformat(status["at"])).total_seconds()
        age = f"\n(as of {duration_text(age_s)} ago)" if age_s > 10.0 else ""
    except (KeyError, ValueError, TypeError):
        age = ""
    return str(status.get("speed", "-")).replace(", ", "\n") + left + age
