"""From outcomes to answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import Literal

from sync.analysis.answers.base import Configuration, Normalised, SweepAnswers, SystemAnswer, WorkloadAnswer
from sync.analysis.standing import draws, ladder, together
from sync.results.figures import provisioned
from sync.results.grouping import grouped
from sync.results.outcome import Outcome
from sync.results.slo import PAPER, Slo
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
        rejected=int(sum(outcome.summary.get("run/rejected", 0.0) for outcome in ordered)),
        unfinished=int(sum(outcome.summary.get("run/unfinished", 0.0) for outcome in ordered)),
    )


def normalised(workload: WorkloadAnswer, which: Which = "highest") -> tuple[Normalised, ...]:
    """A row a system that has such a configuration, in multiples of the reference's."""
    chosen: dict[str, Configuration | None] = {answer.system: getattr(answer, which) for answer in workload.systems}
    reference = chosen.get(workload.reference)

    def multiple(configuration: Configuration, name: str) -> float | None:
        value, unit = getattr(configuration, name), getattr(reference, name, None)
        return value / unit if value is not None and unit else None

    return tuple(
        Normalised(system, c, *(multiple(c, name) for name in ("carries", "machine_count", "cost", "power")))
        for system, c in chosen.items()
        if c is not None
    )


def _configuration(runs: Sequence[Outcome], slo: Slo) -> Configuration:
    """What the runs of one design under one workload say."""
    by_rate = [
        together(((run.seed, verdict(run, slo)) for run in draws(members)), members[0].rate)
        for members in grouped(runs, lambda run: run.rate)
    ]
    at = tuple(sorted(by_rate, key=lambda standing: standing.rate or 0.0))
    carried, then = ladder(at)
    rates = {standing.rate for standing in carried}
    carries = carried[-1].rate if carried else None
    best = [run for run in runs if run.rate == carries] if carried else []
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
        carries=carries,
        then=then,
        above=tuple(s.rate for s in at if s.rate is not None and s.carried and s.rate not in rates),
        failed=tuple(sorted({run.rate for run in runs if run.status == "failed" and run.rate is not None})),
        failed_runs=sum(run.status == "failed" for run in runs),
        holds=bool(carried) or then is None,
        requests_per_dollar=_mean_provisioned(best, "cost/requests_per_dollar"),
        requests_per_kwh=_mean_provisioned(best, "power/requests_per_kwh"),
        tightest=_tightest(best, slo),
    )


def _mean_provisioned(runs: Sequence[Outcome], name: str) -> float | None:
    values = [value for run in runs if (value := provisioned(run).get(name)) is not None]
    return fmean(values) if values else None


def _tightest(runs: Sequence[Outcome], slo: Slo) -> float | None:
    """The largest share of a limit that any seed takes; None where the share of one is not known."""
    shares = [slo.tightest(run.summary) for run in runs]
    known = [share for share in shares if share is not None]
    return max(known) if known and len(known) == len(shares) else None


def _workload(runs: Sequence[Outcome], slo: Slo, rate: float | None) -> WorkloadAnswer:
    designs = grouped(runs, lambda run: (run.system, run.design))
    configurations = [_configuration(members, slo) for members in designs]
    systems = grouped(configurations, lambda configuration: configuration.system)
    if rate is None:
        best = [max(member.carries or 0.0 for member in members) for members in systems]
        rate = min((carried for carried in best if carried > 0), default=None)
    found = tuple(_system(members, rate) for members in systems)
    holding = [answer.system for answer in found if answer.highest is not None]
    return WorkloadAnswer(
        workload=runs[0].workload,
        rate=rate,
        systems=found,
        front=_front(configurations),
        configurations=tuple(configurations),
        reference=_reference(holding or [answer.system for answer in found]),
    )


def _system(members: Sequence[Configuration], rate: float | None) -> SystemAnswer:
    good = [member for member in members if member.meets(rate)]
    return SystemAnswer(
        system=members[0].system,
        highest=min((member for member in members if member.holds), key=_by_rate, default=None),
        cheapest=min(good, key=_by_cost, default=None),
        least_power=min(good, key=lambda member: (member.power, member.cost, member.machine_count), default=None),
        configurations=len(members),
    )


def _by_rate(member: Configuration) -> tuple[float, ...]:
    """The highest rate first; of machines that cost, draw and count the same the split with the most room."""
    return -(member.carries or 0.0), *_by_cost(member), math.inf if member.tightest is None else member.tightest


def _by_cost(member: Configuration) -> tuple[float, float, int]:
    return member.cost, member.power, member.machine_count


def _front(configurations: Sequence[Configuration]) -> tuple[Configuration, ...]:
    """The Pareto front by cost. Of configurations that are equal in cost, power and rate, the first."""
    front: list[Configuration] = []
    good = [candidate for candidate in configurations if candidate.holds]
    # In this order a configuration that beats another comes before it.
    for candidate in sorted(good, key=lambda member: (member.cost, member.power, -(member.carries or 0.0))):
        rate = candidate.carries or 0.0
        if not any(other.power <= candidate.power and (other.carries or 0.0) >= rate for other in front):
            front.append(candidate)
    return tuple(front)


def _reference(systems: Sequence[str]) -> str:
    return min(systems, key=lambda name: (name.lower() != REFERENCE, not name.lower().startswith("baseline")))
