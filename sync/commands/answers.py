"""`answers`: what a sweep says to a planner, in words, tables or JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass, replace
from math import isfinite
from typing import Any, get_args

from configs.terminal import console, say
from sync.analysis.answers import (
    Configuration,
    SweepAnswers,
    answers_of,
    bare_sentences,
    check_rate,
    counts,
    normalised,
    notes,
    sentence,
    sentences,
    tables,
)
from sync.analysis.answers.build import Which
from sync.analysis.deployment.chosen import best_designs, found_designs, how_to_serve, say_serving, serving_markdown
from sync.analysis.found import of_search, plan_values
from sync.analysis.standing import RateStanding
from sync.analysis.terms import caveats, terms_lines
from sync.commands import base
from sync.commands.found import found_markdown, found_of, print_found
from sync.results.found import Plan
from sync.results.sweep import Sweep

_EXAMPLES = """examples:
  python -m sync answers quickstart                              the clusters that carry most within the SLO
  python -m sync answers quickstart --rate 16                    the cheapest and least-power clusters for 16 requests/s
  python -m sync answers quickstart --slo experiments/slo/paper.yaml     judged by the limits in a file
  python -m sync answers quickstart --where rate=8,16 --format json
  python -m sync answers quickstart --format markdown > answer.md       for a document
A file of limits, any part of which may be left out:
  slowdown: {ttft: {p50: 2, p90: 3, p99: 6}, tbt: {p50: 1.25}}   times as long as the request alone on a DGX-A100
  seconds: {ttft: {p99: 1.0}, e2e: {p95: 20}}
"""
_HELP = "what a sweep answers: the highest rate within the SLO, the cheapest and least-power clusters, the Pareto front"


def add_parser(subparsers: base.Subparsers) -> None:
    """Add the parser of `answers`."""
    options = ("name", "--slo", "--rate", "--where", *base.READING)
    parser = base.add_command(subparsers, "answers", _run, _HELP, _EXAMPLES, options)
    parser.add_argument("--format", choices=("table", "json", "markdown"), default="table", help="default: %(default)s")


def _run(arguments: argparse.Namespace) -> int:
    sweep = base.read_sweep(arguments)
    outcomes = sweep.where(**dict(arguments.where)) if arguments.where else None
    found = answers_of(sweep, arguments.rate, outcomes)
    check_rate(found, arguments.rate)
    rate = None if arguments.format == "json" else arguments.rate  # JSON has both answers
    plan, why_not = found_of(sweep, is_part=outcomes is not None, rate=rate)
    found = found if plan is None else replace(found, terms=of_search(found.terms))
    if arguments.format == "json":
        print(answers_json(sweep, found, plan, why_not))
    elif plan is not None:  # the probes' runs are at uneven rates: no ranking of theirs
        _show_found(sweep, found, plan, arguments.format)
    elif arguments.format == "markdown":
        print("\n\n".join([answers_markdown(sweep, found), *why_not]))
    else:
        _print(sweep, found)
        for line in why_not:
            say(console(), line)
    return 0


def _show_found(sweep: Sweep, found: SweepAnswers, plan: Plan, form: str) -> None:
    """Print what the sweep's planner found, and what that stands on."""
    lines = [*terms_lines(found.terms), counts(found), *base.left_out(sweep, missing=False)]
    if form == "markdown":
        start = [f"> {' '.join(caveats(found.terms))}"] if caveats(found.terms) else []
        serving = how_to_serve(found_designs(plan), sweep.outcomes.values())
        print("\n\n".join([*start, *found_markdown(plan), *lines, *serving_markdown(serving)]))
        return
    screen = console()
    for caveat in caveats(found.terms):
        say(screen, caveat, style="bold yellow")
    print_found(plan, screen)
    for line in lines:
        say(screen, line)
    say_serving(screen, how_to_serve(found_designs(plan), sweep.outcomes.values()))


