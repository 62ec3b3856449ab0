"""`answers`: what a sweep says to a planner, in words, tables or JSON."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sync.analysis.answers import (
    Configuration,
    SweepAnswers,
    SystemAnswer,
    WorkloadAnswer,
    answers,
    normalised,
    sentence,
    sentences,
    shown,
)
from sync.analysis.answers.build import Which
from sync.commands.base import (
    Subparsers,
    add_command,
    add_name,
    add_rate,
    add_reading,
    add_slo,
    add_where,
    conditions,
    left_out,
    rate_of,
    read_sweep,
)
from sync.commands.console import output_console
from sync.report.words import front, highest, least
from sync.results.point_id import rate_text
from sync.results.sweep import Sweep

_EXAMPLES = """examples:
  python -m sync answers quickstart                              who carries most within the SLO, and who costs least
  python -m sync answers quickstart --rate 16                    the cheapest and least-power clusters for 16 requests/s
  python -m sync answers quickstart --slo my_slo.yaml            by other limits than the experiment's or the paper's
  python -m sync answers isocost --where workload=conv --format json
  python -m sync answers isocost --format markdown > isocost.md  for a document
A file of limits, any part of which may be left out:
  slowdown: {ttft: {p50: 2, p90: 3, p99: 6}, tbt: {p50: 1.25}}   times as long as the request alone on a DGX-A100
  seconds: {ttft: {p99: 1.0}, e2e: {p95: 20}}
