"""What verdicts come to: of repetitions of one run, of one design over its rates, of designs beside each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from sync.results.grouping import grouped
from sync.results.outcome import Outcome
from sync.results.point_id import rate_text
from sync.results.slo import WITHIN
from sync.results.verdict import FAILED, Verdict


def name_by_rate(outcome: Outcome) -> str:
    """The point with its rate in front, as `24/s splitwise-ha 6P+4T conv`: MLflow's lists and legends cut the end."""
    if outcome.rate is None:
        return outcome.name
    return f"{rate_text(outcome.rate)}/s {outcome.design} {outcome.workload}{seed_text(outcome)}"


def seed_text(outcome: Outcome) -> str:
    """` seed 3`, where the experiment has an axis of seeds."""
    return f" seed {outcome.seed}" if "seed" in outcome.axes else ""


class Rated(Protocol):
    """What was run at a rate, in requests a second (None: the workload has no rate)."""

    @property
    def rate(self) -> float | None: ...


R = TypeVar("R", bound=Rated)
T = TypeVar("T")


def ladder(runs: Iterable[R], within: Callable[[R], bool]) -> tuple[list[R], R | None]:
    """The runs at rates up to which all are within the SLO, the lowest rate first, and the first run that is not (None:
    all are). A rate is carried when all of its runs, which are repetitions, are within."""
    ordered = sorted(runs, key=lambda run: (run.rate or 0.0, within(run)))
    worse = next((run for run in ordered if not within(run)), None)
    limit = math.inf if worse is None else worse.rate or 0.0
    return [run for run in ordered if run.rate is not None and run.rate < limit], worse


def repetitions(outcomes: Iterable[Outcome]) -> list[list[Outcome]]:
    """Outcomes in groups that differ by their seed alone, each ordered by seed, without repeated `draws`."""
    groups = grouped(outcomes, lambda outcome: (outcome.system, outcome.point_id.repeated, outcome.trace))
    return [draws(sorted(members, key=lambda outcome: outcome.seed)) for members in groups]


def draws(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes without those that repeat another to the bit: a seed that changes neither the trace nor the run is
    no further evidence. Such is the seed of a written trace, unless the scheduler draws from it."""
    found: list[Outcome] = []
    for outcome in outcomes:
        same = (outcome.trace_identity, outcome.status, outcome.summary)
        if not any((o.trace_identity, o.status, o.summary) == same and outcome.status == "completed" for o in found):
            found.append(outcome)
    return found


@dataclass(frozen=True, slots=True)
class Together:
    """What repetitions say together: of `seeds` different seeds `within` are within the SLO with all of their runs;
    `reason` is the text of the first run that is not, a failed one last, since it says least."""

    seeds: int
    within: int
    reason: str

    @property
    def text(self) -> str:
        """As of one run, with how many seeds are within."""
        if self.seeds == 1:
            return self.reason
        if self.within == self.seeds:
            return f"{WITHIN} with all of {self.seeds} seeds"
        return f"{self.within} of {self.seeds} seeds {WITHIN}, else {self.reason}"


def together(judged: Iterable[tuple[int, Verdict]]) -> Together:
    """What the verdicts on repetitions, each with its seed, say together."""
    ordered = sorted(judged, key=lambda one: (one[1].text == FAILED, one[0]))
    seeds = {seed for seed, _ in ordered}
    missed = {seed for seed, one in ordered if not one.within}
    reason = next((one.text for _, one in ordered if not one.within), ordered[0][1].text)
    return Together(len(seeds), len(seeds - missed), reason)


@dataclass(frozen=True)
class Standing:
    """One run's word on its design. `rate` is in requests a second (None: the workload has no rate), `cost` in dollars
    an hour, `color` is what the design is drawn in, `verdict` is displayed."""

    design: str
    rate: float | None
    within: bool
    verdict: str
    cost: float
    color: str = ""
    seed: int = 0


@dataclass(frozen=True)
class DesignStanding:
    """What a design's runs come to. `best` is the highest rate up to which all of them are within the SLO (None where
    there is none), `worse` what the runs at the first rate that is not carried say together (None: all are carried).
    `seeds` is the smallest number of seeds that a rate was run with."""

    design: str
    cost: float
    best: float | None
    worse: Standing | None
    seeds: int = 1

    @property
    def holds(self) -> bool:
        """Whether there is something that it serves within the SLO."""
        return self.best is not None or self.worse is None


def rank(standings: Iterable[Standing]) -> list[DesignStanding]:
    """The designs, the highest rate within the SLO first, at equal rates the cheapest."""
    designs = [_of_design(members) for members in grouped(standings, lambda standing: standing.design)]
    return sorted(designs, key=lambda d: (not d.holds, -(d.best or 0.0), d.cost, d.design))


def _of_design(runs: list[Standing]) -> DesignStanding:
    by_rate = [_at_rate(members) for members in grouped(runs, lambda run: run.rate)]
    carried, worse = ladder((standing for standing, _ in by_rate), lambda standing: standing.within)
    best = carried[-1].rate if carried else None
    return DesignStanding(runs[0].design, runs[-1].cost, best, worse, min(seeds for _, seeds in by_rate))


def _at_rate(runs: Sequence[Standing]) -> tuple[Standing, int]:
    """What repetitions say together, and how many seeds that rests on."""
    found = together((run.seed, Verdict(run.within, run.verdict)) for run in runs)
    return replace(runs[0], within=found.within == found.seeds, verdict=found.text), found.seeds
