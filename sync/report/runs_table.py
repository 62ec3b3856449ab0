"""The table of all runs: columns that fit a narrow page, and the other figures folded below each run's name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from configs.terminal import figure
from sync.analysis.answers.words import share_text
from sync.report.data import RunRow, best_first
from sync.report.limits import amount, limit_text, tightest
from sync.results.metrics import METRICS, PERCENTILES, SLOWDOWN_PERCENTILES
from sync.results.slo import Slo

MOST_ROWS = 2000  # browsers take long to lay out more
# By head of a column the figure in it.
COLUMNS: Mapping[str, str] = {
    **{f"{metric.upper()} p99 (s)": f"{metric}/p99_s" for metric in METRICS},
    "cost ($/h)": "cost/dollars_per_hour",
}
HEADS = ("run", "verdict", "tightest limit", *COLUMNS, "not served (requests)")
_UNSERVED = ("run/rejected", "run/unfinished")
_SHARES = {"utilisation": "utilisation/mean", "memory peak": "memory/peak_fraction"}


@dataclass(frozen=True)
class RunLine:
    """A row of the table: texts, and whether the run is within the SLO and left requests unserved. `more` are the
    figures that have no column, by what they are."""

    name: str
    verdict: str
    within: bool
    limit: str
    figures: tuple[str, ...]
    not_served: str
    left_unserved: bool
    more: tuple[tuple[str, str], ...]


def run_lines(runs: Sequence[RunRow], slo: Slo) -> list[RunLine]:
    """The rows, the best design first; at most `MOST_ROWS`."""
    return [_line(run, slo) for run in best_first(runs)[:MOST_ROWS]]


def _line(run: RunRow, slo: Slo) -> RunLine:
    counts = [run.figures[name] for name in _UNSERVED if name in run.figures]
    return RunLine(
        name=run.name,
        verdict=run.standing.verdict,
        within=run.standing.within,
        limit=tightest_text(run, slo),
        figures=tuple(figure(run.figures.get(name)) for name in COLUMNS.values()),
        not_served=f"{sum(counts):,.0f}" if counts else "-",
        left_unserved=sum(counts) > 0,
        more=tuple(_more(run)),
    )


def tightest_text(run: RunRow, slo: Slo) -> str:
    """`TTFT p99: 4.41× of 6× (74%)`: the limit of which the run takes the largest share; `-` where none is known."""
    if (found := tightest([run], slo)) is None:
        return "-"
    limit, taken = found
    return f"{limit.told()}: {amount(taken * limit.largest, limit)} of {limit_text(limit)} ({share_text(taken)})"


def _more(run: RunRow) -> list[tuple[str, str]]:
    """What the columns leave out, where it is known."""
    lines = [("key", run.key)]
    for metric in METRICS:
        for head, end, percentiles in (("(s)", "s", PERCENTILES), ("slowdown (×)", "slowdown", SLOWDOWN_PERCENTILES)):
            known = [(p, run.figures[name]) for p in percentiles if (name := f"{metric}/{p}_{end}") in run.figures]
            lines.append((f"{metric.upper()} {head}", ", ".join(f"{p} {figure(value)}" for p, value in known)))
    lines += [(head, f"{run.figures[name]:.0%}") for head, name in _SHARES.items() if name in run.figures]
    if "power/weight" in run.figures:
        lines.append(("power (weights)", figure(run.figures["power/weight"])))
    lines += [
        (f"{name.removeprefix('run/')} (requests)", f"{run.figures[name]:,.0f}")
        for name in _UNSERVED
        if name in run.figures
    ]
    return [(head, text) for head, text in lines if text]
