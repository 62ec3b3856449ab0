"""What the figures are drawn from: the runs of one sweep, and per design the best it does within the SLO."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sim_core.slo import SLO_LIMITS
from sync.base import Outcome
from sync.load import Sweep
from sync.parquet import read_derived
from sync.report.base import METRICS, PERCENTILES, Missing
from sync.series import Derived
from sync.verdict import design

if TYPE_CHECKING:
    import pandas as pd

    from sync.report.iterations import Iterations

Limits = Mapping[str, Mapping[str, float]]


@dataclass(frozen=True)
class Run:
    """One run. `design` is its name without the rate, `load` its workload's, `within` whether it holds the SLO."""

    outcome: Outcome
    design: str
    load: str
    within: bool

    @property
    def system(self) -> str:
        """The experiment's name for the kind of cluster."""
        return self.outcome.system

    @property
    def rate(self) -> float | None:
        """Requests a second; None where the workload has no rate."""
        return self.outcome.rate

    def slowdown(self, metric: str, percentile: str) -> float:
        """Against the same request alone; NaN where it was not measured."""
        return self.outcome.summary.get(f"{metric}/{percentile}_slowdown", math.nan)


@dataclass(frozen=True)
class Champion:
    """The best design of a system under one load: the highest rate up to which all runs hold the SLO (`best`, None
    where not even the lowest does), and of equals the cheapest. `runs` are its runs by rate."""

    system: str
    load: str
    design: str
    best: float | None
    cost: float
    power: float
    runs: Mapping[float, Run]


@dataclass(frozen=True)
class ReportData:
    """All that the report is made of. `iterations` is what one run did, iteration by iteration, or why not."""

    name: str
    runs: tuple[Run, ...]
    limits: Limits
    requests_of: Callable[[str], pd.DataFrame | None]
    derived_of: Callable[[str], Derived]
    champions: tuple[Champion, ...] = ()
    iterations: Iterations | str = "no run was made again"

    @cached_property
    def loads(self) -> tuple[str, ...]:
        """The workloads, in the order of the points."""
        return tuple(dict.fromkeys(run.load for run in self.runs))

    @cached_property
    def systems(self) -> tuple[str, ...]:
        """The systems, in the order of the points."""
        return tuple(dict.fromkeys(run.system for run in self.runs))


def within(outcome: Outcome, limits: Limits = SLO_LIMITS) -> bool:
    """Whether every request was served and all slowdowns are within their limits."""
    summary = outcome.summary
    missed = any(summary.get(f"run/{what}", 0.0) for what in ("rejected", "unfinished"))
    return (
        outcome.status == "completed"
        and not missed
        and all(
            summary.get(f"{metric}/{percentile}_slowdown", math.inf) <= limits[metric][percentile]
            for metric in METRICS
            for percentile in PERCENTILES
        )
    )


def load_of(outcome: Outcome) -> str:
    """The workload's name, whatever the rate."""
    if isinstance(workload := outcome.axes.get("workload"), str):
        return workload
    if outcome.rate is None:
        return outcome.trace
    return outcome.trace.replace(f"_{outcome.rate:g}", "", 1).replace(f"@{outcome.rate:g}", "", 1)


def label(design_name: str, load: str) -> str:
    """The design without the load that the figure is of anyway."""
    return " ".join(word for word in design_name.split() if word != load)


def report_data(sweep: Sweep, limits: Limits = SLO_LIMITS) -> ReportData:
    """The data of a sweep that was read back."""
    runs = tuple(
        Run(outcome, design(outcome), load_of(outcome), within(outcome, limits))
        for outcome in sorted(sweep.outcomes.values(), key=lambda outcome: (outcome.index, outcome.name))
    )

    def requests_of(key: str) -> pd.DataFrame | None:
        return sweep.requests(key) if sweep.source.requests_file(key) is not None else None

    def derived_of(key: str) -> Derived:
        file = sweep.source.requests_file(key)
        return Derived() if file is None else read_derived(file.read_bytes())

    return ReportData(sweep.name, runs, limits, requests_of, derived_of, champions(runs))


def champions(runs: Iterable[Run]) -> tuple[Champion, ...]:
    """The best design of each system under each load, in the order of the runs."""
    designs: dict[tuple[str, str], dict[str, list[Run]]] = {}
    for run in runs:
        designs.setdefault((run.load, run.system), {}).setdefault(run.design, []).append(run)
    found = []
    for (load, system), members in designs.items():
        candidates = [_standing(system, load, name, of) for name, of in members.items()]
        found.append(min(candidates, key=lambda one: (-(one.best or 0.0), one.cost, one.design)))
    return tuple(found)


def _standing(system: str, load: str, name: str, runs: list[Run]) -> Champion:
    by_rate: dict[float, Run] = {}
    for run in runs:
        if run.rate is not None and (run.rate not in by_rate or not run.within):  # at one rate the worse one counts
            by_rate[run.rate] = run
    best = None
    for rate in sorted(by_rate):
        if not by_rate[rate].within:
            break
        best = rate
    first = runs[0].outcome
    return Champion(system, load, name, best, first.cost, first.power, dict(sorted(by_rate.items())))


def shown_rate(data: ReportData, load: str) -> float | None:
    """The rate at which runs are compared in detail: the highest that a design holds, else the lowest that there is."""
    held = [one.best for one in data.champions if one.load == load and one.best is not None]
    rates = [rate for one in data.champions if one.load == load for rate in one.runs]
    return max(held, default=min(rates, default=None))


def side_by_side(data: ReportData, load: str) -> tuple[str, list[Run], list[str]]:
    """Where the designs are compared: the words for it, the runs there (one a system) that have figures of requests,
    and the systems that have none."""
    rate = shown_rate(data, load)
    if rate is None:
        members = list({run.system: run for run in data.runs if run.load == load}.values())
        where = load
    else:
        members = [one.runs[rate] for one in data.champions if one.load == load and rate in one.runs]
        where = f"{load} at {rate:g} requests/s"
    served = [run for run in members if run.outcome.status == "completed"]
    present = {run.system for run in served}
    absent = [system for system in data.systems if system not in present]
    return where, served, absent


def detailed_run(data: ReportData) -> Run | None:
    """The run to look at in detail: of the design that carries most, at the highest rate that it holds."""
    best = max((one for one in data.champions if one.best is not None), key=lambda one: one.best or 0.0, default=None)
    if best is not None and best.best is not None:
        return best.runs[best.best]
    served = [run for run in data.runs if run.outcome.status == "completed"]
    return next((run for run in served if run.within), served[0] if served else None)


def no_runs(data: ReportData, title: str) -> list[Missing]:
    """For a sweep that has nothing to draw."""
    return [] if data.runs else [Missing(title, "the sweep has no finished runs")]
