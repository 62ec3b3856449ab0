"""`python -m sweep status [NAME]`: how the sweeps in a folder of results are doing, from any terminal."""

from __future__ import annotations

import json
import sys
import warnings
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.text import Text

from configs.command_line import Parser, folder
from configs.terminal import Column, console, draw, lines, say
from sim_core.errors import SpecError, choices, shown
from sweep.tally import SLOWEST, duration_text
from sync.results.journal import Journal, JournalError

STATUS = "status"


def status_command(argv: Sequence[str]) -> int:
    """Run `python -m sweep status`; returns the exit status."""
    parser = Parser(prog="python -m sweep status", description="How far sweeps are, also those that are running.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="an experiment's name (default: all with results)")
    parser.add_argument("--results", type=folder, default=Path("results"), metavar="DIR", help="default: results")
    parser.add_argument("--format", choices=("table", "json"), default="table", help="default: %(default)s")
    arguments = parser.parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = lambda message, *_: print(f"warning: {shown(message)}", file=sys.stderr)
            sweeps = _read(arguments.results, arguments.names)
    except SpecError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:  # a folder that may not be read is not an empty one
        print(f"error: {shown(error.filename)}: {error.strerror}", file=sys.stderr)
        return 1
    if arguments.format == "json":
        print(json.dumps([asdict(sweep) for sweep in sweeps], indent=1, allow_nan=False))
        return 0
    screen = console()
    if not sweeps:
        say(screen, f"no sweeps in {arguments.results}")
        return 0
    screen.print(draw(_columns(sweeps), screen.width, more="--format json"), soft_wrap=True)
    return 0


@dataclass(frozen=True)
class _Sweep:
    """How far a sweep is. The counts are of the journal's entries; `left` is None where a planner decides on points and
    is not done, and `points` counts those that it has wanted. `process` runs the sweep (empty: none does); of its last
    words are `running`, `speed`, `left_s`, `searches` and `age_s`, which is how old they are (None: not known).
    `slowest`: seconds and names of points."""

    name: str
    points: int
    asked_for: int
    completed: int
    stopped: int
    failed: int
    left: int | None
    slowest: list[tuple[float, str]]
    process: str = ""
    running: int | None = None
    speed: str | None = None
    left_s: float | None = None
    age_s: float | None = None
    searches: Sequence[str] = ()


def _read(results: Path, names: Sequence[str]) -> list[_Sweep]:
    """The sweeps with these names, or all if no names are given.

    Raises SpecError for a name that no sweep has, OSError for a folder that may not be read.
    """
    known = sorted(path.name for path in results.iterdir() if Journal(path).has_sweep()) if results.exists() else []
    for name in names:
        if name not in known:
            raise SpecError(f"no such sweep in {shown(results)}{choices(name, known)}", key="status", value=name)
    sweeps = []
    for name in names or known:
        try:
            sweeps.append(_sweep(results / name))
        except JournalError as error:  # such as a link
            print(f"error: {error}", file=sys.stderr)
    return sweeps


def _sweep(folder: Path) -> _Sweep:
    journal = Journal(folder)
    keys, info = journal.last_started(), journal.info()
    outcomes = {key: outcome for key, outcome in journal.outcomes().items() if key in keys}
    counts = Counter(outcome.status for outcome in outcomes.values())
    slowest = sorted(outcomes.values(), key=lambda outcome: -outcome.wall_s)[:SLOWEST]
    holder, growth = journal.holder(), journal.growth()
    return _Sweep(
        name=folder.name,
        points=len(keys) if info is None else info.points,
        asked_for=len(keys),
        completed=counts["completed"],
        stopped=counts["stopped"],
        failed=counts["failed"],
        left=len(keys) - len(outcomes) if growth is None or growth.is_done else None,
        slowest=[(outcome.wall_s, outcome.name) for outcome in slowest],
        process=holder or "",
        **(_last_words(journal.status() or {}) if holder else {}),
    )


def _last_words(status: Mapping[str, Any]) -> dict[str, Any]:
    """What the running sweep noted last, as far as it has the form that it should have."""
    running, speed, left_s, searches = (status.get(name) for name in ("running", "speed", "left_s", "searches"))
    try:
        age_s = (datetime.now(UTC) - datetime.fromisoformat(status["at"])).total_seconds()
    except (KeyError, ValueError, TypeError):
        age_s = None
    return {
        "running": running if isinstance(running, int) else None,
        "speed": speed if isinstance(speed, str) else None,
        "left_s": float(left_s) if isinstance(left_s, int | float) else None,
        "age_s": age_s,
        "searches": searches if isinstance(searches, list) else [],
    }


def _columns(sweeps: Sequence[_Sweep]) -> list[Column]:
    counts = {"done": "completed", "unstable": "stopped", "failed": "failed"}
    numbers = {head: [f"{getattr(sweep, name):,}" for sweep in sweeps] for head, name in counts.items()}
    return [
        Column("sweep", [sweep.name for sweep in sweeps]),
        Column("state", [_state(sweep) for sweep in sweeps]),
        *(Column(head, cells, right=True) for head, cells in numbers.items()),
        Column("running", ["-" if s.running is None else f"{s.running:,}" for s in sweeps], right=True),
        Column("left", ["-" if sweep.left is None else f"{sweep.left:,}" for sweep in sweeps], right=True),
        Column("speed", [_speed(sweep) for sweep in sweeps], spare=1),
        Column(
            "slowest points", [lines(*(f"{s:.1f} s {name}" for s, name in sweep.slowest)) for sweep in sweeps], spare=2
        ),
    ]


def _state(sweep: _Sweep) -> Text:
    ended = "complete" if sweep.left == 0 else "not complete: start it again"
    parts = [f"runs (process {sweep.process})" if sweep.process else ended]
    if sweep.asked_for < sweep.points:  # because of --limit or --point
        parts.append(f"({sweep.asked_for:,} of {sweep.points:,} points asked for)")
    parts.extend(sweep.searches)
    return lines(*parts)


def _speed(sweep: _Sweep) -> Text:
    parts = (sweep.speed or "-").split(", ")
    if sweep.left_s is not None:
        parts.append(f"{duration_text(sweep.left_s)} to go")
    if sweep.age_s is not None and sweep.age_s > 10.0:
        parts.append(f"(as of {duration_text(sweep.age_s)} ago)")
    return lines(*parts)
