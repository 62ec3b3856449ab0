"""What the figures are drawn from: the runs of one sweep, and what they answer (`sync.analysis.answers`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from statistics import fmean
from typing import TYPE_CHECKING

from sync.analysis.answers import Configuration, SweepAnswers, WorkloadAnswer, answers_of
from sync.analysis.found import of_search
from sync.analysis.repeated import interval_of
from sync.analysis.repetitions import Interval, Judgement, State
from sync.analysis.standing import Standing, draws, rank, repeated_by, repetitions, standing_of
from sync.report.iterations import Iterations
from sync.report.style import MOST_DESIGNS, Style, styles
from sync.results.curves import Derived
from sync.results.figures import provisioned
from sync.results.found import Plan as FoundPlan
from sync.results.grouping import grouped
from sync.results.inside import read_inside
from sync.results.outcome import Outcome
from sync.results.parquet import read_derived
from sync.results.point_id import rate_text
from sync.results.slo import Slo
from sync.results.sweep import Sweep, sound_table
from sync.results.verdict import verdict

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RunRow:
    """A run: its name, the verdict on it with what it belongs to, and its figures, the summary's and its cost. `key` is
    its content key, where that is known. `judgement`: what it says with its repetitions by their counts (None: it has
    none, or counts are not known)."""

    name: str
    standing: Standing
    figures: Mapping[str, float]
    key: str = field(default="", kw_only=True)
    judgement: Judgement | None = field(default=None, kw_only=True, compare=False)

    def figure(self, name: str) -> float:
        """A figure; NaN where it was not measured."""
        return self.figures.get(name, math.nan)


@dataclass(frozen=True)
class Run(RunRow):
    """A run with its outcome."""

    outcome: Outcome


def _judged(outcome: Outcome, slo: Slo, judgement: Judgement | None) -> Run:
    judged = verdict(outcome, slo)
    design = f"{outcome.design} {outcome.workload}"
    standing = Standing(
        design=design,
        rate=outcome.rate,
        within=judged.within,
        verdict=judged.text,
        cost=outcome.cost,
        seed=outcome.seed,
        system=outcome.system,
        outcome=outcome,
        slo=slo,
    )
    bought = {"cost/dollars_per_hour": outcome.cost, "power/weight": outcome.power}
    figures = {**outcome.summary, **bought, **provisioned(outcome)}
    return Run(outcome.name, standing, figures, outcome, key=outcome.key, judgement=judgement)


@dataclass
class ReportData:
    """Everything that the report is made of: a sweep that was read back, the rate that the cheapest clusters are to
    carry (see `answers`), and the iterations of one run, or why there are none."""

    sweep: Sweep
    rate: float | None = None
    iterations: Iterations | str = "no run was made again"

    @cached_property
    def runs(self) -> list[Run]:
        """The runs in the order of the points."""
        outcomes = sorted(self.sweep.outcomes.values(), key=lambda outcome: (outcome.index, outcome.name))
        judgements = {
            repeated_by(members[0]): standing_of(members, self.sweep.slo, self.sweep.with_counts).judgement
            for members in repetitions(outcomes)
            if len(members) > 1
        }
        return [_judged(outcome, self.sweep.slo, judgements.get(repeated_by(outcome))) for outcome in outcomes]

    @cached_property
    def found(self) -> FoundPlan | None:
        """What the sweep's planner found; None for a sweep without a question, and with other limits or for one rate,
        of which it does not tell."""
        return None if self.rate is not None else self.sweep.found

    @cached_property
    def answers(self) -> SweepAnswers:
        """What the sweep answers."""
        found = answers_of(self.sweep, self.rate)
        return found if self.found is None else replace(found, terms=of_search(found.terms))

    @cached_property
    def workloads(self) -> dict[str, WorkloadAnswer]:
        """The answers by workload, in the order of the points."""
        return {answer.workload: answer for answer in self.answers.workloads}

    @cached_property
    def systems(self) -> tuple[str, ...]:
        """The systems, in the order of the points."""
        return tuple(dict.fromkeys(run.outcome.system for run in self.runs))

    @cached_property
    def look(self) -> dict[str, Style]:
        """The style of each system, the same for all figures; systems that have no runs yet have theirs, too."""
        info = self.sweep.source.info()
        return styles([*(() if info is None else info.systems), *self.systems])

    @cached_property
    def champions(self) -> dict[str, list[Configuration]]:
        """By workload the configuration that stands for each system that has any runs there, in the order of the
        points: the one that carries most, of equals the cheapest; where none holds the SLO, the largest."""
        return {
            name: [system.highest or answer.largest(system.system) for system in answer.systems]
            for name, answer in self.workloads.items()
        }

    def drawn_champions(self, workload: str) -> list[Configuration]:
        """The champions that a figure has room for: those that carry most, in the order of the points."""
        champions = self.champions[workload]
        best = sorted(champions, key=lambda champion: (-(champion.carries or 0.0), champion.cost))[:MOST_DESIGNS]
        return [champion for champion in champions if champion in best]

    def by_rate(self, configuration: Configuration) -> dict[float, list[Run]]:
        """The runs of a configuration, its seeds, by rate, ascending; empty where its workload has no rate."""
        same = configuration.system, configuration.design, configuration.workload
        runs = [run for run in self.runs if (run.outcome.system, run.outcome.design, run.outcome.workload) == same]
        rated = {rate: members for members in by_seed(runs) if (rate := members[0].outcome.rate) is not None}
        return dict(sorted(rated.items()))

    def requests_of(self, run: Run) -> pd.DataFrame | None:
        """The run's table of requests; None: it has none."""
        key = run.outcome.key
        return None if self.sweep.source.requests_file(key) is None else self.sweep.requests(key)

    def derived_of(self, run: Run) -> Derived:
        """The run's curves, which are kept with its table of requests."""
        file = self.sweep.source.requests_file(run.outcome.key)
        if file is None:
            return Derived()
        with sound_table(run.outcome, file):
            return read_derived(read_inside(file, "requests_bytes"))


