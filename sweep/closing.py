"""What a sweep says before it starts and after it has ended: how much there is to do, and what came of it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from sweep.experiment.naming import axis_labels, shell_text, varied_axes
from sweep.experiment.point import Outcome, Point
from sweep.launch.backlog import expected_s
from sweep.table import points_table
from sync.analysis.answers import answers, sentences
from sync.results.slo import Slo
from sync.results.sweep import RESULTS

MOST_LISTED = 200  # points one by one
_SHORT_S = 3.0
_LONGER = 3.0  # times that requests take where more arrive than are served: docs/performance.md, "Growth"


def plan(points: Sequence[Point], total: int) -> Group:
    """What would run: its points, or of many how many in each system; and about how long it takes."""
    parts: list[Table | Text] = [points_table(points) if len(points) <= MOST_LISTED else _systems_table(points)]
    if len(points) > MOST_LISTED:
        parts.append(Text("(--format json lists the points)"))
    shown = f" of {total}" if total != len(points) else ""
    parts += [Text(estimate_text(points)), Text(f"{len(points)}{shown} points; nothing was started")]
    return Group(*parts)


def estimate_text(points: Sequence[Point], cores: int | None = None) -> str:
    """`77,280,000 requests: an estimated 44 min to 2.2 h of CPU time, 22 min to 1.1 h on 2 cores`.

    By what a request takes on the machine that docs/performance.md was measured on; the longer time is for clusters
    that more arrives at than they serve.
    """
    cores = cores or os.cpu_count() or 1
    least_s = sum(map(expected_s, points))
    requests = sum(point.requests for point in points)
    if least_s < _SHORT_S:
        return f"{requests:,} requests: an estimated few seconds of CPU time"
    on_cores = f", {_range(least_s / cores)} on {cores} cores" if cores > 1 else ""
    return f"{requests:,} requests: an estimated {_range(least_s)} of CPU time{on_cores}"


def answer_text(outcomes: Sequence[Outcome], slo: Slo) -> Text:
    """What designs carry within the SLO, a sentence a workload; nothing where there is nothing to tell."""
    if not any(outcome.summary for outcome in outcomes):
        return Text()
    return Text("\n".join(sentences(answers(outcomes, slo))))


def print_answer(outcomes: Sequence[Outcome], slo: Slo, name: str, results: Path, console: Console) -> None:
    """The answer, and where there is more of it; `results` is the folder of results."""
    text = answer_text(outcomes, slo)
    if text:
        console.print(text, style="bold", soft_wrap=True)
        place = [] if results.absolute() == RESULTS.absolute() else ["--results", str(results)]
        command = shell_text(["python", "-m", "sync", *place, "answers", name])
        console.print(f"more: {command}", soft_wrap=True, markup=False)


def _range(seconds: float) -> str:
    return f"{_rough(seconds)} to {_rough(_LONGER * seconds)}"


def _rough(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"


def _systems_table(points: Sequence[Point]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("system", "points", "requests", "$/h", "power", "varied"):
        table.add_column(name, justify="right" if name in ("points", "requests", "$/h", "power") else "left")
    systems: dict[str, list[Point]] = {}
    for point in points:
        systems.setdefault(point.system, []).append(point)
    for system, members in systems.items():
        figures = (_span([p.cost for p in members], ".2f"), _span([p.power for p in members], "g"))
        requests = sum(point.requests for point in members)
        table.add_row(system, f"{len(members):,}", f"{requests:,}", *figures, _varied(members))
    return table


def _varied(points: Sequence[Point]) -> str:
    axes = varied_axes([point.axes for point in points])
    told = []
    for axis, label in zip(axes, axis_labels(axes), strict=True):
        values = list(dict.fromkeys(point.axes[axis] for point in points))
        told.append(
            f"{label} {values[0]} to {values[-1]} ({len(values)})" if len(values) > 3 else f"{label} {_list(values)}"
        )
    return ", ".join(told)


def _list(values: Sequence[object]) -> str:
    return "/".join(map(str, values))


def _span(values: Sequence[float], form: str) -> str:
    low, high = f"{min(values):{form}}", f"{max(values):{form}}"
    return low if low == high else f"{low} to {high}"
