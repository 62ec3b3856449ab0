"""The answers of a sweep, as values. `sync.analysis.answers` says what the terms mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from sync.analysis.repetitions import CONFIDENCE, Judgement, ratio
from sync.analysis.standing import RateStanding, are_judged, decides, ends
from sync.analysis.terms import Terms
from sync.results.slo import Slo

State = Literal["carries", "none", "undecided", "open"]
DrawsBy = Literal["watts", "power"]


@dataclass(frozen=True)
class Configuration:
    """A cluster under a workload. `cost` in dollars an hour, `power` in the machines' weights, `watts` by nameplate.

    `name`: design and workload. `at`: what the runs at each rate say, ascending. `carries`: the highest rate up to
    which all rates are within the SLO, in requests a second (None: there is none). `then`: what the runs at the first
    rate say that is not carried (None: all are). `above`: the rates beyond that which are within the SLO. `beyond`: the
    lowest rate that is beyond the SLO (None: there is none), so that of the rates that were run `carries` and `beyond`
    enclose the highest rate within the SLO. `undecided`: the rates between them at which the seeds do not tell.
    `failed`: the rates of which a run failed; `failed_runs` counts these runs. `holds`: whether anything is within the
    SLO, which may have no rate. `requests_per_dollar`, `requests_per_kwh`: completed, at the highest rate carried.
    `joules_per_request`: the energy of the GPUs at that rate, of which `estimated_joules` is the share by estimated
    power.
    `tightest`: the largest share of a limit there; 1 is at the limit. None: not known. `limit` is that limit. Where
    several seeds are judged by counts it is what their requests take of the limit, else the figure over the limit.
    `missing`: the rates that are planned and have no result, since they were not run or failed. `lowest`: what
    `tightest` and `limit` are at the lowest rate that has a result. `axes`: the settings that make the configuration,
    as far as the experiment varies them. `attainment`: the share of requests within the limits, where the configuration
    was run at one rate.
    """

    name: str
    system: str
    design: str
    workload: str
    machines: Mapping[str, int]
    roles: Mapping[str, Mapping[str, int]]
    cost: float
    power: float
    watts: float
    at: tuple[RateStanding, ...]
    carries: float | None
    then: RateStanding | None
    above: tuple[float, ...]
    failed: tuple[float, ...]
    failed_runs: int
    holds: bool
    requests_per_dollar: float | None
    requests_per_kwh: float | None
    tightest: float | None = None
    limit: str | None = None
    missing: tuple[float, ...] = ()
    lowest: tuple[float, str] | None = None
    axes: Mapping[str, object] = field(default_factory=dict)
    attainment: float | None = None
    beyond: float | None = None
    undecided: tuple[float, ...] = ()
    joules_per_request: float | None = None
    estimated_joules: float = 0.0

    @property
    def state(self) -> State:
        """Whether it carries a rate (or the load, which has no rate), none, or whether that is undecided with the seeds
        that were run, or open, since a point that decides it has no result."""
        if self.holds:
            return "carries"
        if decides(self.then, self.missing):
            return "none"
        return "undecided" if ends(self.then, self.missing) else "open"

    @property
    def is_decided(self) -> bool:
        """Whether the rate that it carries would stay as it is if all that is planned had a result."""
        return self.state != "open" and (not self.missing or ends(self.then, self.missing))

    @property
    def may_carry_more(self) -> bool:
        """Whether it may carry more than `carries`: no higher rate was run, the next one has no result, or seeds do not
        tell."""
        if self.carries is None:
            return False
        is_undecided = self.then is not None and self.then.state == "undecided"
        return is_undecided or not self.is_decided or self.carries == max(self.rates)

    @property
    def judgement(self) -> Judgement | None:
        """What several seeds say by their counts at the rate that it carries; None without."""
        return next((standing.judgement for standing in self.at if self.holds and standing.rate == self.carries), None)

    @property
    def interval(self) -> tuple[float, float] | None:
        """`carries` and `beyond`, where both are judged by several seeds: the interval of the highest rate within the
        SLO. None with one seed, and without an upper end."""
        judged = {standing.rate for standing in self.at if standing.judgement is not None}
        if self.carries is None or self.beyond is None or not {self.carries, self.beyond} <= judged:
            return None
        return self.carries, self.beyond

    @property
    def machine_count(self) -> int:
        """The number of machines of all kinds."""
        return sum(self.machines.values())

    @property
    def rates(self) -> tuple[float, ...]:
        """The rates that were run, ascending."""
        return tuple(standing.rate for standing in self.at if standing.rate is not None)

    @property
    def seeds(self) -> int:
        """The smallest number of seeds at a rate up to the first one not carried: what the answer rests on."""
        return min((standing.seeds for standing in self._deciding), default=0)

    @property
    def are_judged(self) -> bool:
        """Whether all rates with several seeds, up to the first one not carried, are judged by counts."""
        return are_judged(self._deciding)

    @property
    def _deciding(self) -> list[RateStanding]:
        last = None if self.then is None else self.then.rate
        return [s for s in self.at if last is None or s.rate is None or s.rate <= last]

    def may_carry(self, rate: float | None) -> bool:
        """Whether the seeds leave it undecided if it carries `rate` (None: whether it holds anything)."""
        if rate is None or self.meets(rate):
            return rate is None and self.state == "undecided"
        is_undecided = self.then is not None and self.then.state == "undecided" and ends(self.then, self.missing)
        return is_undecided and rate in self.rates and (self.beyond is None or rate < self.beyond)

    def meets(self, rate: float | None) -> bool:
        """Whether it carries `rate`, which was run (None: whether it holds anything). Nothing is interpolated."""
        return self.holds if rate is None else rate in self.rates and self.carries is not None and self.carries >= rate


@dataclass(frozen=True)
class SystemAnswer:
    """The best configurations of a system under a workload, None where there is none. `highest` carries most (of equals
    the cheapest, then the one of least power, then the one with the most room below the limits); `cheapest` and
    `least_power` carry the rate asked for. `configurations` counts the candidates. `cheapest_ties` and
    `least_power_ties` name the designs that cost, or draw, as little, `highest_ties` those that carry as much and cost
    the same."""

    system: str
    highest: Configuration | None
    cheapest: Configuration | None
    least_power: Configuration | None
    configurations: int
    cheapest_ties: tuple[str, ...] = ()
    least_power_ties: tuple[str, ...] = ()
    highest_ties: tuple[str, ...] = ()


@dataclass(frozen=True)
class Ranked:
    """A design in the order of `WorkloadAnswer.ranking`. Designs of one `place` are a tie: they carry the same rate and
    cost the same. Only those that carry something have a place. `at_least`: it may carry more. `share` of the limit
    `limit` is taken at `rate`: the rate that it carries, else the lowest that was run; with several seeds `low` and
    `high` are its interval. `less_than`: the upper end of `Configuration.interval`."""

    place: int | None
    design: str
    state: State
    carries: float | None
    at_least: bool
    rate: float | None
    share: float | None
    limit: str | None
    cost: float
    power: float
    watts: float
    less_than: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class AxisEffect:
    """How much an axis matters: designs that are equal in all other axes are compared, and of each comparison the
    spread, the highest less the lowest figure. The figure is the carried rate in requests a second, or where all runs
    are at one rate the attainment; `unit` says which."""

    axis: str
    values: tuple[str, ...]
    comparisons: int
    mean: float
    largest: float
    unit: Literal["requests/s", "attainment"]


@dataclass(frozen=True)
class Normalised:
    """A configuration in multiples of the reference's figures; None where one of the two has none. `rate_interval` is
    that of `rate` (None for the reference itself, and where one of the two has no interval)."""

    system: str
    configuration: Configuration
    rate: float | None
    machines: float | None
    cost: float | None
    power: float | None
    watts: float | None = None
    rate_interval: tuple[float, float] | None = None


def rate_ratio(one: Configuration, other: Configuration) -> tuple[float, float] | None:
    """The interval of the ratio of the rates that two configurations carry; None where one has no interval."""
    if one.interval is None or other.interval is None or not other.interval[0]:
        return None
    return ratio(one.interval, other.interval)


@dataclass(frozen=True)
class WorkloadAnswer:
    """The answers under one workload. `rate` is what `cheapest` and `least_power` carry: the rate asked for, else the
    highest that all systems carry which carry any. `front`: no other configuration costs less, draws less and carries
    more. `reference` is the system that tables are normalised to: of those that carry anything Baseline-A100, else the
    first baseline, else the first system. `asked`: whether `rate` was asked for. `draws_by`: what designs are compared
    by where they draw power, watts where those of all are known. `ranking`: all designs, the best first. `axes`: the
    axes that matter most first. `not_run`: designs that are planned, of which no point was run; `open_systems` are
    their systems."""

    workload: str
    rate: float | None
    systems: tuple[SystemAnswer, ...]
    front: tuple[Configuration, ...]
    configurations: tuple[Configuration, ...]
    reference: str
    asked: bool = False
    draws_by: DrawsBy = "power"
    ranking: tuple[Ranked, ...] = ()
    axes: tuple[AxisEffect, ...] = ()
    not_run: tuple[str, ...] = ()
    open_systems: tuple[str, ...] = ()

    @property
    def rates(self) -> tuple[float, ...]:
        """The rates that were run, ascending."""
        return tuple(sorted({rate for configuration in self.configurations for rate in configuration.rates}))

    @property
    def is_open(self) -> bool:
        """Whether a point that is planned has no result."""
        return bool(self.not_run) or any(c.missing or c.state == "open" for c in self.configurations)

    def largest(self, system: str) -> Configuration:
        """The largest configuration of a system: it stands for a system that holds nothing."""
        members = [configuration for configuration in self.configurations if configuration.system == system]
        return max(members, key=lambda member: (member.cost, member.machine_count, member.name))


@dataclass(frozen=True)
class SweepAnswers:
    """The answers of a sweep, by workload in the order of its points. `runs` counts all runs, `failed` and `stopped`
    those that failed or were stopped as unstable; `rejected` and `unfinished` count requests over all runs. `terms`:
    what the answers stand on. `not_run`: workloads that are planned, of which no point has a result. `confidence`: at
    which several seeds are judged."""

    slo: Slo
    workloads: tuple[WorkloadAnswer, ...]
    runs: int
    failed: int
    stopped: int
    rejected: int
    unfinished: int
    terms: Terms
    not_run: tuple[str, ...] = ()
    confidence: float = CONFIDENCE
