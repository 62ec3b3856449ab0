"""How to serve with the designs that an answer names."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console

from configs.terminal import say_whole
from sync.analysis.answers.base import SweepAnswers
from sync.analysis.answers.ranking import order
from sync.analysis.deployment import serving_lines
from sync.results.found import Plan
from sync.results.outcome import Outcome


def best_designs(found: SweepAnswers) -> list[str]:
    """The design that carries most of each workload, the one that its sentence begins with."""
    best = []
    for workload in found.workloads:
        carrying = [member for member in workload.configurations if member.state == "carries"]
        if carrying:
            best.append(min(carrying, key=lambda member: order(member, workload.draws_by)).design)
    return list(dict.fromkeys(best))


def found_designs(plan: Plan) -> list[str]:
    """The designs that a search has found."""
    return list(dict.fromkeys(found.design for found in plan.found if found.design and not found.none))


def say_serving(screen: Console, lines: Iterable[str]) -> None:
    """Print such lines as they are to be typed: never wrapped."""
    for line in lines:
        say_whole(screen, line)


def serving_markdown(lines: Iterable[str]) -> list[str]:
    """The same as a block of code; nothing without lines."""
    text = "\n".join(lines)
    return [f"```\n{text}\n```"] if text else []


def how_to_serve(designs: Iterable[str], outcomes: Iterable[Outcome]) -> list[str]:
    """For each design what to type, as one of its runs was configured; nothing for those that are no engine of
    today's."""
    configured = {outcome.design: outcome.config_yaml for outcome in outcomes if outcome.config_yaml}
    lines = []
    for design in designs:
        own = serving_lines(configured[design]) if design in configured else []
        lines += [f"To serve as {design} was simulated:", *(f"  {line}" for line in own)] if own else []
    return lines
