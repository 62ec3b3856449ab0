"""What the figures are drawn from: the runs of one sweep, and what they answer per design (`sync.analysis.answers`)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sync.analysis.answers import Configuration, SweepAnswers, WorkloadAnswer, answers
from sync.report.base import Missing
from sync.results.curves import Derived
from sync.results.grouping import grouped
from sync.results.outcome import Outcome
from sync.results.parquet import read_derived
from sync.results.point_id import rate_text
from sync.results.slo import Slo
from sync.results.statistics import mean
from sync.results.sweep import Sweep
from sync.results.verdict import Verdict, verdict

if TYPE_CHECKING:
    import pandas as pd

    from sync.report.iterations import Iterations


@dataclass(frozen=True)
class Run:
    """One run, as the SLO judges it."""

    outcome: Outcome
    judged: Verdict

    @property
    def system(self) -> str:
        """The experiment's name for the kind of cluster."""
        return self.outcome.system

    @property
    def design(self) -> str:
        """The cluster and how it is run."""
        return self.outcome.design

    @property
    def load(self) -> str:
        """The workload, whatever the rate."""
        return self.outcome.workload

    @property
    def rate(self) -> float | None:
        """Requests a second; None where the workload has no rate."""
        return self.outcome.rate

    @property
    def verdict(self) -> str:
        """Within the SLO, or why not."""
        return self.judged.text

    @property
    def within(self) -> bool:
        """Whether it holds the SLO."""
        return self.judged.within

    @property
    def served(self) -> bool:
        """Whether it was completed and served every request."""
        return self.outcome.status == "completed" and not self.outcome.unserved

    def figure(self, name: str) -> float:
        """Of the summary; NaN where it was not measured."""
        return self.outcome.summary.get(name, math.nan)


@dataclass(frozen=True)
class Repeated:
    """The runs of one point with different seeds, by seed. `first` stands for them where one run is looked at."""

    runs: tuple[Run, ...]

    @property
    def first(self) -> Run:
        """The run with the lowest seed."""
        return self.runs[0]

    @property
    def within(self) -> bool:
        """Whether all of them hold the SLO."""
        return all(run.within for run in self.runs)

    @property
    def served(self) -> bool:
        """Whether all of them served every request."""
        return all(run.served for run in self.runs)

    def figure(self, name: str) -> float:
        """The mean over the seeds; NaN where one of them has not measured it."""
        return mean([run.figure(name) for run in self.runs])

    def spread(self, name: str) -> tuple[float, float]:
        """The smallest and the largest value of a figure over the seeds."""
        values = [run.figure(name) for run in self.runs]
        return min(values), max(values)


@dataclass(frozen=True)
class Champion:
    """The configuration that stands for a system under one load: the one that carries most, of equals the cheapest;
    where none holds the SLO, the largest. `runs` are its runs by rate."""

    configuration: Configuration
    runs: Mapping[float, Repeated]

    @property
    def system(self) -> str:
        """The experiment's name for the kind of cluster."""
        return self.configuration.system

    @property
    def load(self) -> str:
        """The workload."""
        return self.configuration.workload

    @property
    def design(self) -> str:
        """The configuration's name."""
        return self.configuration.design

    @property
    def best(self) -> float | None:
        """The highest rate that it carries, in requests a second."""
        return self.configuration.carries


@dataclass(frozen=True)
class Panel:
    """What one of nine panels shows: a figure of the summary, its limit (None: the SLO has none) and its unit."""

    figure: str
    limit: float | None
    unit: str


@dataclass(frozen=True)
class ReportData:
    """All that the report is made of. `iterations` is what one run did, iteration by iteration, or why not."""

    name: str
    runs: tuple[Run, ...]
    answers: SweepAnswers
    requests_of: Callable[[str], pd.DataFrame | None]
    derived_of: Callable[[str], Derived]
    iterations: Iterations | str = "no run was made again"

    @cached_property
    def loads(self) -> tuple[str, ...]:
        """The workloads, in the order of the points."""
        return tuple(of.workload for of in self.answers.workloads)

    @cached_property
    def systems(self) -> tuple[str, ...]:
        """The systems, in the order of the points."""
        return tuple(dict.fromkeys(run.system for run in self.runs))

    @cached_property
    def champions(self) -> tuple[Champion, ...]:
        """One a system and load that has any runs, in the order of the points."""
        return tuple(champion for of in self.answers.workloads for champion in _champions(of, self.runs))

    def of_load(self, load: str) -> list[Champion]:
        """The champions under one load."""
        return [one for one in self.champions if one.load == load]

    def panel(self, metric: str, percentile: str) -> Panel:
        """By slowdown, unless the SLO limits seconds alone."""
        slowdown = self.answers.slo.slowdown.get(metric, {}).get(percentile)
        seconds = self.answers.slo.seconds.get(metric, {}).get(percentile)
        if slowdown is None and seconds is not None:
            return Panel(f"{metric}/{percentile}_s", seconds, " s")
        return Panel(f"{metric}/{percentile}_slowdown", slowdown, "×")


