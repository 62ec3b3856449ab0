"""From outcomes to answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sim_core.errors import SpecError
from sync.analysis.answers.base import (
    Configuration,
    DrawsBy,
    Normalised,
    SweepAnswers,
    SystemAnswer,
    WorkloadAnswer,
    rate_ratio,
)
from sync.analysis.answers.configurations import configuration
from sync.analysis.answers.ranking import axis_effects, by_system, drawn, order, ranking
from sync.analysis.standing import Counted
from sync.analysis.terms import MOST_LISTED, Terms, listed, terms_of
from sync.analysis.texts import joined
from sync.results.grouping import grouped
from sync.results.outcome import Outcome
from sync.results.plan import Design, Plan
from sync.results.point_id import rate_text
from sync.results.slo import PAPER, Slo
from sync.results.sweep import Sweep

REFERENCE = "baseline-a100"
Which = Literal["highest", "cheapest", "least_power"]


def answers(
    outcomes: Iterable[Outcome],
    slo: Slo = PAPER,
    rate: float | None = None,
    *,
    plan: Plan | None = None,
    finished: Iterable[Outcome] | None = None,
    figures: Mapping[str, Mapping[str, Any]] | None = None,
    counted: Counted | None = None,
) -> SweepAnswers:
    """What outcomes answer, by an SLO. `rate`: for the cheapest and the least-power clusters, see `WorkloadAnswer`.

    `plan` is what the experiment plans (None: the outcomes are all of it), `finished` are all outcomes of the sweep
    where `outcomes` are a choice of them, `figures` are prices and watts of machines with their sources. `counted`
    gives an outcome counts by `slo` where it lacks them; it is called for rates with several seeds alone, since it
    may read a table of requests.
    """
    ordered = sorted(outcomes, key=lambda outcome: (outcome.index, outcome.name))
    whole = ordered if finished is None else list(finished)
    left = _Open.of(plan, whole, all_wanted=len(ordered) == len(whole))
    workloads = grouped(ordered, lambda outcome: outcome.workload)
    return SweepAnswers(
        slo=slo,
        workloads=tuple(_workload(members, slo, rate, left, counted) for members in workloads),
        runs=len(ordered),
        failed=sum(outcome.status == "failed" for outcome in ordered),
        stopped=sum(outcome.status == "stopped" for outcome in ordered),
        rejected=int(sum(outcome.summary.get("run/rejected", 0.0) for outcome in ordered)),
        unfinished=int(sum(outcome.summary.get("run/unfinished", 0.0) for outcome in ordered)),
        terms=_terms(ordered, whole, slo, left, figures),
        not_run=left.workloads(members[0].workload for members in workloads),
    )


def answers_of(sweep: Sweep, rate: float | None = None, outcomes: Iterable[Outcome] | None = None) -> SweepAnswers:
    """What a sweep answers, or a choice of its `outcomes`."""
    finished = list(sweep.outcomes.values())
    chosen = finished if outcomes is None else outcomes
    plan, figures = sweep.plan, sweep.machines
    return answers(chosen, sweep.slo, rate, plan=plan, finished=finished, figures=figures, counted=sweep.with_counts)


def check_rate(found: SweepAnswers, rate: float | None) -> None:
    """Raise SpecError for a rate at which nothing was run; it names the rates that were."""
    rates = sorted({run for workload in found.workloads for run in workload.rates})
    if rate is None or not rates or rate in rates:
        return
    configurations = [member for workload in found.workloads for member in workload.configurations]
    if any(rate in member.missing for member in configurations):
        reason = "no point at this rate is done yet"
    else:
        reason = "no run is at this rate, and nothing is interpolated"
    near = [*[run for run in rates if run < rate][-1:], *[run for run in rates if run > rate][:1]]
    nearest = f", the nearest {joined([rate_text(run) for run in near])}" if len(rates) > MOST_LISTED else ""
    reason += f"; there are runs at {listed([rate_text(run) for run in rates])} requests/s{nearest}"
    raise SpecError(reason, key="--rate", value=rate_text(rate))


@dataclass(frozen=True)
class _Open:
    """What is planned and was not run. `never_run` is empty where only some outcomes are asked about."""

    plan: Plan | None
    run: Mapping[Design, frozenset[float]]
    never_run: Sequence[Design]

    @classmethod
    def of(cls, plan: Plan | None, whole: Sequence[Outcome], *, all_wanted: bool) -> _Open:
        groups = grouped(whole, _design_of)
        run = {_design_of(group[0]): frozenset(o.rate for o in group if o.rate is not None) for group in groups}
        return cls(plan, run, plan.never_run(run) if plan is not None and all_wanted else [])

    def rates(self, design: Design) -> frozenset[float]:
        """The rates of a design that were not run."""
        return self.plan.rates(design, self.run[design]) - self.run[design] if self.plan else frozenset()

    def designs(self, workload: str) -> list[Design]:
        """The designs of a workload that were not run, and the systems of which nothing more is known."""
        return [design for design in self.never_run if design[2] in (workload, "")]

    def workloads(self, run: Iterable[str]) -> tuple[str, ...]:
        """The workloads that were not run."""
        known = {*run, ""}
        return tuple(dict.fromkeys(own for _, _, own in self.never_run if own not in known))

    @property
    def points(self) -> int:
        """How many points are open at least."""
        return sum(len(self.rates(design)) for design in self.run) + len(self.never_run)


def _design_of(outcome: Outcome) -> Design:
    return outcome.system, outcome.design, outcome.workload


def _terms(
    ordered: Sequence[Outcome],
    whole: Sequence[Outcome],
    slo: Slo,
    left: _Open,
    figures: Mapping[str, Mapping[str, Any]] | None,
) -> Terms:
    """The terms of the outcomes; how many points are done is that of the whole sweep."""
    planned = None if left.plan is None else max(left.plan.points, len(whole) + left.points)
    failed = sum(outcome.status == "failed" for outcome in whole)
    terms = terms_of(ordered, slo, planned, figures)
    return replace(terms, done=len(whole) - failed, failed=failed)


def normalised(workload: WorkloadAnswer, which: Which = "highest") -> tuple[Normalised, ...]:
    """A row a system that has such a configuration, in multiples of the reference's."""
    chosen: dict[str, Configuration | None] = {answer.system: getattr(answer, which) for answer in workload.systems}
    reference = chosen.get(workload.reference)

    def multiple(configuration: Configuration, name: str) -> float | None:
        value, unit = getattr(configuration, name), getattr(reference, name, None)
        is_known = value is not None and unit and (value or name != "watts")
        return value / unit if is_known else None

    def interval(configuration: Configuration) -> tuple[float, float] | None:
        return None if reference is None or configuration is reference else rate_ratio(configuration, reference)

    return tuple(
        Normalised(
            system=system,
            configuration=own,
            rate=multiple(own, "carries"),
            machines=multiple(own, "machine_count"),
            cost=multiple(own, "cost"),
            power=multiple(own, "power"),
            watts=multiple(own, "watts"),
            rate_interval=interval(own),
        )
        for system, own in chosen.items()
        if own is not None
    )