def state_of(runs: Sequence[RunRow]) -> State:
    """Whether repetitions are within the SLO together: by their counts where these are known, else if all of them are
    by their own figures."""
    if runs and (judgement := runs[0].judgement) is not None:
        return judgement.state
    return "within" if all(run.standing.within for run in runs) else "beyond"


def all_within(runs: Sequence[RunRow]) -> bool:
    """Whether repetitions are within the SLO together (`state_of`)."""
    return state_of(runs) == "within"


def mean_figure(runs: Iterable[RunRow], name: str) -> float:
    """The mean of a figure over runs; NaN where one has not measured it."""
    return fmean(run.figure(name) for run in runs)


def figure_interval(runs: Iterable[RunRow], name: str) -> Interval | None:
    """The mean of a figure over repetitions with its interval; None where one has not measured it."""
    return interval_of([run.figure(name) for run in runs])


def best_first(rows: Sequence[RunRow]) -> list[RunRow]:
    """The runs by design, the best design first, then by rate."""
    place = {design.design: number for number, design in enumerate(rank(row.standing for row in rows))}
    return sorted(rows, key=lambda row: (place[row.standing.design], row.standing.rate or 0.0, row.name))


def by_seed(runs: Iterable[Run]) -> list[list[Run]]:
    """Runs in groups that differ by their seed alone, each ordered by seed, without those that equal another one."""
    groups = grouped(runs, lambda run: (run.outcome.system, run.outcome.point_id.repeated))
    return [_different(sorted(members, key=lambda run: run.outcome.seed)) for members in groups]


def repetitions_of(rows: Iterable[RunRow]) -> list[list[RunRow]]:
    """Rows in groups that differ by their seed alone, in their order; without those that equal another one, as far as
    their outcomes are known. Rows of one seed, which differ by more, stay alone."""
    found: list[list[RunRow]] = []
    for members in grouped(rows, lambda row: (row.standing.system, row.standing.design, row.standing.rate)):
        if len({row.standing.seed for row in members}) < len(members):
            found += [[row] for row in members]
        else:
            runs = [row for row in members if isinstance(row, Run)]
            found.append(list(_different(runs)) if len(runs) == len(members) else members)
    return found


def _different(runs: Sequence[Run]) -> list[Run]:
    keys = {outcome.key for outcome in draws([run.outcome for run in runs])}
    return [run for run in runs if run.outcome.key in keys]


def shown_rate(data: ReportData, workload: str) -> float | None:
    """The rate at which runs are compared in detail: the highest that a champion carries, else the lowest that was
    run; None: the workload has no rate."""
    champions = data.champions[workload]
    carried = [champion.carries for champion in champions if champion.carries is not None]
    return max(carried, default=min((rate for champion in champions for rate in champion.rates), default=None))


def side_by_side(data: ReportData, workload: str) -> tuple[str, list[Run], str]:
    """Where the designs are compared: the words for it, the completed runs there (one a system), and the names of the
    systems that have none."""
    rate = shown_rate(data, workload)
    if rate is None:
        where = workload
        runs = list({run.outcome.system: run for run in data.runs if run.outcome.workload == workload}.values())
    else:
        where = f"{workload} at {rate_text(rate)} requests/s"
        seeds = [at_rate for c in data.drawn_champions(workload) if (at_rate := data.by_rate(c).get(rate))]
        runs = [members[0] for members in seeds]
        if (most := max(map(len, seeds))) > 1:
            where += f" (seed {', '.join(map(str, sorted({run.outcome.seed for run in runs})))} of {most} seeds)"
    completed = [run for run in runs if run.outcome.status == "completed"]
    present = {run.outcome.system for run in completed}
    return where, completed, ", ".join(system for system in data.systems if system not in present)


def detailed_run(data: ReportData) -> Run | None:
    """The run to look at in detail: of the champion that carries most (of equals the one that the answer names), at the
    highest rate that it carries; where none carries any, a completed run, within the SLO if there is one."""
    rated = [c for champions in data.champions.values() for c in champions if c.carries is not None]
    if rated:
        best = min(rated, key=lambda champion: (-(champion.carries or 0.0), champion.cost, champion.power))
        return data.by_rate(best)[best.carries or 0.0][0]
    completed = [run for run in data.runs if run.outcome.status == "completed"]
    return max(completed, key=lambda run: run.standing.within, default=None)
