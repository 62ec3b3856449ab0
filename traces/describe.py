"""Tables of what a trace asks of a cluster."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from configs.figure import figure
from configs.terminal import Column
from traces.statistics import SHARES, sparkline
from traces.time_unit import NAMES

Facts = Mapping[str, Any]  # the result of traces.statistics.describe
BAR = 12  # characters


@dataclass(frozen=True)
class Table:
    """A table of texts: the first column has words, the others figures, but for those in `words`."""

    title: str
    heads: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    words: tuple[int, ...] = (0,)
    spare: tuple[int, ...] = ()  # columns that a narrow screen may leave out, the first to go first

    @property
    def columns(self) -> list[Column]:
        """The columns as a screen draws them."""
        ranks = {place: len(self.spare) - number for number, place in enumerate(self.spare)}
        return [
            Column(head, [row[place] for row in self.rows], place not in self.words, ranks.get(place, 0))
            for place, head in enumerate(self.heads)
        ]


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
    if facts["prefixes"]:
        yield prefixes(facts["prefixes"])
    if facts["applications"] > 1:
        yield applications(facts)


def overview(facts: Facts) -> Table:
    """Counts, times, rates, unevenness and correlation."""
    unit, start_s = facts.get("time_unit"), facts["times_count_from_s"]
    correlation = facts["correlation_of_prompt_and_output"]
    rows = [
        ("requests", f"{facts['requests']:,}"),
        ("time unit", NAMES[unit["unit"]] if unit else ""),
        ("applications", f"{facts['applications']:,}"),
        # such as 1,700,000,000: times since 1970 are counted from there
        ("times count from (s)", f"{start_s:,.0f}" if start_s else ""),
        ("first arrival (s)", f"{facts['first_arrival_s']:,.3f}"),
        ("last arrival (s)", f"{facts['last_arrival_s']:,.3f}"),
        ("requests per second", figure(facts["requests_per_s"])),
        ("tokens in per second", figure(facts["tokens_in_per_s"])),
        ("tokens out per second", figure(facts["tokens_out_per_s"])),
        ("clients, of whom each sends a request when its last one has ended", f"{facts.get('clients', '')}"),
        ("gaps: sd / mean (Poisson: 1)", figure(facts["burstiness"]["gap_cv"])),
        ("prompt with output: correlation", _two_places(correlation["pearson"])),
        ("prompt with output: rank correlation", _two_places(correlation["spearman"])),
        ("largest batch_size", f"{facts['largest_batch_size']:,}" if facts["largest_batch_size"] > 1 else ""),
        ("contents (SHA-256)", facts["sha256"][:16]),
    ]
    return Table("Trace", ("fact", str(facts["name"])), [row for row in rows if row[1]])


def sizes(facts: Facts) -> Table:
    """Quantiles of prompt and output, in tokens."""
    rows = [(name, *_size_cells(facts[f"{name}_tokens"])) for name in ("prompt", "output")]
    return Table("Sizes", ("tokens", "total", "mean", "min", *SHARES, "max"), rows, spare=(1, 6))


def peaks(facts: Facts) -> Table:
    """The mean load beside the peaks within a second, ten seconds, a minute."""
    columns = [f"in {window['window_s']:g} s" for window in facts["peaks"]]
    rows = []
    for label, key in (("requests", "requests"), ("tokens in", "tokens_in"), ("tokens out", "tokens_out")):
        values = [facts[f"{key}_per_s"], *(window[f"{key}_per_s"] for window in facts["peaks"])]
        rows.append((label, *map(figure, values)))
    return Table("Mean and peak load", ("per second", "mean", *columns), rows)


def over_time(facts: Facts) -> Table:
    """The rates of each interval of time."""
    intervals = facts["over_time"]
    top = max((row["requests_per_s"] or 0.0 for row in intervals), default=0.0)
    line = sparkline([row["requests_per_s"] for row in intervals])
    rows = []
    for row in intervals:
        rates = (row["requests_per_s"], row["tokens_in_per_s"], row["tokens_out_per_s"])
        bar = "█" * round((row["requests_per_s"] or 0.0) / top * BAR) if top else ""
        rows.append((f"{row['from_s']:,.1f}", f"{row['requests']:,}", *map(figure, rates), bar))
    heads = ("from (s)", "requests", "requests/s", "tokens in/s", "tokens out/s", "")
    return Table(f"Over time  {line}", heads, rows, words=(5,), spare=(5,))


def burstiness(facts: Facts) -> Table:
    """How unevenly requests come, in windows of several lengths."""
    windows = facts["burstiness"]["windows"]
    columns = [f"{window['window_s']:g} s" for window in windows]
    rows = [
        ("variance / mean (Poisson: 1)", *(figure(window["dispersion"]) for window in windows)),
        ("most / mean", *(figure(window["peak_to_mean"]) for window in windows)),
    ]
    return Table("Burstiness", ("requests in windows of", *columns), rows)


def prefixes(facts: Facts) -> Table:
    """What prompts have in common, and what that is worth at most."""
    block = facts["compared_in_blocks_of_tokens"]
    rows = [
        ("requests of which that is known", f"{facts['requests']:,}"),
        ("texts were compared", f"in blocks of {block:,} tokens" if block > 1 else "by tokens"),
        (f"requests that hit (blocks of {facts['cache_block_tokens']} tokens)", f"{facts['requests_that_hit']:,}"),
        ("tokens of prompts that are hit", f"{facts['bound_tokens']:,}"),
        ("share of all tokens of prompts", f"{facts['bound_rate']:.1%}"),
    ]
    return Table("Prefixes: the most that a cache can hit, with endless memory", ("fact", ""), rows)


def applications(facts: Facts) -> Table:
    """One line for each application."""
    heads = ("id", "requests", "requests/s", "tokens in/s", "tokens out/s", "prompt mean", "prompt p99", "output mean",
             "output p99")  # fmt: skip
    rows = []
    for application in facts["by_application"]:
        rates = [figure(application[f"{key}_per_s"]) for key in ("requests", "tokens_in", "tokens_out")]
        cells = []
        for size in (application["prompt_tokens"], application["output_tokens"]):
            cells += [f"{size['mean']:,.1f}", f"{size['p99']:,}"]
        rows.append((str(application["application_id"]), f"{application['requests']:,}", *rates, *cells))
    return Table("Applications: rates, and sizes in tokens", heads, rows, spare=(8, 6, 1))


def _size_cells(facts: Facts) -> list[str]:
    quantiles = [f"{facts[name]:,}" for name in SHARES]
    return [f"{facts['total']:,}", f"{facts['mean']:,.1f}", f"{facts['min']:,}", *quantiles, f"{facts['max']:,}"]


def _two_places(value: float | None) -> str:
    """A correlation; without the sign of a zero."""
    return "-" if value is None else f"{round(value, 2) + 0.0:.2f}"
