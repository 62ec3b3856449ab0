"""Tables of what a trace asks of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from traces.statistics import SHARES, sparkline
from traces.time_unit import NAMES

Facts = Mapping[str, Any]  # the result of traces.statistics.describe
BAR = 12  # characters; all tables fit into 80


def tables(facts: Facts) -> Iterator[Table]:
    """All tables, the most general first."""
    yield overview(facts)
    yield sizes(facts)
    if facts["peaks"]:
        yield peaks(facts)
    if facts["over_time"]:
        yield over_time(facts)
    if facts["burstiness"]["windows"]:
        yield burstiness(facts)
    if facts["applications"] > 1:
        yield applications(facts)


def overview(facts: Facts) -> Table:
    """Counts, times, rates, unevenness and correlation."""
    table = _table("", facts["name"], title="Trace")
    table.add_row("requests", f"{facts['requests']:,}")
    if unit := facts.get("time_unit"):
        table.add_row("time unit", NAMES[unit["unit"]])
    table.add_row("applications", f"{facts['applications']:,}")
    if facts["times_count_from_s"]:  # such as 1,700,000,000: times since 1970 are counted from there
        table.add_row("times count from (s)", f"{facts['times_count_from_s']:,.0f}")
    table.add_row("first arrival (s)", f"{facts['first_arrival_s']:,.3f}")
    table.add_row("last arrival (s)", f"{facts['last_arrival_s']:,.3f}")
    for label, key in (
        ("requests per second", "requests_per_s"),
        ("tokens in per second", "tokens_in_per_s"),
        ("tokens out per second", "tokens_out_per_s"),
    ):
        table.add_row(label, _number(facts[key]))
    table.add_row("gaps: sd / mean (Poisson: 1)", _number(facts["burstiness"]["gap_cv"]))
    correlation = facts["correlation_of_prompt_and_output"]
    table.add_row("prompt with output: correlation", _number(correlation["pearson"]))
    table.add_row("prompt with output: rank correlation", _number(correlation["spearman"]))
    if facts["largest_batch_size"] > 1:
        table.add_row("largest batch_size", f"{facts['largest_batch_size']:,}")
    table.add_row("contents (SHA-256)", facts["sha256"][:16])
    return table


def sizes(facts: Facts) -> Table:
    """Quantiles of prompt and output, in tokens."""
    table = _table("tokens", "total", "mean", "min", *SHARES, "max", title="Sizes")
    for name in ("prompt", "output"):
        table.add_row(name, *_size_cells(facts[f"{name}_tokens"]))
    return table


def peaks(facts: Facts) -> Table:
    """The mean load beside the peaks within a second, ten seconds, a minute."""
    columns = [f"in {window['window_s']:g} s" for window in facts["peaks"]]
    table = _table("per second", "mean", *columns, title="Mean and peak load")
    for label, key in (("requests", "requests"), ("tokens in", "tokens_in"), ("tokens out", "tokens_out")):
        values = [facts[f"{key}_per_s"], *(window[f"{key}_per_s"] for window in facts["peaks"])]
        table.add_row(label, *map(_number, values))
    return table


def over_time(facts: Facts) -> Table:
    """The rates of each interval of time."""
    rows = facts["over_time"]
    top = max((row["requests_per_s"] or 0.0 for row in rows), default=0.0)
    line = sparkline([row["requests_per_s"] for row in rows])
    table = _table("from (s)", "requests", "per second", "tokens in/s", "tokens out/s", "", title=f"Over time  {line}")
    table.columns[0].justify, table.columns[-1].justify = "right", "left"
    for row in rows:
        rates = (row["requests_per_s"], row["tokens_in_per_s"], row["tokens_out_per_s"])
        bar = "█" * round((row["requests_per_s"] or 0.0) / top * BAR) if top else ""
        table.add_row(f"{row['from_s']:,.1f}", f"{row['requests']:,}", *map(_number, rates), bar)
    return table


def burstiness(facts: Facts) -> Table:
    """How unevenly requests come, in windows of several lengths."""
    windows = facts["burstiness"]["windows"]
    columns = [f"{window['window_s']:g} s" for window in windows]
    table = _table("requests in windows of", *columns, title="Burstiness")
    table.add_row("variance / mean (Poisson: 1)", *(_number(window["dispersion"]) for window in windows))
    table.add_row("most / mean", *(_number(window["peak_to_mean"]) for window in windows))
    return table


def applications(facts: Facts) -> Table:
    """One line for each application."""
    columns = ("requests", "per s", "in/s", "out/s", "prompt", "p99", "output", "p99")
    table = _table("id", *columns, title="Applications: tokens in and out per second, mean sizes")
    for application in facts["by_application"]:
        rates = [_number(application[f"{key}_per_s"]) for key in ("requests", "tokens_in", "tokens_out")]
        cells = []
        for size in (application["prompt_tokens"], application["output_tokens"]):
            cells += [f"{size['mean']:,.1f}", f"{size['p99']:,}"]
        table.add_row(str(application["application_id"]), f"{application['requests']:,}", *rates, *cells)
    return table


def _table(first: str, *others: str, title: str) -> Table:
    table = Table(first, title=title)
    for name in others:
        table.add_column(name, justify="right")
    return table


def _size_cells(facts: Facts) -> list[str]:
    quantiles = [f"{facts[name]:,}" for name in SHARES]
    return [f"{facts['total']:,}", f"{facts['mean']:,.1f}", f"{facts['min']:,}", *quantiles, f"{facts['max']:,}"]


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.2f}" if value < 10_000 else f"{value:,.0f}"
