"""What verdicts say together: on repetitions of one run, on a design at its rates, and on designs beside each other."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sync.results import point_id
from sync.results.grouping import grouped
from sync.results.outcome import Outcome
from sync.results.slo import WITHIN
from sync.results.verdict import FAILED, Verdict


def name_by_rate(outcome: Outcome) -> str:
    """The run's name with its rate in front, as MLflow's lists show it."""
    return point_id.name_by_rate(outcome.point_id, outcome.name, with_seed="seed" in outcome.axes)


def repetitions(outcomes: Iterable[Outcome]) -> list[list[Outcome]]:
    """Outcomes in groups that differ by their seed alone, each ordered by seed, without repeated `draws`."""
    groups = grouped(outcomes, lambda outcome: (outcome.system, outcome.point_id.repeated, outcome.trace))
    return [draws(sorted(members, key=lambda outcome: outcome.seed)) for members in groups]


def draws(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes without completed ones that equal an earlier one to the bit. Such a repetition is no further
    evidence: its seed changed neither the trace (a written one) nor the run."""
    found: list[Outcome] = []
    for outcome in outcomes:
        same = (outcome.trace_identity, outcome.status, outcome.summary)
        if not any((o.trace_identity, o.status, o.summary) == same and outcome.status == "completed" for o in found):
            found.append(outcome)
    return found


@dataclass(frozen=True)
class RateStanding:
    """What repetitions at one `rate` (None: the workload has no rate) say together. Of `seeds` different seeds `within`
    are within the SLO with all of their runs. `verdict` is the text of the first run that is not within (a failed one
    last, since it says least), else of the first run."""

    rate: float | None
    seeds: int
    within: int
    verdict: str

    @property
    def carried(self) -> bool:
        """Whether all seeds are within the SLO."""
        return self.within == self.seeds

    @property
    def text(self) -> str:
        """The verdict; of several seeds with how many are within."""
        if self.seeds == 1:
            return self.verdict
        if self.carried:
            return f"{WITHIN} with all of {self.seeds} seeds"
        return f"{self.within} of {self.seeds} seeds {WITHIN}, else {self.verdict}"


def ladder(
    standings: Iterable[RateStanding], not_run: Iterable[float] = ()
) -> tuple[list[RateStanding], RateStanding | None, tuple[float, ...]]:
    """The standings at rates up to which all are carried, the lowest rate first; the first that is not carried (None:
    all are); and the rates that have no result, ascending: those that are planned and were `not_run`, and those that
    failed. No rate above one without a result counts as carried."""
    ordered = sorted(standings, key=lambda standing: (standing.rate or 0.0, standing.carried))
    worse = next((standing for standing in ordered if not standing.carried), None)
    failed = {standing.rate for standing in ordered if standing.verdict == FAILED and standing.rate is not None}
    missing = tuple(sorted(failed.union(not_run)))
    limit = min([math.inf if worse is None else worse.rate or 0.0, *missing[:1]])
    carried = [standing for standing in ordered if standing.rate is not None and standing.rate < limit]
    return carried, worse, missing


def decides(worse: RateStanding | None, missing: Sequence[float]) -> bool:
    """Whether the first standing that is not carried settles what is carried, whatever the `missing` rates give: it was
    measured, at a lower rate than all of these."""
    return worse is not None and worse.verdict != FAILED and all((worse.rate or 0.0) < rate for rate in missing)


def together(judged: Iterable[tuple[int, Verdict]], rate: float | None = None) -> RateStanding:
    """What the verdicts on repetitions at `rate`, each with its seed, say together."""
    ordered = sorted(judged, key=lambda pair: (pair[1].text == FAILED, pair[0]))
    seeds = {seed for seed, _ in ordered}
    missed = {seed for seed, verdict in ordered if not verdict.within}
    reason = next((verdict.text for _, verdict in ordered if not verdict.within), ordered[0][1].text)
    return RateStanding(rate, len(seeds), len(seeds - missed), reason)


@dataclass(frozen=True)
class Standing:
    """The verdict on one run and what the run belongs to. `rate` is in requests a second (None: the workload has no
    rate), `cost` in dollars an hour, `color` is what the design is drawn in, `system` is the design's."""

    design: str
    rate: float | None
    within: bool
    verdict: str
    cost: float
    color: str = ""
    seed: int = 0
    system: str = ""


@dataclass(frozen=True)
class DesignStanding:
    """What the verdicts on a design's runs say together. `best` is the highest rate up to which all runs are within the
    SLO (None: there is none), `worse` is the standing at the first rate that is not carried (None: all are).
    `seeds` is the smallest number of seeds that a rate was run with. `missing` are rates that are planned and have no
    result, since they were not run or failed: no higher rate counts as the best."""

    design: str
    cost: float
    best: float | None
    worse: RateStanding | None
    seeds: int
    missing: tuple[float, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether the design is known to serve anything within the SLO."""
        return self.best is not None or (self.worse is None and not self.missing)

    @property
    def is_open(self) -> bool:
        """Whether it is open what the design serves, since the rates that decide have no result."""
        return not self.holds and not decides(self.worse, self.missing)


def rank(standings: Iterable[Standing], rates: Mapping[str, Sequence[float]] | None = None) -> list[DesignStanding]:
    """The designs, the highest rate within the SLO first, at equal rates the cheapest, then those of which it is open.
    `rates` are those that are planned, by system."""
    planned = rates or {}
    groups = grouped(standings, lambda standing: standing.design)
    designs = [_of_design(members, planned.get(members[0].system, ())) for members in groups]
    return sorted(designs, key=lambda d: (not d.holds, not d.is_open, -(d.best or 0.0), d.cost, d.design))


def _of_design(runs: Sequence[Standing], planned: Sequence[float]) -> DesignStanding:
    by_rate = [
        together(((run.seed, Verdict(run.within, run.verdict)) for run in members), members[0].rate)
        for members in grouped(runs, lambda run: run.rate)
    ]
    run = {standing.rate for standing in by_rate if standing.rate is not None}
    carried, worse, missing = ladder(by_rate, set(planned) - run if run <= set(planned) else ())
    best = carried[-1].rate if carried else None
    seeds = min(standing.seeds for standing in by_rate)
    return DesignStanding(runs[0].design, runs[-1].cost, best, worse, seeds, missing)
