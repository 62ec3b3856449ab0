"""Throughput against latency of closed loops: a line for each design, a point for each concurrency."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean

from sync.report.base import Missing, Plot
from sync.report.data import ReportData, Run
from sync.report.style import MOST_DESIGNS, Style, label_outer, legend_below, panels_of, varied
from sync.results.grouping import grouped
from sync.results.metrics import METRICS

TITLE = "Throughput against latency"
_SERVED = "throughput/output_tokens_per_s"
_MOST_NAMED = 6  # lines whose points are labelled with their concurrency


def throughput(data: ReportData) -> Sequence[Plot | Missing]:
    """One figure with a panel for each metric; none for a sweep without closed loops."""
    runs = [run for run in data.runs if run.outcome.concurrency is not None]
    if not runs:
        return []
    measured = [run for run in runs if math.isfinite(run.figure(_SERVED))]
    lines = _lines(measured)
    if not lines:
        return [Missing(TITLE, "no run with a concurrency has completed requests")]
    looks = _looks(data, lines)
    figure, panels = panels_of(len(METRICS))
    for panel, metric in zip(panels, METRICS, strict=True):
        for number, (label, by_concurrency) in enumerate(list(lines.items())[:MOST_DESIGNS]):
            points = [
                (_mean(members, _SERVED), _mean(members, f"{metric}/p50_s"), concurrency)
                for concurrency, members in by_concurrency.items()
            ]
            points = [point for point in points if math.isfinite(point[1])]
            panel.plot([x for x, _, _ in points], [y for _, y, _ in points], label=label, **looks[label].line)
            for x, y, concurrency in points if number < _MOST_NAMED else ():
                panel.annotate(f"{concurrency}", (x, y), xytext=(2, 2), textcoords="offset points", fontsize=6)
        panel.set_title(f"{metric.upper()} p50 (s)", pad=3)
        panel.set_ylim(bottom=0)
        panel.set_xlim(left=0)
    label_outer(panels, "output tokens per second")
    legend_below(figure, *panels)
    left = len(lines) - MOST_DESIGNS
    more = f" {left} designs more are left out." if left > 0 else ""
    text = "Each point is a concurrency, which stands beside it; medians of the measured requests, means over seeds."
    return [Plot("throughput", TITLE, figure, text + more)]


def _mean(members: Sequence[Run], name: str) -> float:
    return fmean(run.figure(name) for run in members)


def _lines(runs: Sequence[Run]) -> dict[str, Mapping[int, Sequence[Run]]]:
    """By label, the runs of a design at each concurrency, ascending. Runs of one line are equal in all axes but the
    seed and those that go with the concurrency."""
    aside = {"seed", *_axes_of_concurrency(runs)}

    def rest(run: Run) -> tuple[object, ...]:
        others = tuple((axis, repr(value)) for axis, value in run.outcome.axes.items() if axis not in aside)
        return run.outcome.design, run.outcome.trace, others

    lines: dict[str, Mapping[int, Sequence[Run]]] = {}
    for members in grouped(runs, rest):
        outcome = members[0].outcome
        label = outcome.design if outcome.design not in lines else f"{outcome.design} {outcome.workload}"
        at = {same[0].outcome.concurrency or 0: same for same in grouped(members, lambda run: run.outcome.concurrency)}
        lines[label] = dict(sorted(at.items()))
    return lines


def _axes_of_concurrency(runs: Sequence[Run]) -> list[str]:
    """The axes that set the concurrency: each has one value for each, and another for another."""
    found = []
    for axis in dict.fromkeys(axis for run in runs for axis in run.outcome.axes):
        pairs = {(repr(run.outcome.axes.get(axis)), run.outcome.concurrency) for run in runs}
        values, concurrencies = ({pair[place] for pair in pairs} for place in (0, 1))
        if len(values) == len(concurrencies) == len(pairs) > 1:
            found.append(axis)
    return found


def _looks(data: ReportData, lines: Mapping[str, Mapping[int, Sequence[Run]]]) -> dict[str, Style]:
    """The look of a system for its first design, others for the rest."""
    free = iter(varied(data.look.values()))
    seen: set[str] = set()
    looks: dict[str, Style] = {}
    for label, by_concurrency in lines.items():
        system = next(iter(by_concurrency.values()))[0].outcome.system
        looks[label] = next(free) if system in seen else data.look[system]
        seen.add(system)
    return looks