def _workload(
    runs: Sequence[Outcome], slo: Slo, rate: float | None, left: _Open, counted: Counted | None
) -> WorkloadAnswer:
    designs = grouped(runs, lambda run: (run.system, run.design))
    configurations = [configuration(members, slo, left.rates(_design_of(members[0])), counted) for members in designs]
    draws_by: DrawsBy = "watts" if all(member.watts > 0 for member in configurations) else "power"
    systems = by_system(configurations)
    asked = rate is not None
    if rate is None:
        best = [max(member.carries or 0.0 for member in members) for members in systems.values()]
        rate = min((carried for carried in best if carried > 0), default=None)
    found = tuple(_system(members, rate, draws_by) for members in systems.values())
    holding = [answer.system for answer in found if answer.highest is not None]
    return WorkloadAnswer(
        workload=runs[0].workload,
        rate=rate,
        systems=found,
        front=_front(configurations, draws_by),
        configurations=tuple(configurations),
        reference=_reference(holding or [answer.system for answer in found]),
        asked=asked,
        draws_by=draws_by,
        ranking=ranking(configurations, draws_by),
        axes=axis_effects(configurations),
        not_run=tuple(design or system for system, design, _ in left.designs(runs[0].workload)),
        open_systems=tuple(dict.fromkeys(system for system, _, _ in left.designs(runs[0].workload))),
    )


def _system(members: Sequence[Configuration], rate: float | None, draws_by: DrawsBy) -> SystemAnswer:
    good = [member for member in members if member.meets(rate)]

    def by_cost(member: Configuration) -> tuple[float, ...]:
        return member.cost, drawn(member, draws_by), member.machine_count, _room(member)

    def by_power(member: Configuration) -> tuple[float, ...]:
        return drawn(member, draws_by), member.cost, member.machine_count, _room(member)

    def ties(
        best: Configuration | None, figure: Callable[[Configuration], object], among: Sequence[Configuration] = good
    ) -> tuple[str, ...]:
        return tuple(m.design for m in among if best is not None and m is not best and figure(m) == figure(best))

    holding = [member for member in members if member.holds]
    highest = min(holding, key=lambda member: order(member, draws_by), default=None)
    cheapest, least = min(good, key=by_cost, default=None), min(good, key=by_power, default=None)
    return SystemAnswer(
        system=members[0].system,
        highest=highest,
        cheapest=cheapest,
        least_power=least,
        configurations=len(members),
        cheapest_ties=ties(cheapest, lambda member: member.cost),
        least_power_ties=ties(least, lambda member: drawn(member, draws_by)),
        highest_ties=ties(highest, lambda member: (member.carries, member.cost), holding),
    )


def _room(member: Configuration) -> float:
    return math.inf if member.tightest is None else member.tightest


def _front(configurations: Sequence[Configuration], draws_by: DrawsBy) -> tuple[Configuration, ...]:
    """The Pareto front by cost. Of configurations that are equal in cost, power and rate, the first."""
    front: list[Configuration] = []
    good = [candidate for candidate in configurations if candidate.holds]
    # In this order a configuration that beats another comes before it.
    for candidate in sorted(good, key=lambda member: (member.cost, drawn(member, draws_by), -(member.carries or 0.0))):
        rate, draws = candidate.carries or 0.0, drawn(candidate, draws_by)
        if not any(drawn(other, draws_by) <= draws and (other.carries or 0.0) >= rate for other in front):
            front.append(candidate)
    return tuple(front)


def _reference(systems: Sequence[str]) -> str:
    return min(systems, key=lambda name: (name.lower() != REFERENCE, not name.lower().startswith("baseline")))
