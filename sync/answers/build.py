"""From outcomes to answers."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from typing import Literal

from sync.answers.base import Configuration, Normalised, SweepAnswers, SystemAnswer, WorkloadAnswer
from sync.base import Outcome
from sync.run_figures import provisioned
from sync.slo import PAPER, Slo, judged
from sync.verdict import WITHIN, design, ladder, verdict

REFERENCE = "baseline-a100"
Which = Literal["highest", "cheapest", "least_power"]


def answers(outcomes: Iterable[Outcome], slo: Slo = PAPER, rate: float | None = None) -> SweepAnswers:
    """What outcomes answer, by an SLO. `rate`: for the cheapest and the least-power clusters, see `WorkloadAnswer`."""
    told = sorted((judged(outcome, slo) for outcome in outcomes), key=lambda outcome: (outcome.index, outcome.name))
    by_workload: dict[str, dict[tuple[str, str], list[Outcome]]] = {}
    for outcome in told:
        place = outcome.system, design(outcome)
        by_workload.setdefault(workload_of(outcome), {}).setdefault(place, []).append(outcome)
    return SweepAnswers(
        slo=slo,
        workloads=tuple(
            _workload(name, [_configuration(name, runs, slo) for runs in of.values()], rate)
            for name, of in by_workload.items()
        ),
        runs=len(told),
        failed=sum(outcome.status == "failed" for outcome in told),
        stopped=sum(outcome.status == "stopped" for outcome in told),
    )


def workload_of(outcome: Outcome) -> str:
    """The workload, whatever the rate: the experiment's word for it, else its trace's name without the rate."""
    if isinstance(told := outcome.axes.get("workload"), str):
        return told
    if outcome.rate is None:
        return outcome.trace
    named = re.sub(rf"[_@]{re.escape(f'{outcome.rate:g}')}(?![\d.])", "", outcome.trace, count=1)
    return named or outcome.trace


def normalised(of: WorkloadAnswer, which: Which = "highest") -> tuple[Normalised, ...]:
    """A row a system that has such a configuration, in multiples of the reference's."""
    chosen: dict[str, Configuration | None] = {answer.system: getattr(answer, which) for answer in of.systems}
    base = chosen.get(of.reference) if of.reference else None
    return tuple(_normalised(one, base) for one in chosen.values() if one is not None)


def _configuration(workload: str, runs: Sequence[Outcome], slo: Slo) -> Configuration:
    telling = sorted(runs, key=lambda run: run.status == "failed")  # of those not within the failed last: it says least
    carried, worse = ladder(telling, lambda run: verdict(run) == WITHIN)
    within = {run.rate for run in runs if run.rate is not None and verdict(run) == WITHIN}
    missed = {run.rate for run in runs if verdict(run) != WITHIN}
    at_best = provisioned(carried[-1]) if carried else {}
    last = max(runs, key=lambda run: run.started_at)
    return Configuration(
        name=design(last),
        system=last.system,
        workload=workload,
        machines=dict(last.machines),
        cost=last.cost,
        power=last.power,
        watts=last.watts,
        rates=tuple(sorted({run.rate for run in runs if run.rate is not None})),
        carries=carried[-1].rate if carried else None,
        then=None if worse is None else (worse.rate, verdict(worse)),
        above=tuple(sorted(within - missed - {run.rate for run in carried})),
        failed=tuple(sorted({run.rate for run in runs if run.status == "failed" and run.rate is not None})),
        holds=bool(carried) or worse is None,
        requests_per_dollar=at_best.get("cost/requests_per_dollar"),
        requests_per_kwh=at_best.get("power/requests_per_kwh"),
        tightest=slo.tightest(carried[-1].summary) if carried else None,
    )


def _workload(workload: str, configurations: Sequence[Configuration], rate: float | None) -> WorkloadAnswer:
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