def report_data(sweep: Sweep, rate: float | None = None) -> ReportData:
    """The data of a sweep that was read back. `rate`: what the cheapest clusters are to carry, see `answers`."""
    outcomes = sorted(sweep.outcomes.values(), key=lambda outcome: (outcome.index, outcome.name))
    slo: Slo = sweep.slo
    runs = tuple(Run(outcome, verdict(outcome, slo)) for outcome in outcomes)

    def requests_of(key: str) -> pd.DataFrame | None:
        return sweep.requests(key) if sweep.source.requests_file(key) is not None else None

    def derived_of(key: str) -> Derived:
        file = sweep.source.requests_file(key)
        return Derived() if file is None else read_derived(file.read_bytes())

    return ReportData(sweep.name, runs, answers(outcomes, slo, rate), requests_of, derived_of)


def _champions(of: WorkloadAnswer, runs: Sequence[Run]) -> list[Champion]:
    found = []
    for answer in of.systems:
        members = [one for one in of.configurations if one.system == answer.system]
        chosen = answer.highest or max(members, key=lambda one: (one.cost, one.machine_count, one.name))
        place = of.workload, chosen.system, chosen.design
        mine = [run for run in runs if (run.load, run.system, run.design) == place and run.rate is not None]
        by_rate = {repeated.first.rate or 0.0: repeated for repeated in repeated_runs(mine)}
        found.append(Champion(chosen, dict(sorted(by_rate.items()))))
    return found


def repeated_runs(runs: Iterable[Run]) -> list[Repeated]:
    """Runs in groups that differ by their seed alone."""
    groups = grouped(runs, lambda run: (run.system, run.outcome.point_id.repeated))
    return [Repeated(tuple(sorted(members, key=lambda run: run.outcome.seed))) for members in groups]


def shown_rate(data: ReportData, load: str) -> float | None:
    """The rate at which runs are compared in detail: the highest that a design holds, else the lowest that there is."""
    held = [one.best for one in data.of_load(load) if one.best is not None]
    rates = [rate for one in data.of_load(load) for rate in one.runs]
    return max(held, default=min(rates, default=None))


def side_by_side(data: ReportData, load: str) -> tuple[str, list[Run], list[str]]:
    """Where the designs are compared: the words for it, the runs there (one a system) that have figures of requests,
    and the systems that have none."""
    rate = shown_rate(data, load)
    if rate is None:
        members = list({run.system: run for run in data.runs if run.load == load}.values())
        where = load
    else:
        members = [one.runs[rate].first for one in data.of_load(load) if rate in one.runs]
        where = f"{load} at {rate_text(rate)} requests/s{_one_of_seeds(data.of_load(load), rate)}"
    served = [run for run in members if run.outcome.status == "completed"]
    present = {run.system for run in served}
    absent = [system for system in data.systems if system not in present]
    return where, served, absent


def _one_of_seeds(members: Sequence[Champion], rate: float) -> str:
    """Which of several repetitions is shown; nothing where there is one."""
    shown = [one.runs[rate] for one in members if rate in one.runs]
    if all(len(repeated.runs) == 1 for repeated in shown):
        return ""
    seeds = sorted({repeated.first.outcome.seed for repeated in shown})
    return f" (seed {', '.join(map(str, seeds))} of {max(len(repeated.runs) for repeated in shown)} seeds)"


def detailed_run(data: ReportData) -> Run | None:
    """The run to look at in detail: of the design that carries most (of equals the one that the answer names), at the
    highest rate that it carries."""
    rated = [one for one in data.champions if one.best is not None]
    if rated:
        best = min(rated, key=lambda one: (-(one.best or 0.0), one.configuration.cost, one.configuration.power))
        return best.runs[best.best or 0.0].first
    served = [run for run in data.runs if run.outcome.status == "completed"]
    return next((run for run in served if run.within), served[0] if served else None)


def no_runs(data: ReportData, title: str) -> list[Missing]:
    """For a sweep that has nothing to draw."""
    return [] if data.runs else [Missing(title, "the sweep has no finished runs")]
