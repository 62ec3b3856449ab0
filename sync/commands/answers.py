"""`answers`: what a sweep says to a planner, in words, tables or JSON."""

from __future__ import annotations

import argparse
import json
from dataclasses import fields, is_dataclass
from typing import Any, get_args

from configs.terminal import console, say
from sync.analysis.answers import (
    OF_A_LIMIT,
    Configuration,
    SweepAnswers,
    answers,
    counts,
    normalised,
    sentence,
    sentences,
    tables,
)
from sync.analysis.answers.build import Which
from sync.commands import base
from sync.results.sweep import Sweep

_EXAMPLES = """examples:
  python -m sync answers quickstart                              the clusters that carry most within the SLO
  python -m sync answers quickstart --rate 16                    the cheapest and least-power clusters for 16 requests/s
  python -m sync answers quickstart --slo my_slo.yaml            judged by the limits in a file
  python -m sync answers isocost --where workload=conv --format json
  python -m sync answers isocost --format markdown > isocost.md  for a document
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
    outcomes = sweep.where(**dict(arguments.where)) if arguments.where else list(sweep.outcomes.values())
    found = answers(outcomes, sweep.slo, arguments.rate)
    if arguments.format == "json":
        print(answers_json(sweep, found))
    elif arguments.format == "markdown":
        print(answers_markdown(sweep, found))
    else:
        _print(sweep, found)
    return 0


def answers_json(sweep: Sweep, found: SweepAnswers) -> str:
    """The answers as JSON, for programs."""
    workloads = [
        {
            **_values(workload),
            "sentence": sentence(workload),
            "normalised": {which: normalised(workload, which) for which in get_args(Which)},
        }
        for workload in found.workloads
    ]
    left = {"left_out": sweep.left_out, "superseded": sweep.superseded}
    values = {**_values(found), **left, "sweep": sweep.name, "sentences": sentences(found), "workloads": workloads}
    return json.dumps(values, indent=1, allow_nan=False, default=_values)


def _values(answer: Any) -> dict[str, Any]:
    """The fields of an answer by name; of a configuration also its rates and seeds."""
    if not is_dataclass(answer):
        raise TypeError(f"no part of an answer: {answer!r}")
    beside = {"rates": answer.rates, "seeds": answer.seeds} if isinstance(answer, Configuration) else {}
    return {field.name: getattr(answer, field.name) for field in fields(answer)} | beside


def answers_markdown(sweep: Sweep, found: SweepAnswers) -> str:
    """The answers as Markdown, for a document."""
    parts = []
    for workload in found.workloads:
        parts += [f"> {sentence(workload)}", *(table.markdown() for table in tables(workload))]
    return "\n\n".join([*parts, *_last_lines(sweep, found)])


def _print(sweep: Sweep, found: SweepAnswers) -> None:
    screen = console()
    for workload in found.workloads:
        say(screen, f"{workload.workload}: {sentence(workload)}")
        for table in tables(workload):
            screen.print()
            say(screen, table.title, style="bold")
            base.print_table(screen, table, more="--format markdown")
    for line in _last_lines(sweep, found):
        say(screen, line)


def _last_lines(sweep: Sweep, found: SweepAnswers) -> list[str]:
    return [f"SLO: {found.slo.told()}; and every request served. {OF_A_LIMIT}", counts(found), *base.left_out(sweep)]
