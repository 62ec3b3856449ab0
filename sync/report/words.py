"""The answer in words and as a table: what each design carries within the SLO, and what that costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sync.report.bars import baseline
from sync.report.data import Champion, Limits, ReportData, Run, label
from sync.verdict import WITHIN, verdict

_ALIKE = 1.05  # costs (or powers) this close, largest to smallest, count as equal: machines come in whole numbers


@dataclass(frozen=True)
class Row:
    """A line of the table. `times` is the rate in those of the baseline's (None: it holds none), `then` is what is
    wrong at the next rate that was run."""

    champion: Champion
    times: float | None
    then: str


def answer(data: ReportData, load: str) -> str:
    """Which design carries most within the SLO under a load, on what terms, in one or two sentences."""
    members = [one for one in data.champions if one.load == load]
    rated = [one for one in members if one.runs]
    if not rated:
        held = [run.outcome.name for run in data.runs if run.load == load and run.within]
        return f"{load}: the points have no rates to compare; within the SLO: {', '.join(held) or 'none of them'}."
    good = [one for one in rated if one.best is not None]
    if not good:
        lowest = min(rate for one in rated for rate in one.runs)
        return f"{load}: no design is within the SLO, not even at {lowest:g} requests/s, the lowest rate that was run."
    best = max(good, key=lambda one: (one.best or 0.0, -one.cost, -one.power))
    others = [one for one in good if one.best == best.best and one is not best]
    as_well = f" (as {_list([one.system for one in others])})" if others else ""
    least = "at least " if best.best == max(best.runs) else ""
    told = f"{load}: within the SLO{_terms(rated)}, {label(best.design, load)} carries {least}{best.best:g} requests/s"
    return f"{told}{as_well}{_compared(best, rated)}.{_bounds(best)}"


def _terms(members: Sequence[Champion]) -> str:
    costs, powers = [one.cost for one in members], [one.power for one in members]
    if len(members) > 1 and min(costs) > 0 and max(costs) <= _ALIKE * min(costs):
        return f" at equal cost (${min(costs):,.0f} to ${max(costs):,.0f} an hour)"
    if len(members) > 1 and min(powers) > 0 and max(powers) <= _ALIKE * min(powers):
        return f" at equal power ({min(powers):,.0f} to {max(powers):,.0f} by the machines' weights)"
    return ""


def _compared(best: Champion, members: Sequence[Champion]) -> str:
    base = [one for one in members if one.system.startswith("baseline") and one is not best]
    parts = [
        f"{best.best / one.best:.2f} times {one.system} ({one.best:g})"
        if one.best and best.best
        else f"while {one.system} holds none of its rates"
        for one in sorted(base, key=lambda one: -(one.best or 0.0))
    ]
    return f", {_list(parts)}" if parts else ""


def _bounds(best: Champion) -> str:
    worse = [rate for rate in best.runs if best.best is not None and rate > best.best]
    if worse:
        return f" At {min(worse):g}, the next rate that was run, it is {_why(best.runs[min(worse)])}."
    return " No higher rate was run."


def _why(run: Run) -> str:
    return "outside the given SLO" if verdict(run.outcome) == WITHIN else verdict(run.outcome)


def table(data: ReportData, load: str) -> list[Row]:
    """The designs under a load, the highest rate first, at equal rates the cheapest."""
    members = [one for one in data.champions if one.load == load]
    if not members:
        return []
    base = baseline(members)
    rows = []
    for one in sorted(members, key=lambda one: (-(one.best or 0.0), one.cost, one.system)):
        worse = min((rate for rate, run in one.runs.items() if not run.within), default=None)
        then = "" if worse is None else f"{worse:g}/s: {_why(one.runs[worse])}"
        rows.append(Row(one, one.best / base.best if one.best and base.best else None, then))
    return rows


def counts(data: ReportData) -> str:
    """How many points there are, and what became of them and of their requests."""
    outcomes = [run.outcome for run in data.runs]
    by_status = [(sum(o.status == status for o in outcomes), words) for status, words in _STATES]
    told = [f"{count} {words}" for count, words in by_status if count]
    missed = {what: sum(o.summary.get(f"run/{what}", 0.0) for o in outcomes) for what in ("rejected", "unfinished")}
    unserved = [f"{count:,.0f} {what}" for what, count in missed.items() if count]
    line = f" Requests not served, over all runs: {_list(unserved)}." if unserved else " Every request was served."
    return f"{len(outcomes)} points: {', '.join(told) or 'none finished'}.{line if outcomes else ''}"


_STATES = (("completed", "completed"), ("stopped", "stopped as unstable"), ("failed", "failed"))


def limits_text(limits: Limits) -> str:
    """The SLO in one line."""
    return "; ".join(
        f"{metric.upper()} {', '.join(f'{name} {limit:g}×' for name, limit in of.items())}"
        for metric, of in limits.items()
    )


def _list(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""
