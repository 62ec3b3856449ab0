"""From outcomes to answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from sync.analysis.answers.base import (
    Configuration,
    Normalised,
    RateStanding,
    SweepAnswers,
    SystemAnswer,
    WorkloadAnswer,
)
from sync.analysis.standing import draws, ladder, together
from sync.results.figures import provisioned
from sync.results.grouping import grouped
from sync.results.outcome import Outcome
from sync.results.slo import PAPER, Slo
from sync.results.statistics import mean
from sync.results.verdict import verdict

REFERENCE = "baseline-a100"
Which = Literal["highest", "cheapest", "least_power"]


def answers(outcomes: Iterable[Outcome], slo: Slo = PAPER, rate: float | None = None) -> SweepAnswers:
    """What outcomes answer, by an SLO. `rate`: for the cheapest and the least-power clusters, see `WorkloadAnswer`."""
    ordered = sorted(outcomes, key=lambda outcome: (outcome.index, outcome.name))
    workloads = grouped(ordered, lambda outcome: outcome.workload)
    return SweepAnswers(
        slo=slo,
        workloads=tuple(_workload(members, slo, rate) for members in workloads),
        runs=len(ordered),
        failed=sum(outcome.status == "failed" for outcome in ordered),
        stopped=sum(outcome.status == "stopped" for outcome in ordered),
    )


def normalised(of: WorkloadAnswer, which: Which = "highest") -> tuple[Normalised, ...]:
    """A row a system that has such a configuration, in multiples of the reference's."""
    chosen: dict[str, Configuration | None] = {answer.system: getattr(answer, which) for answer in of.systems}
    base = chosen.get(of.reference) if of.reference else None
    return tuple(_normalised(one, base) for one in chosen.values() if one is not None)


def _configuration(runs: Sequence[Outcome], slo: Slo) -> Configuration:
    """What the runs of one design under one workload come to."""
    at = tuple(sorted((_at_rate(members, slo) for members in grouped(runs, lambda run: run.rate)), key=_rate))
    carried, then = ladder(at, lambda standing: standing.carried)
    rates = {standing.rate for standing in carried}
    best = [run for run in runs if run.rate == carried[-1].rate] if carried else []
    last = max(runs, key=lambda run: run.started_at)
    return Configuration(
        name=f"{last.design} {last.workload}",
        system=last.system,
        design=last.design,
        workload=last.workload,
        machines=dict(last.machines),
        roles=dict(last.roles),
        cost=last.cost,
        power=last.power,
        watts=last.watts,
        at=at,
        carries=carried[-1].rate if carried else None,
        then=then,
        above=tuple(one.rate for one in at if one.rate is not None and one.carried and one.rate not in rates),
        failed=tuple(sorted({run.rate for run in runs if run.status == "failed" and run.rate is not None})),
        failed_runs=sum(run.status == "failed" for run in runs),
        holds=bool(carried) or then is None,
        requests_per_dollar=_mean_provisioned(best, "cost/requests_per_dollar"),
        requests_per_kwh=_mean_provisioned(best, "power/requests_per_kwh"),
        tightest=_tightest(best, slo),
    )


def _at_rate(runs: Sequence[Outcome], slo: Slo) -> RateStanding:
    found = together((run.seed, verdict(run, slo)) for run in draws(runs))
    return RateStanding(runs[0].rate, found.seeds, found.within, found.reason)


def _rate(standing: RateStanding) -> float:
    return standing.rate or 0.0


def _mean_provisioned(runs: Sequence[Outcome], name: str) -> float | None:
    values = [value for run in runs if (value := provisioned(run).get(name)) is not None]
    return mean(values) if values else None


def _tightest(runs: Sequence[Outcome], slo: Slo) -> float | None:
    """Of the seed that takes the largest share of a limit; None where one is not known."""
    shares = [slo.tightest(run.summary) for run in runs]
    known = [share for share in shares if share is not None]
    return max(known) if known and len(known) == len(shares) else None


def _workload(runs: Sequence[Outcome], slo: Slo, rate: float | None) -> WorkloadAnswer:
    workload = runs[0].workload
    members = grouped(runs, lambda run: (run.system, run.design))
    configurations = [_configuration(of_design, slo) for of_design in members]
    systems: dict[str, list[Configuration]] = {}
    for one in configurations:
        systems.setdefault(one.system, []).append(one)
    best = {system: max((one.carries or 0.0 for one in members), default=0.0) for system, members in systems.items()}
    wanted = rate if rate is not None else min((most for most in best.values() if most > 0), default=None)
    found = tuple(_system(system, members, wanted) for system, members in systems.items())
    good = [answer.system for answer in found if answer.highest is not None]
    return WorkloadAnswer(
        workload=workload,
        rate=wanted,
        systems=found,
        front=_front(configurations),
        configurations=tuple(configurations),
        reference=_reference(good or list(systems)),
    )


def _system(system: str, members: Sequence[Configuration], rate: float | None) -> SystemAnswer:
    good = [one for one in members if one.meets(rate)]
    return SystemAnswer(
        system=system,
        highest=min((one for one in members if one.holds), key=_by_rate, default=None),
        cheapest=min(good, key=_by_cost, default=None),
        least_power=min(good, key=_by_power, default=None),
        configurations=len(members),
    )


def _by_rate(one: Configuration) -> tuple[float, ...]:
    """The most first; of machines that cost, draw and count the same the split with the most room."""
    return -(one.carries or 0.0), *_by_cost(one), math.inf if one.tightest is None else one.tightest


def _by_cost(one: Configuration) -> tuple[float, float, int]:
    return one.cost, one.power, one.machine_count


def _by_power(one: Configuration) -> tuple[float, float, int]:
    return one.power, one.cost, one.machine_count


def _front(configurations: Sequence[Configuration]) -> tuple[Configuration, ...]:
    """By cost. Of configurations that are equal in all three, the first."""
    found: list[Configuration] = []
    good = [one for one in configurations if one.holds]
    for one in sorted(
        good, key=lambda one: (one.cost, one.power, -(one.carries or 0.0))
    ):  # whoever beats it is before it
        if not any(o.power <= one.power and (o.carries or 0.0) >= (one.carries or 0.0) for o in found):
            found.append(one)
    return tuple(found)


def _reference(systems: Sequence[str]) -> str | None:
    named = [system for system in systems if system.lower() == REFERENCE]
    named += [system for system in systems if system.lower().startswith("baseline")]
    return next(iter([*named, *systems]), None)


def _normalised(one: Configuration, base: Configuration | None) -> Normalised:
    return Normalised(
        system=one.system,
        configuration=one,
        rate=_times(one.carries, base.carries if base else None),
        machines=_times(one.machine_count, base.machine_count if base else None),
        cost=_times(one.cost, base.cost if base else None),
        power=_times(one.power, base.power if base else None),
    )


def _times(value: float | None, unit: float | None) -> float | None:
    return value / unit if value is not None and unit else None
