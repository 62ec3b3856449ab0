"""For people: what a sweep would run, and what went wrong. What it found is in `sweep.results_table`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import nan

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweep.experiment.naming import machines_text, shell_text
from sweep.experiment.point import Outcome, Point

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


def stopped_text(outcomes: Sequence[Outcome]) -> Text:
    """The points that were stopped as unstable, and when."""

    def when(outcome: Outcome) -> str:
        return f"stopped at {outcome.summary.get('run/stopped_early_s', nan):.4g} s"

    return _listed(outcomes, ("unstable ", "bold yellow"), when)


def standing_still_text(outcomes: Sequence[Outcome]) -> Text:
    """The points in which instances stand still for ever, and how many requests that leaves; empty without any."""
    still = [outcome for outcome in outcomes if outcome.summary.get("run/standstill_requests", 0.0) > 0]

    def left(outcome: Outcome) -> str:
        requests, since_s = (outcome.summary.get(f"run/standstill_{what}", nan) for what in ("requests", "s"))
        return f"{requests:,.0f} requests can never be served, since {since_s:,.4g} s after the first arrival"

    text = _listed(still, ("standstill ", "bold red"), left)
    if still:
        text.append(
            "to change: instances with more memory, more instances, or a lower rate; --point N --debug says which\n"
        )
    return text


def cut_text(outcomes: Sequence[Outcome]) -> Text:
    """The points that `end_time` cut; nothing where it cut none."""
    cut = [outcome for outcome in outcomes if "run/cut_at_s" in outcome.summary]

    def what(outcome: Outcome) -> str:
        at_s, coming = outcome.summary["run/cut_at_s"], outcome.summary.get("run/not_arrived", nan)
        return f"at {at_s:g} s after the first arrival (end_time), {coming:,.0f} requests had not arrived"

    return _listed(cut, ("cut ", "bold yellow"), what)


def failures_text(outcomes: Sequence[Outcome], arguments: Sequence[str]) -> Text:
    """The failed points with their reasons, how to look at one and how to run all of them again; `arguments` are the
    sweep's own."""
    text = _listed(
        outcomes, ("failed ", "bold red"), lambda outcome: (outcome.error or "no reason given").splitlines()[0]
    )
    if outcomes:
        command = shell_text(
            ["python", "-m", "sweep", *arguments, "--point", outcomes[0].key[:12], "--local", "--debug"]
        )
        text.append(f"to look into one: {command}\n")
        text.append("to run them again: the same command with --retry-failed\n")
    return text


def _listed(outcomes: Sequence[Outcome], label: tuple[str, str], reason: Callable[[Outcome], str]) -> Text:
    """A line a point, as many as are worth it; `label` is a word and its style."""
    text = Text()
    for outcome in outcomes[:MOST_FAILURES]:
        text.append(*label).append(f"{outcome.name}: {reason(outcome)}\n")
    if len(outcomes) > MOST_FAILURES:
        text.append(f"and {len(outcomes) - MOST_FAILURES} more\n")
    return text
