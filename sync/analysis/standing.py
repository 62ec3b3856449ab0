"""What runs say together: repetitions at one rate, a design at its rates, and designs beside each other.

`standing_of` is the one function that judges repetitions. Answers, tables, and MLflow's page call it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from sync.analysis.repetitions import Judgement, judge_sample, sample_of
from sync.analysis.seeds import NO_COUNTS, judged_words
from sync.results import point_id
from sync.results.grouping import grouped
from sync.results.outcome import Outcome
from sync.results.slo import WITHIN, Slo
from sync.results.verdict import FAILED, Verdict, verdict

RateState = Literal["within", "beyond", "undecided", "failed"]
Counted = Callable[[Outcome], Outcome]  # gives an outcome the counts that it lacks: `Sweep.with_counts`


def name_by_rate(outcome: Outcome) -> str:
    """The run's name with its rate in front, as MLflow's lists show it."""
    return point_id.name_by_rate(outcome.point_id, outcome.name, with_seed="seed" in outcome.axes)


def repetitions(outcomes: Iterable[Outcome]) -> list[list[Outcome]]:
    """Outcomes in groups that differ by their seed alone, each ordered by seed, without repeated `draws`."""
    groups = grouped(outcomes, repeated_by)
    return [draws(sorted(members, key=lambda outcome: outcome.seed)) for members in groups]


def repeated_by(outcome: Outcome) -> Hashable:
    """Equal for repetitions, which differ by their seed alone."""
    return outcome.system, outcome.point_id.repeated, outcome.trace


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
    last, since it says least), else of the first run. `judgement`: what several seeds say by their counts (None: there
    is one seed, or counts are not known; then each seed has to be within)."""

    rate: float | None
    seeds: int
    within: int
    verdict: str
    judgement: Judgement | None = None

    @property
    def state(self) -> RateState:
        """Whether the rate is within the SLO or beyond it; `failed`: a run failed, and the others do not show that the
        rate is beyond the SLO, so it has no result."""
        if self.judgement is not None:
            return self.judgement.state
        if self.within == self.seeds:
            return "within"
        return "failed" if self.verdict == FAILED else "beyond"

    @property
    def carried(self) -> bool:
        """Whether the rate is within the SLO."""
        return self.state == "within"

    @property
    def text(self) -> str:
        """The verdict; of several seeds how they are judged together, or without counts how many are within."""
        if self.judgement is not None:
            return judged_words(self.judgement, self.verdict)
        if self.seeds == 1:
            return self.verdict
        if self.carried:
            return f"{WITHIN} with all of {self.seeds} seeds ({NO_COUNTS})"
        text = f"{self.within} of {self.seeds} seeds {WITHIN}, else {self.verdict}"
        return text if self.state == "failed" else f"{text} ({NO_COUNTS})"


def standing_of(runs: Sequence[Outcome], slo: Slo, counted: Counted | None = None) -> RateStanding:
    """What runs of one configuration at one rate say together, by `slo`.

    Runs with two or more seeds that differ (`draws`) are judged by their counts; `counted` gives them to an outcome
    that lacks them. One seed is judged by its verdict, and so is each of several seeds where one has no counts. A seed
    that failed leaves the rate without a result, unless the others show that the rate is beyond the SLO.
    """
    different = draws(runs)
    standing = together([(run.seed, verdict(run, slo)) for run in different], different[0].rate)
    judgement = _judged([run for run in different if run.status != "failed"], slo, counted)
    if judgement is None:
        return standing
    if judgement.state != "beyond" and any(run.status == "failed" for run in different):
        return replace(standing, verdict=FAILED)
    return replace(standing, judgement=judgement)


def _judged(runs: Sequence[Outcome], slo: Slo, counted: Counted | None) -> Judgement | None:
    """The judgement on runs with different seeds, of which there are several."""
    if len(runs) < 2 or len({run.seed for run in runs}) < len(runs):
        return None
    sample = sample_of(runs if counted is None else [counted(run) for run in runs], slo)
    return None if sample is None else judge_sample(sample)


def ladder(
    standings: Iterable[RateStanding], not_run: Iterable[float] = ()
) -> tuple[list[RateStanding], RateStanding | None, tuple[float, ...]]:
    """The standings at rates up to which all are carried, the lowest rate first; the first that is not carried (None:
    all are); and the rates that have no result, ascending: those that are planned and were `not_run`, and those that
    failed. No rate above one without a result counts as carried, nor above one that is undecided."""
    ordered = sorted(standings, key=lambda standing: (standing.rate or 0.0, standing.carried))
    worse = next((standing for standing in ordered if not standing.carried), None)
    failed = {standing.rate for standing in ordered if standing.state == "failed" and standing.rate is not None}
    missing = tuple(sorted(failed.union(not_run)))
    limit = min([math.inf if worse is None else worse.rate or 0.0, *missing[:1]])
    carried = [standing for standing in ordered if standing.rate is not None and standing.rate < limit]
    return carried, worse, missing


def bracket(standings: Iterable[RateStanding], carries: float | None) -> tuple[float | None, tuple[float, ...]]:
    """The lowest rate that is beyond the SLO (None: there is none), and below it the undecided rates above `carries`,
    ascending: what is known of the highest rate within the SLO, on the rates that were run."""
    rated = [(standing.rate, standing.state) for standing in standings if standing.rate is not None]
    beyond = min((rate for rate, state in rated if state == "beyond"), default=None)
    low, high = -math.inf if carries is None else carries, math.inf if beyond is None else beyond
    return beyond, tuple(sorted(rate for rate, state in rated if state == "undecided" and low < rate < high))


