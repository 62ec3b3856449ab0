"""What a sweep prints before it starts and after it has ended: how much there is to do, and what came of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from math import nan
from pathlib import Path

from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

from configs.terminal import say, say_whole
from sweep.experiment.naming import axis_labels, machines_text, shell_text, varied_axes
from sweep.experiment.point import Outcome, Point
from sweep.launch.backlog import expected_s
from sweep.table import table_of_rows
from sync.analysis.answers import answers, bare_sentences
from sync.analysis.terms import caveats, terms_lines
from sync.results.grouping import grouped
from sync.results.outcome import SweepInfo
from sync.results.plan import Plan
from sync.results.sweep import RESULTS

MOST_LISTED = 200  # points that are listed one by one
MOST_FAILURES = 20  # failures that are listed one by one
_SHORT_S = 3.0
_LONGER = 3.0  # times as long as a request takes where more arrive than are served: docs/performance.md, "Growth"


def preview(points: Sequence[Point], total: int) -> Group:
    """What would run and about how long it takes: a row for each point, or for each system if there are many points."""
    parts: list[Table | Text]
    if len(points) <= MOST_LISTED:
        parts = [_points_table(points)]
    else:
        parts = [_systems_table(points), Text("(--format json lists the points)")]
    shown = f" of {total}" if total != len(points) else ""
    return Group(*parts, Text(estimate_text(points)), Text(f"{len(points)}{shown} points; nothing was started"))


def estimate_text(points: Sequence[Point], cores: int | None = None) -> str:
    """`77,280,000 requests: an estimated 44 min to 2.2 h of CPU time, 22 min to 1.1 h on 2 cores`.

    Computed from the times in docs/performance.md; the longer time is for clusters that get more requests than they
    can serve.
    """
    cores = cores or os.cpu_count() or 1
    least_s = sum(map(expected_s, points))
    requests = sum(point.requests for point in points)
    if least_s < _SHORT_S:
        return f"{requests:,} requests: an estimated few seconds of CPU time"
    on_cores = f", {_range_text(least_s / cores)} on {cores} cores" if cores > 1 else ""
    return f"{requests:,} requests: an estimated {_range_text(least_s)} of CPU time{on_cores}"


def print_answer(
    outcomes: Sequence[Outcome], info: SweepInfo, results: Path, console: Console, plan: Plan | None = None
) -> None:
    """Print what outcomes of a sweep answer: first what limits the answer, then a sentence a workload, what it stands
    on, and the command that shows more; nothing if nothing was measured. `results` is the folder of results, `plan`
    what the sweep plans."""
    if any(outcome.summary for outcome in outcomes):
        found = answers(outcomes, info.slo, plan=plan, figures=info.machines)
        for caveat in caveats(found.terms):
            say(console, caveat, style="bold yellow")
        for sentence in bare_sentences(found):
            say(console, sentence, style="bold")
        for line in terms_lines(found.terms):
            say(console, line)
        place = [] if results.absolute() == RESULTS.absolute() else ["--results", str(results)]
        say_whole(console, f"more: {shell_text(['python', '-m', 'sync', *place, 'answers', info.name])}")


def stopped_text(outcomes: Sequence[Outcome]) -> Text:
    """The points that were stopped as unstable, with the time at which they were."""

    def reason(outcome: Outcome) -> str:
        return f"stopped at {outcome.summary.get('run/stopped_early_s', nan):.4g} s"

    return _listed(
        [outcome for outcome in outcomes if outcome.status == "stopped"], ("unstable", "bold yellow"), reason
    )


def standing_still_text(outcomes: Sequence[Outcome]) -> Text:
    """The points in which instances stand still for ever, with the number of requests that are never served."""

    def reason(outcome: Outcome) -> str:
        requests, since_s = (outcome.summary.get(f"run/standstill_{name}", nan) for name in ("requests", "s"))
        return f"{requests:,.0f} requests can never be served, since {since_s:,.4g} s after the first arrival"

    still = [outcome for outcome in outcomes if outcome.summary.get("run/standstill_requests", 0.0) > 0]
    text = _listed(still, ("standstill", "bold red"), reason)
    if still:
        text.append(
            "to change: instances with more memory, more instances, or a lower rate; --point N --debug says which\n"
        )
    return text


def cut_text(outcomes: Sequence[Outcome]) -> Text:
    """The points that `end_time` cut."""

    def reason(outcome: Outcome) -> str:
        at_s, missing = outcome.summary["run/cut_at_s"], outcome.summary.get("run/not_arrived", nan)
        return f"at {at_s:g} s after the first arrival (end_time), {missing:,.0f} requests had not arrived"

    return _listed(
        [outcome for outcome in outcomes if "run/cut_at_s" in outcome.summary], ("cut", "bold yellow"), reason
    )


def failures_text(outcomes: Sequence[Outcome], arguments: Sequence[str]) -> Text:
    """The failed points with their reasons, and the commands that look into one and run all of them again. `arguments`
    are the sweep's own."""
    failed = [outcome for outcome in outcomes if outcome.status == "failed"]
    text = _listed(failed, ("failed", "bold red"), lambda outcome: (outcome.error or "no reason given").splitlines()[0])
    if failed:
        point = ["--point", failed[0].key[:12], "--local", "--debug"]
        text.append(f"to look into one: {shell_text(['python', '-m', 'sweep', *arguments, *point])}\n")
        text.append("to run them again: the same command with --retry-failed\n")
    return text


