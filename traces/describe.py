"""What a trace asks of a cluster, as tables for a person."""

from __future__ import annotations

from array import array
from math import ceil

from rich.table import Table

from sim_core.trace import Trace

SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


def quantile(ordered: list[int], share: float) -> int:
    """The smallest of the ascending values that at least this share (0 to 1] of them does not exceed."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def overview(trace: Trace) -> Table:
    """Counts, times, rates. Rates are over the span from the first arrival to the last."""
    span_s = trace.arrival_s[-1] - trace.arrival_s[0]
    table = Table("", trace.name, title="Trace")
    table.columns[1].justify = "right"
    table.add_row("requests", f"{len(trace):,}")
    table.add_row("applications", f"{len(set(trace.application_id)):,}")
    table.add_row("first arrival (s)", f"{trace.arrival_s[0]:,.3f}")
    table.add_row("last arrival (s)", f"{trace.arrival_s[-1]:,.3f}")
    for label, amount in (
        ("requests per second", len(trace)),
        ("tokens in per second", sum(trace.prompt_tokens)),
        ("tokens out per second", sum(trace.output_tokens)),
    ):
        table.add_row(label, _per_second(amount, len(trace), span_s))
    if (largest := max(trace.batch_size)) > 1:
        table.add_row("largest batch_size", f"{largest:,}")
    table.add_row("contents (SHA-256)", trace.digest()[:16])
    return table


def sizes(trace: Trace) -> Table:
    """Quantiles of prompt and output, in tokens."""
    table = Table("tokens", "total", "mean", "min", *SHARES, "max", title="Sizes")
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row("prompt", *_size_cells(trace.prompt_tokens))
    table.add_row("output", *_size_cells(trace.output_tokens))
    return table


def _size_cells(tokens: array[int]) -> list[str]:
    ordered = sorted(tokens)
    quantiles = [f"{quantile(ordered, share):,}" for share in SHARES.values()]
    mean = f"{sum(ordered) / len(ordered):,.1f}"
    return [f"{sum(ordered):,}", mean, f"{ordered[0]:,}", *quantiles, f"{ordered[-1]:,}"]


def _per_second(amount: float, requests: int, span_s: float) -> str:
    # n arrivals span n - 1 gaps.
    return f"{amount / requests * (requests - 1) / span_s:,.2f}" if span_s > 0 else "-"