def ends(worse: RateStanding | None, missing: Sequence[float]) -> bool:
    """Whether no more is carried than below the first standing that is not carried, whatever the `missing` rates give:
    it was measured, at a lower rate than all of these."""
    return worse is not None and worse.state != "failed" and all((worse.rate or 0.0) < rate for rate in missing)


def decides(worse: RateStanding | None, missing: Sequence[float]) -> bool:
    """Whether the first standing that is not carried shows that no more is within the SLO: it `ends` what is carried,
    and is beyond the SLO and not undecided."""
    return worse is not None and worse.state == "beyond" and ends(worse, missing)


def together(judged: Iterable[tuple[int, Verdict]], rate: float | None = None) -> RateStanding:
    """What the verdicts on repetitions at `rate`, each with its seed, say together, without counts."""
    ordered = sorted(judged, key=lambda pair: (pair[1].text == FAILED, pair[0]))
    seeds = {seed for seed, _ in ordered}
    missed = {seed for seed, judged_run in ordered if not judged_run.within}
    reason = next((judged_run.text for _, judged_run in ordered if not judged_run.within), ordered[0][1].text)
    return RateStanding(rate, len(seeds), len(seeds - missed), reason)


@dataclass(frozen=True)
class Standing:
    """The verdict on one run and what the run belongs to. `rate` is in requests a second (None: the workload has no
    rate), `cost` in dollars an hour, `color` is what the design is drawn in, `system` is the design's. `outcome` is the
    run with its counts, and `slo` what judges it (None: not at hand; then several seeds are judged by verdicts)."""

    design: str
    rate: float | None
    within: bool
    verdict: str
    cost: float
    color: str = ""
    seed: int = 0
    system: str = ""
    outcome: Outcome | None = field(default=None, compare=False, repr=False)
    slo: Slo | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class DesignStanding:
    """What the verdicts on a design's runs say together. `best` is the highest rate up to which all are within the SLO
    (None: there is none), `worse` is the standing at the first rate that is not carried (None: all are). `seeds` is
    the smallest number of seeds that a rate was run with, `are_judged` whether all rates with several seeds are judged
    by counts. `missing` are rates that are planned and have no result, since they were not run or failed: no higher
    rate counts as the best. `beyond` and `undecided`: see `bracket`."""

    design: str
    cost: float
    best: float | None
    worse: RateStanding | None
    seeds: int
    missing: tuple[float, ...] = ()
    beyond: float | None = None
    undecided: tuple[float, ...] = ()
    are_judged: bool = True

    @property
    def holds(self) -> bool:
        """Whether the design is known to serve anything within the SLO."""
        return self.best is not None or (self.worse is None and not self.missing)

    @property
    def is_open(self) -> bool:
        """Whether it is open what the design serves, since the rates that decide have no result."""
        return not self.holds and not ends(self.worse, self.missing)

    @property
    def is_undecided(self) -> bool:
        """Whether the seeds do not tell if the design serves anything within the SLO."""
        return not self.holds and not self.is_open and not decides(self.worse, self.missing)


def rank(standings: Iterable[Standing], rates: Mapping[str, Sequence[float]] | None = None) -> list[DesignStanding]:
    """The designs, the highest rate within the SLO first, at equal rates the cheapest, then those of which it is
    undecided or open. `rates` are those that are planned, by system."""
    planned = rates or {}
    groups = grouped(standings, lambda standing: standing.design)
    designs = [_of_design(members, planned.get(members[0].system, ())) for members in groups]
    return sorted(
        designs, key=lambda d: (not d.holds, not d.is_undecided, not d.is_open, -(d.best or 0.0), d.cost, d.design)
    )


def _of_design(runs: Sequence[Standing], planned: Sequence[float]) -> DesignStanding:
    by_rate = [_at_rate(members) for members in grouped(runs, lambda run: run.rate)]
    run = {standing.rate for standing in by_rate if standing.rate is not None}
    carried, worse, missing = ladder(by_rate, set(planned) - run if run <= set(planned) else ())
    best = carried[-1].rate if carried else None
    beyond, undecided = bracket(by_rate, best)
    return DesignStanding(
        design=runs[0].design,
        cost=runs[-1].cost,
        best=best,
        worse=worse,
        seeds=min(standing.seeds for standing in by_rate),
        missing=missing,
        beyond=beyond,
        undecided=undecided,
        are_judged=are_judged(by_rate),
    )


def _at_rate(runs: Sequence[Standing]) -> RateStanding:
    outcomes = [run.outcome for run in runs if run.outcome is not None]
    if (slo := runs[0].slo) is not None and len(outcomes) == len(runs):
        return standing_of(outcomes, slo)
    return together(((run.seed, Verdict(run.within, run.verdict)) for run in runs), runs[0].rate)


def are_judged(standings: Iterable[RateStanding]) -> bool:
    """Whether all rates with several seeds, of which none failed, are judged by counts."""
    return all(s.judgement is not None for s in standings if s.seeds > 1 and s.state != "failed")
