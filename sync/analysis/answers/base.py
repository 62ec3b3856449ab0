"""The answers of a sweep, as values. `sync.analysis.answers` says what the terms mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sync.analysis.standing import RateStanding
from sync.results.slo import Slo


@dataclass(frozen=True)
class Configuration:
    """A cluster under a workload. `cost` in dollars an hour, `power` in the machines' weights, `watts` by nameplate.

    `name`: design and workload. `at`: what the runs at each rate say, ascending. `carries`: the highest rate up to
    which all runs are within the SLO, in requests a second (None: there is none). `then`: what the runs at the first
    rate say that is not carried (None: all are). `above`: the rates beyond that at which all seeds are within the SLO.
    `failed`: the rates of which a run failed; `failed_runs` counts these runs. `holds`: whether anything is within the
    SLO, which may have no rate. `requests_per_dollar`, `requests_per_kwh`: completed, at the highest rate carried.
    `tightest`: the largest share of a limit there; 1 is at the limit. None: not known.
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
        last = None if self.then is None else self.then.rate
        counted = [s.seeds for s in self.at if last is None or s.rate is None or s.rate <= last]
        return min(counted, default=0)

    def meets(self, rate: float | None) -> bool:
        """Whether it carries `rate` (None: whether it holds anything)."""
        return self.holds if rate is None else self.carries is not None and self.carries >= rate


@dataclass(frozen=True)
class SystemAnswer:
    """The best configurations of a system under a workload, None where there is none. `highest` carries most (of equals
    the cheapest, then the one of least power, then the one with the most room below the limits); `cheapest` and
    `least_power` carry the rate asked for. `configurations` counts the candidates."""

    system: str
    highest: Configuration | None
    cheapest: Configuration | None
    least_power: Configuration | None
    configurations: int


@dataclass(frozen=True)
class Normalised:
    """A configuration in multiples of the reference's figures; None where one of the two has none."""

    system: str
    configuration: Configuration
    rate: float | None
    machines: float | None
    cost: float | None
    power: float | None


@dataclass(frozen=True)
class WorkloadAnswer:
    """The answers under one workload. `rate` is what `cheapest` and `least_power` carry: the rate asked for, else the
    highest that all systems carry which carry any. `front`: no other configuration costs less, draws less and carries
    more. `reference` is the system that tables are normalised to: of those that carry anything Baseline-A100, else the
    first baseline, else the first system."""

    workload: str
    rate: float | None
    systems: tuple[SystemAnswer, ...]
    front: tuple[Configuration, ...]
    configurations: tuple[Configuration, ...]
    reference: str

    def largest(self, system: str) -> Configuration:
        """The largest configuration of a system: it stands for a system that holds nothing."""
        members = [configuration for configuration in self.configurations if configuration.system == system]
        return max(members, key=lambda member: (member.cost, member.machine_count, member.name))


@dataclass(frozen=True)
class SweepAnswers:
    """The answers of a sweep, by workload in the order of its points. `runs` counts all runs, `failed` and `stopped`
    those that failed or were stopped as unstable; `rejected` and `unfinished` count requests over all runs."""

    slo: Slo
    workloads: tuple[WorkloadAnswer, ...]
    runs: int
    failed: int
    stopped: int
    rejected: int
    unfinished: int
