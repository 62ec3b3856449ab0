"""What a planner found, on the terminal and as Markdown; `answers` shows it, and a sweep when it ends."""

from __future__ import annotations

from rich.console import Console

from configs.terminal import say
from sync.analysis.found import notes, sentences, tables
from sync.commands import base
from sync.results.found import Plan
from sync.results.sweep import Sweep


def print_found(plan: Plan, screen: Console, *, with_notes: bool = True) -> None:
    """Print the sentences, then the tables, and `with_notes` what their words mean."""
    plan = Plan.from_json_dict(plan.to_json_dict())  # as others read it: a share without bounds is not known
    for text in sentences(plan):
        say(screen, text, style="bold")
    for table in tables(plan):
        screen.print()
        say(screen, table.title, style="bold")
        base.print_table(screen, table, more="--format markdown")
    screen.print()
    for line in notes(plan) if with_notes else []:
        say(screen, line)


def found_markdown(plan: Plan) -> list[str]:
    """The parts of a document: the sentences as a quotation, all tables with the whole certificate, the notes."""
    parts = [f"> {text}" for text in sentences(plan)]
    return [*parts, *(table.markdown() for table in tables(plan, whole=True)), *notes(plan, whole=True)]


def found_of(sweep: Sweep, *, is_part: bool, rate: float | None = None) -> tuple[Plan | None, list[str]]:
    """What the sweep's planner found, or None and a line that says why it is not shown: runs are judged by other limits
    than the experiment's, only a part of them is asked for (`is_part`), or what they say of one `rate`. No line for a
    sweep without a question."""
    plan = sweep.source.found()
    if plan is None:
        return None, []
    if sweep.judges_otherwise:
        return None, ["What the search found is left out: the search was by the experiment's own limits."]
    if is_part:
        return None, ["What the search found is left out: it rests on all of its runs, not on these alone."]
    if rate is not None:
        return None, ["What the search found is shown without --rate."]
    return plan, []
