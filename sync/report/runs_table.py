"""The table of all runs: columns that fit a narrow page, and the other figures folded below each run's name.
Repetitions are one row, of means with their intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from configs.figure import figure
from sync.analysis.answers.words import share_text
from sync.analysis.repeated import interval_text
from sync.analysis.standing import together
from sync.report.data import RunRow, all_within, best_first, figure_interval, mean_figure, repetitions_of
from sync.report.limits import amount, limit_text, share_interval, tightest
from sync.results.metrics import METRICS, PERCENTILES, SLOWDOWN_PERCENTILES
from sync.results.point_id import rate_text
from sync.results.slo import Slo
from sync.results.verdict import Verdict

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
    """A row of the table, a run or repetitions: texts, whether these are within the SLO, and whether they left requests
    unserved. `more` are the figures that have no column, by what they are; `runs` counts the runs of the row."""

    name: str
    verdict: str
    within: bool
    limit: str
    figures: tuple[str, ...]
    not_served: str
    left_unserved: bool
    more: tuple[tuple[str, str], ...]
    runs: int = 1


def run_lines(runs: Sequence[RunRow], slo: Slo) -> list[RunLine]:
    """The rows, the best design first; at most `MOST_ROWS`."""
    return [_line(members, slo) for members in repetitions_of(best_first(runs))[:MOST_ROWS]]


def _line(runs: Sequence[RunRow], slo: Slo) -> RunLine:
    counts = [run.figures[name] for run in runs for name in _UNSERVED if name in run.figures]
    return RunLine(
        name=_name(runs),
        verdict=_verdict_text(runs),
        within=all_within(runs),
        limit=tightest_text(runs, slo),
        figures=tuple(_figure_text(runs, name) for name in COLUMNS.values()),
        not_served=f"{sum(counts):,.0f}" if counts else "-",
        left_unserved=sum(counts) > 0,
        more=tuple(_more(runs)),
        runs=len(runs),
    )


def _name(runs: Sequence[RunRow]) -> str:
    """The run's name; of repetitions the part that they have in common."""
    standing = runs[0].standing
    if len(runs) == 1:
        return runs[0].name
    return standing.design if standing.rate is None else f"{standing.design} {rate_text(standing.rate)} rps"


def _verdict_text(runs: Sequence[RunRow]) -> str:
    """The verdict; of repetitions how they are judged together."""
    verdicts = [(run.standing.seed, Verdict(run.standing.within, run.standing.verdict)) for run in runs]
    judgement = runs[0].judgement if len(runs) > 1 else None
    return replace(together(verdicts, runs[0].standing.rate), judgement=judgement).text


def _figure_text(runs: Sequence[RunRow], name: str) -> str:
    """A figure; of repetitions its mean with its interval, unless all have the same."""
    if len({run.figure(name) for run in runs}) == 1:
        return figure(runs[0].figures.get(name))
    return interval_text(figure_interval(runs, name))


def tightest_text(runs: Sequence[RunRow], slo: Slo) -> str:
    """`TTFT p99: 4.41× of 6× (74%)`: the limit of which the runs take the largest share in the mean, with the interval
    of the share where there are several; `-` where none is known."""
    if (found := tightest(runs, slo)) is None:
        return "-"
    limit, taken = found
    interval = share_interval(runs, limit)
    share = share_text(taken)
    if interval is not None and interval.low is not None and interval.high is not None:
        share += f" [{interval.low:.0%}, {interval.high:.0%}]"
    return f"{limit.told()}: {amount(taken * limit.largest, limit)} of {limit_text(limit)} ({share})"


def _more(runs: Sequence[RunRow]) -> list[tuple[str, str]]:
    """What the columns leave out, where it is known; of repetitions also each run with its verdict."""
    lines = [("key", run.key) for run in runs[:1]]
    if len(runs) > 1:
        lines = [(f"seed {run.standing.seed}", f"{run.standing.verdict} {run.key}".rstrip()) for run in runs]
    for metric in METRICS:
        for head, end, percentiles in (("(s)", "s", PERCENTILES), ("slowdown (×)", "slowdown", SLOWDOWN_PERCENTILES)):
            known = [p for p in percentiles if all(f"{metric}/{p}_{end}" in run.figures for run in runs)]
            texts = [f"{p} {_figure_text(runs, f'{metric}/{p}_{end}')}" for p in known]
            lines.append((f"{metric.upper()} {head}", ", ".join(texts)))
    lines += [
        (head, f"{mean_figure(runs, name):.0%}")
        for head, name in _SHARES.items()
        if all(name in run.figures for run in runs)
    ]
    if all("energy/joules_per_request" in run.figures for run in runs):
        estimated = mean_figure(runs, "energy/estimated_share")
        text = figure(mean_figure(runs, "energy/joules_per_request"))
        lines.append(("GPU energy (J/request)", text + (f", {estimated:.0%} by estimated power" if estimated else "")))
        lines.append(("GPUs' mean power (kW)", figure(mean_figure(runs, "energy/mean_watts") / 1000.0)))
    if "power/weight" in runs[0].figures:
        lines.append(("power (weights)", figure(runs[0].figures["power/weight"])))
    lines += [
        (f"{name.removeprefix('run/')} (requests)", f"{sum(run.figures.get(name, 0.0) for run in runs):,.0f}")
        for name in _UNSERVED
        if any(name in run.figures for run in runs)
    ]
    return [(head, text) for head, text in lines if text]
