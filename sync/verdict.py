"""What a run says about its design: within the SLO or not; and what designs come to, by all of their runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from sync.base import Outcome
from sync.slo import PERCENTILES, PHASES

WITHIN = "within SLO"


def verdict(outcome: Outcome) -> str:
    """`within SLO`, or why not: `too slow: TTFT p90 p99, E2E p50`, `3 rejected`, `unstable: ...` or `failed`."""
    if outcome.status == "failed":
        return "failed"
    if outcome.status == "stopped":
        return f"unstable: stopped at {outcome.summary.get('run/stopped_early_s', math.nan):.4g} s"
    if outcome.summary.get("slo/within") == 1.0:
        return WITHIN
    counts = ((int(outcome.summary.get(f"run/{what}", 0.0)), what) for what in ("rejected", "unfinished"))
    reasons = [f"{count} {what}" for count, what in counts if count]
    slow = [f"{phase.upper()} {' '.join(missed)}" for phase in PHASES if (missed := _missed(outcome, phase))]
    reasons += [f"too slow: {', '.join(slow)}"] if slow else []
    return ", ".join(reasons) or "not measured"


def _missed(outcome: Outcome, phase: str) -> list[str]:
    return [p for p in PERCENTILES if outcome.summary.get(f"slo/{phase}_{p}") == 0.0]


def design(outcome: Outcome) -> str:
    """What a point is of, whatever the rate: its name without it."""
    return outcome.name if outcome.rate is None else " ".join(outcome.name.replace(_rate(outcome.rate), "").split())


def name_by_rate(outcome: Outcome) -> str:
    """The point's name with its rate in front, as `24/s splitwise-ha 6P+4T conv`: lists and legends cut the end."""
    if outcome.rate is None or _rate(outcome.rate) not in outcome.name:
        return outcome.name
    return f"{outcome.rate:g}/s {design(outcome)}"


def _rate(rate: float) -> str:
    return f" {rate:g} rps"


class Rated(Protocol):
    """What was run at a rate, in requests a second (None: not a rate's workload)."""

    @property
    def rate(self) -> float | None: ...


R = TypeVar("R", bound=Rated)


def ladder(runs: Iterable[R], within: Callable[[R], bool]) -> tuple[list[R], R | None]:
    """The runs at rates up to which all are within the SLO, the lowest rate first, and the first run that is not (None:
    all are). At one rate the worse one counts; of several that are not within, the first given."""
    ordered = sorted(runs, key=lambda run: (run.rate or 0.0, within(run)))
    worse = next((run for run in ordered if not within(run)), None)
    limit = math.inf if worse is None else worse.rate or 0.0
    return [run for run in ordered if run.rate is not None and run.rate < limit], worse


@dataclass(frozen=True)
class Standing:
    """One run's word on its design. `rate` is in requests a second (None: not a rate's workload), `cost` in dollars
    an hour, `color` is what the design is drawn in."""

    design: str
    rate: float | None
    verdict: str
    cost: float
    color: str = ""


@dataclass(frozen=True)
class DesignStanding:
    """What a design's runs come to. `best` is the highest rate up to which all of them are within the SLO (None where
    there is none), `worse` the first run that is not (None: all are)."""

    design: str
    cost: float
    best: float | None
    worse: Standing | None

    @property
    def holds(self) -> bool:
        """Whether there is something that it serves within the SLO."""
        return self.best is not None or self.worse is None


def rank(standings: Iterable[Standing]) -> list[DesignStanding]:
    """The designs, the highest rate within the SLO first, at equal rates the cheapest."""
    runs: dict[str, list[Standing]] = {}
    for standing in standings:
        runs.setdefault(standing.design, []).append(standing)
    designs = [_of_design(members) for members in runs.values()]
    return sorted(designs, key=lambda d: (not d.holds, -(d.best or 0.0), d.cost, d.design))


def _of_design(runs: list[Standing]) -> DesignStanding:
    carried, worse = ladder(runs, lambda run: run.verdict == WITHIN)
    return DesignStanding(runs[0].design, runs[-1].cost, carried[-1].rate if carried else None, worse)
