"""The answer as tables: what each design carries within the SLO, what that costs, and who carries a rate for least."""

from __future__ import annotations

from dataclasses import dataclass

from sync.analysis.answers import Configuration, WorkloadAnswer, normalised
from sync.report.data import ReportData
from sync.results.point_id import rate_text

_STATES = {"completed": "completed", "stopped": "stopped as unstable", "failed": "failed"}


@dataclass(frozen=True)
class Table:
    """A table of texts; the first and the last column are words."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def markdown(self) -> str:
        """The table in Markdown, without its title."""
        last = len(self.heads) - 1
        sides = tuple(":---" if number in (0, last) else "---:" for number in range(last + 1))
        lines = [self.heads, sides, *(tuple(cell.replace("|", "\\|") for cell in row) for row in self.rows)]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def highest(of: WorkloadAnswer) -> Table:
    """Per system the design that carries most, the highest rate first, in multiples of the reference's."""
    rows = sorted(normalised(of), key=lambda row: (-(row.configuration.carries or 0.0), row.configuration.cost))
    base = of.reference or "the first"
    cells: list[tuple[str, ...]] = [
        (
            row.configuration.design,
            _number(row.configuration.carries, "{:g}/s", "yes"),
            _number(row.rate, "{:.2f}×"),
            f"{row.configuration.seeds}",
            _number(row.configuration.tightest, "{:.0%}"),
            f"{row.configuration.cost:,.2f}",
            _number(row.cost, "{:.2f}×"),
            f"{row.configuration.power:,.1f}",
            _number(row.power, "{:.2f}×"),
            _number(row.configuration.requests_per_dollar, "{:,.0f}"),
            _number(row.configuration.requests_per_kwh, "{:,.0f}"),
            _then(row.configuration),
        )
        for row in rows
    ]
    none = [answer for answer in of.systems if answer.highest is None]
    cells += [(f"{a.system} (of {a.configurations})", "none", *["-"] * 9, _why(of, a.system)) for a in none]
    heads = (
        "design",
        "carries",
        "",
        "seeds",
        "of a limit",
        "$/h",
        "",
        "power",
        "",
        "requests/$",
        "requests/kWh",
        "then",
    )
    return Table(f"{of.workload}: the highest rate within the SLO, and multiples of {base}'s", *_known(heads, cells))


def _known(heads: tuple[str, ...], rows: list[tuple[str, ...]]) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Without the columns that nothing is known of."""
    kept = [n for n in range(len(heads)) if n in (0, len(heads) - 1) or any(row[n] != "-" for row in rows)]
    return tuple(heads[n] for n in kept), tuple(tuple(row[n] for n in kept) for row in rows)


def least(of: WorkloadAnswer) -> Table | None:
    """Per system the cheapest design that carries the rate asked for, and the one of least power; None: no choice."""
    rows = []
    for answer in of.systems:
        for what, one in (("costs least", answer.cheapest), ("draws least", answer.least_power)):
            if one is None or (what == "draws least" and one == answer.cheapest):
                continue
            both = " and draws least" if one == answer.cheapest == answer.least_power else ""
            machines = ", ".join(f"{count} {sku}" for sku, count in one.machines.items())
            rows.append((one.design, f"{one.cost:,.2f}", f"{one.power:,.1f}", f"{what}{both}: {machines}"))
    if of.rate is None or not rows or all(answer.configurations == 1 for answer in of.systems):
        return None
    heads = ("design", "$/h", "power", "which")
    return Table(f"{of.workload}: to carry {rate_text(of.rate)} requests/s within the SLO", heads, tuple(rows))


def front(of: WorkloadAnswer) -> str:
    """The Pareto front in one sentence; nothing where it is a single design."""
    if len(of.front) < 2:
        return ""
    told = "; ".join(f"{one.design} (${one.cost:,.2f}/h, power {one.power:,.1f}{_carried(one)})" for one in of.front)
    return f"{of.workload}: no other design costs less, draws less and carries more than each of these: {told}."


def counts(data: ReportData) -> str:
    """How many points there are, and what became of them and of their requests."""
    outcomes = [run.outcome for run in data.runs]
    found = {words: sum(o.status == status for o in outcomes) for status, words in _STATES.items()}
    told = ", ".join(f"{count:,} {words}" for words, count in found.items() if count) or "none finished"
    missed = {what: sum(o.summary.get(f"run/{what}", 0.0) for o in outcomes) for what in ("rejected", "unfinished")}
    unserved = " and ".join(f"{count:,.0f} {what}" for what, count in missed.items() if count)
    line = f" Requests not served, over all runs: {unserved}." if unserved else " Completed runs served every request."
    return f"{len(outcomes):,} points: {told}.{line if outcomes else ''}"


def _carried(one: Configuration) -> str:
    return "" if one.carries is None else f", {rate_text(one.carries)}/s"


def _then(one: Configuration) -> str:
    then = one.then
    if then is None:
        return "no higher rate was run" if one.carries is not None else "-"
    above = f" (but {', '.join(rate_text(rate) for rate in one.above)}/s is within)" if one.above else ""
    return f"{then.why}{above}" if then.rate is None else f"{rate_text(then.rate)}/s: {then.why}{above}"


def _why(of: WorkloadAnswer, system: str) -> str:
    """Of the largest design of a system that holds nothing."""
    members = [one for one in of.configurations if one.system == system]
    if not members:
        return "-"
    largest = max(members, key=lambda one: (one.cost, one.machine_count, one.name))
    return _then(largest) if len(members) == 1 else f"{largest.design} at {_then(largest)}"


def _number(value: float | None, form: str, none: str = "-") -> str:
    return none if value is None else form.format(value)