def _listed(outcomes: Sequence[Outcome], label: tuple[str, str], reason: Callable[[Outcome], str]) -> Text:
    """A line for each outcome, up to `MOST_FAILURES`; `label` is a word and its style."""
    word, style = label
    text = Text()
    for outcome in outcomes[:MOST_FAILURES]:
        text.append(f"{word} ", style).append(f"{outcome.name}: {reason(outcome)}\n")
    if len(outcomes) > MOST_FAILURES:
        text.append(f"and {len(outcomes) - MOST_FAILURES} more\n")
    return text


def _points_table(points: Sequence[Point]) -> Table:
    rows = [
        (str(p.index), p.name, machines_text(p.machines), f"{p.cost:.2f}", f"{p.power:g}", p.trace.filename, p.key[:12])
        for p in points
    ]
    widths = {"point": 80, "machines": 40, "trace": 40, "key": 12}
    return table_of_rows("#|point|machines|$/h|power|trace|key", rows, widths)


def _systems_table(points: Sequence[Point]) -> Table:
    rows = []
    for members in grouped(points, lambda point: point.system):
        counts = f"{len(members):,}", f"{sum(point.requests for point in members):,}"
        cost = _span_text([point.cost for point in members], ".2f")
        power = _span_text([point.power for point in members], "g")
        rows.append((members[0].system, *counts, cost, power, _varied_text(members)))
    return table_of_rows("system|points|requests|$/h|power|varied", rows, {"system": 40, "varied": 100})


def _varied_text(points: Sequence[Point]) -> str:
    """`workload code/conv, rate 30 to 90 (13)`: the axes that vary, with their values."""
    axes = varied_axes([point.axes for point in points])
    texts = []
    for axis, label in zip(axes, axis_labels(axes), strict=True):
        values = list(dict.fromkeys(point.axes[axis] for point in points))
        span = f"{values[0]} to {values[-1]} ({len(values)})"
        texts.append(f"{label} {span if len(values) > 3 else '/'.join(map(str, values))}")
    return ", ".join(texts)


def _span_text(values: Sequence[float], form: str) -> str:
    low, high = f"{min(values):{form}}", f"{max(values):{form}}"
    return low if low == high else f"{low} to {high}"


def _range_text(seconds: float) -> str:
    return f"{_rough_text(seconds)} to {_rough_text(_LONGER * seconds)}"


def _rough_text(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 3600 else f"{seconds / 3600:.1f} h"
