"""Tables for people: what a sweep would run, and what it found."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from sweep.naming import machines_text
from sweep.point import Outcome, Point

PERCENTILES = ("p50", "p90", "p99")
PHASES = ("ttft", "tbt", "e2e")
MOST_FAILURES = 20  # listed one by one
PLAIN_WIDTH = 160  # of output that goes to a file or a pipe


def output_console() -> Console:
    """Standard output; where it is no terminal, wide enough for the tables."""
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def points_table(points: Sequence[Point]) -> Table:
    """What would run."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("#", justify="right")
    table.add_column("point")
    table.add_column("machines")
    table.add_column("$/h", justify="right")
    table.add_column("power", justify="right")
    table.add_column("trace")
    table.add_column("key")
    for p in points:
        machines = machines_text(p.machines)
        cells = (machines, f"{p.cost:.2f}", f"{p.power:g}", p.trace.filename, p.key[:12])
        table.add_row(str(p.index), p.name, *cells)
    return table


def results_table(outcomes: Sequence[Outcome], console: Console) -> Table:
    """A row a completed point; where the console is not wide enough, the slowdowns stand under the seconds."""
    wide = _results_table(outcomes, wide=True)
    unlimited = console.options.update(width=1000, max_width=1000)
    needed = Measurement.get(console, unlimited, wide).maximum
    return wide if needed <= console.width else _results_table(outcomes, wide=False)


def _results_table(outcomes: Sequence[Outcome], *, wide: bool) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    table.add_column("system" if wide else "system\nmachines", no_wrap=True)
    if wide:
        table.add_column("machines", no_wrap=True)
    table.add_column("$/h\npower", justify="right")
    table.add_column("rate\n1/s", justify="right")
    for phase in PHASES:
        if wide:
            table.add_column(f"{phase.upper()} p50/p90/p99\nseconds", justify="right", no_wrap=True)
            table.add_column("\nslowdown", justify="right", no_wrap=True)
        else:
            table.add_column(f"{phase.upper()} p50/p90/p99\nseconds, slowdown", justify="right", no_wrap=True)
    table.add_column("in\nSLO", justify="right")
    unserved = any(_count(o, "rejected") or _count(o, "unfinished") for o in outcomes)
    if unserved:
        table.add_column("rejected\nunfinished", justify="right")
    for i, outcome in enumerate(outcomes):
        last = i + 1 < len(outcomes) and outcomes[i + 1].system != outcome.system
        table.add_row(*_cells(outcome, wide), *([_unserved(outcome, wide)] if unserved else []), end_section=last)
    return table


def failures_text(outcomes: Sequence[Outcome], arguments: Sequence[str]) -> Text:
    """The failed points with their reasons, and how to look at one; `arguments` are the sweep's own."""
    text = Text()
    for outcome in outcomes[:MOST_FAILURES]:
        reason = (outcome.error or "no reason given").splitlines()[0]
        text.append("failed ", style="bold red").append(f"{outcome.name}: {reason}\n")
    if len(outcomes) > MOST_FAILURES:
        text.append(f"and {len(outcomes) - MOST_FAILURES} more\n")
    if outcomes:
        command = shlex.join(["python", "-m", "sweep", *arguments, "--point", outcomes[0].key[:12], "--debug"])
        text.append(f"to look into one: {command}\n")
    return text


def _cells(outcome: Outcome, wide: bool) -> list[str | Text]:
    machines = machines_text(outcome.machines)
    cells: list[str | Text] = [outcome.system, machines] if wide else [f"{outcome.system}\n{machines}"]
    cells.append(f"{outcome.cost:.2f}\n{outcome.power:g}" if not wide else f"{outcome.cost:.0f} {outcome.power:.0f}")
    cells.append(f"{outcome.rate:g}" if outcome.rate is not None else outcome.trace)
    for phase in PHASES:
        seconds, slowdowns = _seconds(outcome, phase), _slowdowns(outcome, phase)
        cells += [seconds, slowdowns] if wide else [Text("\n").join([seconds, slowdowns])]
    within = outcome.summary.get("slo/within") == 1.0
    cells.append(Text("yes", style="green") if within else Text("no", style="red"))
    return cells


def _seconds(outcome: Outcome, phase: str) -> Text:
    return Text("/").join(Text(_number(outcome.summary.get(f"{phase}/{p}_s"), 3)) for p in PERCENTILES)


def _slowdowns(outcome: Outcome, phase: str) -> Text:
    parts = []
    for p in PERCENTILES:
        style = "red" if outcome.summary.get(f"slo/{phase}_{p}") == 0.0 else ""
        parts.append(Text(_number(outcome.summary.get(f"{phase}/{p}_slowdown"), 2), style=style))
    return Text("/").join(parts) + "x"


def _number(value: float | None, decimals: int) -> str:
    """Three figures, or as many as `decimals` leaves of them: 0.012, 1.23, 12.3, 123."""
    if value is None or not math.isfinite(value):
        return "-"
    whole = len(str(int(abs(value)))) if abs(value) >= 1 else 0
    return f"{value:.{max(0, min(decimals, 3 - whole))}f}"


def _count(outcome: Outcome, what: str) -> int:
    return int(outcome.summary.get(f"run/{what}", 0))


def _unserved(outcome: Outcome, wide: bool) -> Text:
    counts = _count(outcome, "rejected"), _count(outcome, "unfinished")
    text = f"{counts[0]}{'/' if wide else chr(10)}{counts[1]}"
    return Text("-") if counts == (0, 0) else Text(text, style="red")