def answers_json(sweep: Sweep, found: SweepAnswers, plan: Plan | None = None, left_out: Sequence[str] = ()) -> str:
    """The answers as JSON, for programs; `plan` is what the sweep's planner found, `left_out` says why it is not
    there."""
    start = " ".join(caveats(found.terms))
    workloads = [
        {
            **_values(workload),
            "sentence": f"{start} {sentence(workload)}".strip(),
            "normalised": {which: normalised(workload, which) for which in get_args(Which)},
        }
        for workload in found.workloads
    ]
    left = {"left_out": sweep.left_out, "superseded": sweep.superseded}
    said = {"sentences": sentences(found), "caveats": caveats(found.terms), "terms_lines": terms_lines(found.terms)}
    values = {**_values(found), **left, "sweep": sweep.name, **said, "workloads": workloads}
    values |= {**plan_values(plan), "found_left_out": " ".join(left_out)}
    designs = best_designs(found) if plan is None else found_designs(plan)
    values["serve"] = {design: how_to_serve([design], sweep.outcomes.values())[1:] for design in designs}
    return json.dumps(values, indent=1, allow_nan=False, default=_values)


def _values(answer: Any) -> dict[str, Any]:
    """The fields of an answer by name; of a configuration also its rates, its seeds, its interval and its state."""
    if not is_dataclass(answer):
        raise TypeError(f"no part of an answer: {answer!r}")
    if isinstance(answer, RateStanding):
        return _standing_values(answer)
    beside: dict[str, Any] = {}
    if isinstance(answer, Configuration):
        beside = {"rates": answer.rates, "seeds": answer.seeds, "state": answer.state, "interval": answer.interval}
    return {field.name: getattr(answer, field.name) for field in fields(answer)} | beside


def _standing_values(standing: RateStanding) -> dict[str, Any]:
    """What the seeds at a rate say: `share` is what their requests take of the tightest limit, `low` and `high` are its
    interval; null with one seed, and where counts are not known."""
    judgement = standing.judgement
    return {
        **{name: getattr(standing, name) for name in ("rate", "seeds", "within", "verdict", "state", "text")},
        "share": None if judgement is None or not isfinite(judgement.share) else judgement.share,
        "low": None if judgement is None else judgement.low,
        "high": None if judgement is None else judgement.high,
        "limit": None if judgement is None or judgement.limit is None else judgement.limit.told(),
        "enough_seeds": judgement is not None and judgement.is_sure,
    }


def answers_markdown(sweep: Sweep, found: SweepAnswers) -> str:
    """The answers as Markdown, for a document."""
    parts = [f"> {' '.join(caveats(found.terms))}"] if caveats(found.terms) else []
    parts += [f"> {text}" for text in bare_sentences(found)]
    for workload in found.workloads:
        parts += [table.markdown() for table in tables(workload, most=None)]
    serving = how_to_serve(best_designs(found), sweep.outcomes.values())
    return "\n\n".join([*parts, *_last_lines(sweep, found), *serving_markdown(serving)])


def _print(sweep: Sweep, found: SweepAnswers) -> None:
    screen = console()
    for caveat in caveats(found.terms):
        say(screen, caveat, style="bold yellow")
    for workload in found.workloads:
        say(screen, f"{workload.workload}: {sentence(workload)}", style="bold")
    for workload in found.workloads:
        for table in tables(workload):
            screen.print()
            say(screen, table.title, style="bold")
            base.print_table(screen, table, more="--format markdown")
    screen.print()
    for line in _last_lines(sweep, found):
        say(screen, line)
    say_serving(screen, how_to_serve(best_designs(found), sweep.outcomes.values()))


def _last_lines(sweep: Sweep, found: SweepAnswers) -> list[str]:
    """What the answer stands on, what the tables' words mean, and which points do not count."""
    not_run = [f"Workloads of which nothing was run: {', '.join(found.not_run)}."] if found.not_run else []
    lines = [*terms_lines(found.terms), *not_run, *notes(found), counts(found)]
    return [*lines, *base.left_out(sweep, missing=False)]