"""
_MOST_ON_FRONT = 12
_TITLES: dict[Which, str] = {"highest": "the most", "cheapest": "the cheapest", "least_power": "the least power"}


def add_parser(subparsers: Subparsers) -> None:
    """See `_run`."""
    told = (
        "what a sweep answers: the highest rate within the SLO, the cheapest and least-power clusters, the Pareto front"
    )
    parser = add_command(subparsers, "answers", _run, told, _EXAMPLES)
    add_name(parser)
    add_slo(parser)
    add_rate(parser)
    parser.add_argument("--format", choices=("table", "json", "markdown"), default="table", help="default: %(default)s")
    add_where(parser)
    add_reading(parser)


def _run(arguments: argparse.Namespace) -> int:
    rate = rate_of(arguments.rate)
    sweep = read_sweep(arguments)
    chosen = sweep.where(**conditions(arguments.where)) if arguments.where else list(sweep.outcomes.values())
    told = answers(chosen, sweep.slo, rate)
    if arguments.format == "json":
        print(answers_json(sweep, told))
        return 0
    if arguments.format == "markdown":
        print(answers_markdown(sweep, told))
        return 0
    console = output_console()
    for of in told.workloads:
        _print(of, console)
    console.print(f"SLO: {sweep.slo.told()}; and every request served", soft_wrap=True)
    console.print(f"{told.runs} runs, {told.stopped} stopped as unstable, {told.failed} failed")
    for line in left_out(sweep):
        console.print(line, soft_wrap=True)
    return 0


def answers_json(sweep: Sweep, told: SweepAnswers) -> str:
    """The answers as JSON, for programs."""
    workloads = []
    for of in told.workloads:
        tables = {which: normalised(of, which) for which in _TITLES}
        workloads.append({**_values(of), "sentence": sentence(of), "normalised": tables})
    counts = {"left_out": sweep.left_out, "superseded": sweep.superseded}
    values = {**_values(told), **counts, "sweep": sweep.name, "sentences": sentences(told), "workloads": workloads}
    return json.dumps(values, indent=1, allow_nan=False, default=_values)


def _values(answer: Any) -> dict[str, Any]:
    """The fields of an answer by name; of a configuration also what follows from its runs."""
    if not is_dataclass(answer):
        raise TypeError(f"no part of an answer: {answer!r}")
    beside = {"rates": answer.rates, "seeds": answer.seeds} if isinstance(answer, Configuration) else {}
    return {field.name: getattr(answer, field.name) for field in fields(answer)} | beside


def answers_markdown(sweep: Sweep, told: SweepAnswers) -> str:
    """The answers as Markdown, for a document: the tables of the report."""
    parts = []
    for of in told.workloads:
        tables = [table for table in (highest(of), least(of)) if table is not None]
        parts += [f"> {sentence(of)}", *(f"{table.title}\n\n{table.markdown()}" for table in tables), front(of)]
    runs = f"{told.runs:,} runs, {told.stopped:,} stopped as unstable, {told.failed:,} failed."
    parts += [f"SLO: {told.slo.told()}; and every request served. {runs}", *left_out(sweep)]
    return "\n\n".join(filter(None, parts))


def _print(of: WorkloadAnswer, console: Console) -> None:
    console.print(f"{of.workload}: {sentence(of)}", markup=False, soft_wrap=True)
    reference = shown(of.reference or "")
    _show(console, f"Highest rate within the SLO (times: of {reference}'s)", _highest(of))
    choice = any(answer.configurations > 1 for answer in of.systems)
    if choice and of.rate is not None and any(answer.cheapest for answer in of.systems):
        title = f"Cheapest and of least power that carry {rate_text(of.rate)} requests/s (times: of {reference}'s)"
        _show(console, title, _least(of))
    if len(of.front) > 1:
        _show(console, "Pareto front: no other costs less, draws less and carries more", _front(of.front))


def _show(console: Console, title: str, table: Table) -> None:
    console.print(title, style="bold", markup=False, soft_wrap=True)
    console.print(table)


def _table(*columns: str) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, column in enumerate(columns):
        table.add_column(
            column, justify="left" if number < 1 or column in ("then", "cluster") else "right", overflow="fold"
        )
    return table


def _highest(of: WorkloadAnswer) -> Table:
    columns = (
        "cluster",
        "requests/s",
        "times",
        "seeds",
        "$/h",
        "times",
        "power",
        "times",
        "requests/$",
        "requests/kWh",
        "then",
    )
    table = _table(*columns)
    rows = {row.system: row for row in normalised(of)}
    for answer in sorted(of.systems, key=_most_first):
        one = answer.highest
        if one is None:
            table.add_row(
                escape(f"{answer.system}: none of {answer.configurations}"),
                *["-"] * 9,
                _first_misses(of, answer.system),
            )
            continue
        row = rows[answer.system]
        rate = "yes" if one.carries is None else rate_text(one.carries)
        figures = (
            rate,
            _times(row.rate),
            f"{one.seeds}",
            f"{one.cost:.2f}",
            _times(row.cost),
            f"{one.power:g}",
            _times(row.power),
        )
        per = (_whole(one.requests_per_dollar), _whole(one.requests_per_kwh))
        table.add_row(escape(one.name), *figures, *per, escape(_then(one)))
    return table


def _most_first(answer: SystemAnswer) -> tuple[bool, float, float]:
    one = answer.highest
    return (True, 0.0, 0.0) if one is None else (False, -(one.carries or 0.0), one.cost)


def _least(of: WorkloadAnswer) -> Table:
    table = _table("cheapest", "$/h", "times", "power", "cluster", "power", "times", "$/h")
    table.columns[4].header = "of least power"
    costs = {row.system: row.cost for row in normalised(of, "cheapest")}
    powers = {row.system: row.power for row in normalised(of, "least_power")}
    for answer in of.systems:
        cheap, least = answer.cheapest, answer.least_power
        if cheap is None or least is None:
            table.add_row(escape(f"{answer.system}: none"), *["-"] * 7)
            continue
        left = (escape(cheap.name), f"{cheap.cost:.2f}", _times(costs[answer.system]), f"{cheap.power:g}")
        table.add_row(*left, escape(least.name), f"{least.power:g}", _times(powers[answer.system]), f"{least.cost:.2f}")
    return table


def _front(front: Sequence[Configuration]) -> Table:
    table = _table("cluster", "$/h", "power", "requests/s")
    for one in front[:_MOST_ON_FRONT]:
        rate = "yes" if one.carries is None else rate_text(one.carries)
        table.add_row(escape(one.name), f"{one.cost:.2f}", f"{one.power:g}", rate)
    if len(front) > _MOST_ON_FRONT:
        table.add_row(f"and {len(front) - _MOST_ON_FRONT} more (--format json has them)")
    return table


def _first_misses(of: WorkloadAnswer, system: str) -> str:
    """Why a system carries nothing: what is wrong with its largest configuration."""
    members = [one for one in of.configurations if one.system == system]
    largest = max(members, key=lambda one: (one.cost, one.machine_count))
    return escape(_then(largest) if len(members) == 1 else f"{largest.name} at {_then(largest)}")


def _then(one: Configuration) -> str:
    then = one.then
    if then is None:
        return "no higher rate was run" if one.rates else ""
    text = then.why if then.rate is None else f"{rate_text(then.rate)}: {then.why}"
    return text + (f"; within again at {', '.join(rate_text(r) for r in one.above)}, not counted" if one.above else "")


def _times(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _whole(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"
