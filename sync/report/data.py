"""What the figures are drawn from: the runs of one sweep, and what they answer (`sync.analysis.answers`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sync.analysis.answers import Configuration, SweepAnswers, WorkloadAnswer, answers
from sync.analysis.standing import Standing
from sync.report.iterations import Iterations
from sync.report.runs import Repeated, RunRow
from sync.results.curves import Derived
from sync.results.grouping import grouped
from sync.results.outcome import Outcome
from sync.results.parquet import read_derived
from sync.results.point_id import rate_text
from sync.results.slo import Slo
from sync.results.sweep import Sweep
from sync.results.verdict import verdict

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Run(RunRow):
    """A run with its outcome."""

    outcome: Outcome

    @classmethod
    def of(cls, outcome: Outcome, slo: Slo) -> Run:
        """The run of an outcome, judged by `slo`."""
        judged = verdict(outcome, slo)
        design = f"{outcome.design} {outcome.workload}"
        standing = Standing(design, outcome.rate, judged.within, judged.text, outcome.cost, seed=outcome.seed)
        bought = {"cost/dollars_per_hour": outcome.cost, "power/weight": outcome.power}
        return cls(outcome.name, standing, {**outcome.summary, **bought}, outcome)

    @property
    def system(self) -> str:
        """The experiment's name for the kind of cluster."""
        return self.outcome.system

    @property
    def workload(self) -> str:
        """The workload, whatever the rate."""
        return self.outcome.workload

    @property
    def rate(self) -> float | None:
        """Requests a second; None: the workload has no rate."""
        return self.outcome.rate

    @property
    def served(self) -> bool:
        """Whether it was completed and served every request."""
        return self.outcome.status == "completed" and not self.outcome.unserved


@dataclass(frozen=True)
class ReportData:
    """Everything that the report is made of. `requests_of` and `derived_of` read by a run's key its table of requests
    (None: it has none) and what goes with it. `iterations` are those of one run, or why there are none."""

    name: str
    runs: tuple[Run, ...]
    answers: SweepAnswers
    requests_of: Callable[[str], pd.DataFrame | None]
    derived_of: Callable[[str], Derived]
    iterations: Iterations | str = "no run was made again"

    @cached_property
    def workloads(self) -> dict[str, WorkloadAnswer]:
        """The answers by workload, in the order of the points."""
        return {answer.workload: answer for answer in self.answers.workloads}

    @cached_property
    def systems(self) -> tuple[str, ...]:
        """The systems, in the order of the points."""
        return tuple(dict.fromkeys(run.system for run in self.runs))

    @cached_property
    def champions(self) -> dict[str, list[Configuration]]:
        """By workload the configuration that stands for each system that has any runs there, in the order of the
        points: the one that carries most, of equals the cheapest; where none holds the SLO, the largest."""
        return {
            name: [system.highest or answer.largest(system.system) for system in answer.systems]
            for name, answer in self.workloads.items()
        }

    def by_rate(self, configuration: Configuration) -> dict[float, Repeated[Run]]:
        """The runs of a configuration by rate, ascending; empty where its workload has no rate."""
        same = configuration.system, configuration.design, configuration.workload
        runs = [run for run in self.runs if (run.system, run.outcome.design, run.workload) == same]
        rated = [repeated for repeated in repeated_runs(runs) if repeated.first.rate is not None]
        return dict(sorted((repeated.first.rate or 0.0, repeated) for repeated in rated))


def report_data(sweep: Sweep, rate: float | None = None) -> ReportData:
    """The data of a sweep that was read back. `rate`: what the cheapest clusters are to carry, see `answers`."""
    outcomes = sorted(sweep.outcomes.values(), key=lambda outcome: (outcome.index, outcome.name))
    runs = tuple(Run.of(outcome, sweep.slo) for outcome in outcomes)

    def requests_of(key: str) -> pd.DataFrame | None:
        return sweep.requests(key) if sweep.source.requests_file(key) is not None else None

    def derived_of(key: str) -> Derived:
        file = sweep.source.requests_file(key)
        return Derived() if file is None else read_derived(file.read_bytes())

    return ReportData(sweep.name, runs, answers(outcomes, sweep.slo, rate), requests_of, derived_of)


def repeated_runs(runs: Iterable[Run]) -> list[Repeated[Run]]:
    """Runs in groups that differ by their seed alone."""
    groups = grouped(runs, lambda run: (run.system, run.outcome.point_id.repeated))
    return [Repeated(tuple(sorted(members, key=lambda run: run.outcome.seed))) for members in groups]


def shown_rate(data: ReportData, workload: str) -> float | None:
    """The rate at which runs are compared in detail: the highest that a champion carries, else the lowest that was
    run; None: the workload has no rate."""
    champions = data.champions[workload]
    carried = [champion.carries for champion in champions if champion.carries is not None]
    return max(carried, default=min((rate for champion in champions for rate in champion.rates), default=None))


def side_by_side(data: ReportData, workload: str) -> tuple[str, list[Run], list[str]]:
    """Where the designs are compared: the words for it, the completed runs there (one a system), and the systems that
    have none."""
    rate = shown_rate(data, workload)
    if rate is None:
        runs = list({run.system: run for run in data.runs if run.workload == workload}.values())
        where = workload
    else:
        every = [data.by_rate(champion).get(rate) for champion in data.champions[workload]]
        repeated = [runs_there for runs_there in every if runs_there is not None]
        runs = [runs_there.first for runs_there in repeated]
        where = f"{workload} at {rate_text(rate)} requests/s"
        if (most := max(len(runs_there.runs) for runs_there in repeated)) > 1:
            where += f" (seed {', '.join(map(str, sorted({run.outcome.seed for run in runs})))} of {most} seeds)"
    completed = [run for run in runs if run.outcome.status == "completed"]
    present = {run.system for run in completed}
    return where, completed, [system for system in data.systems if system not in present]


def detailed_run(data: ReportData) -> Run | None:
    """The run to look at in detail: of the champion that carries most (of equals the one that the answer names), at the
    highest rate that it carries."""
    rated = [
        champion for champions in data.champions.values() for champion in champions if champion.carries is not None
    ]
    if rated:
        best = min(rated, key=lambda champion: (-(champion.carries or 0.0), champion.cost, champion.power))
        return data.by_rate(best)[best.carries or 0.0].first
    completed = [run for run in data.runs if run.outcome.status == "completed"]
    return next((run for run in completed if run.within), completed[0] if completed else None)
