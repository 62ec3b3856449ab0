"""The answers of a sweep, as values. What the words mean is in `sync.analysis.answers`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sync.results.slo import Slo


@dataclass(frozen=True)
class RateStanding:
    """What a configuration's runs at one rate say together (None: the workload has no rate). `seeds` counts them, each
    of another seed, `within` those within the SLO; `verdict` is the text of the first that is not, else of the first.
    """

    rate: float | None
    seeds: int
    within: int
    verdict: str

    @property
    def carried(self) -> bool:
        """Whether all seeds are within the SLO."""
        return self.within == self.seeds

    @property
    def share(self) -> str:
        """`4 of 6 seeds`; nothing for a single run."""
        return f"{self.within} of {self.seeds} seeds" if self.seeds > 1 else ""

    @property
    def why(self) -> str:
        """`4 of 6 seeds within, else 3 rejected`; of a single run its verdict."""
        return f"{self.share} within, else {self.verdict}" if self.share else self.verdict


@dataclass(frozen=True)
class Configuration:
    """A cluster under a workload. `cost` in dollars an hour, `power` in the machines' weights, `watts` by nameplate.

    `name` is design and workload. `at`: what the runs at each rate say, ascending; the runs at one rate are repetitions
    with other seeds. `carries`: the highest rate up to which all runs are within the SLO, in requests a second; None
    where there is none. `then`: what the runs at the first rate say that is not carried (None: all are). `above`: rates
    that all seeds are within the SLO at, beyond that. `failed`: rates of which a run failed, `failed_runs` counts these
    runs. `holds`: within the SLO at what it was asked, which may have no rate at all.
    `requests_per_dollar`: completed, at the highest rate it carries (NaN-free: None where unknown). `tightest`: there,
    the largest share of a limit that it takes: 1 is at the limit.
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
        """Of all kinds."""
        return sum(self.machines.values())

    @property
    def rates(self) -> tuple[float, ...]:
        """The rates that were run, ascending."""
        return tuple(one.rate for one in self.at if one.rate is not None)

    @property
    def seeds(self) -> int:
        """The fewest seeds that a rate up to the first one not carried was run with: what the answer rests on."""
        last = None if self.then is None else self.then.rate
        counted = [one.seeds for one in self.at if last is None or one.rate is None or one.rate <= last]
        return min(counted, default=0)

    def meets(self, rate: float | None) -> bool:
        """Whether it carries a rate (None: whatever it was asked)."""
        return self.holds if rate is None else self.carries is not None and self.carries >= rate


@dataclass(frozen=True)
class SystemAnswer:
    """The best of a system under a workload: `highest` carries most (of equals the cheapest, then of least power, then
    with the most room below the limits), `cheapest` and `least_power` carry the rate asked for. None: there is none."""

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
    """The answers under one workload. `rate` is what `cheapest` and `least_power` carry: what was asked for, else the
    highest rate that all systems carry which carry any. `front`: no other configuration costs less, draws less and
    carries more (in at least one of them, and is as good in the others). `reference` is what tables are normalised to:
    of the systems that carry anything Baseline-A100, else the first baseline, else the first.
    """

    workload: str
    rate: float | None
    systems: tuple[SystemAnswer, ...]
    front: tuple[Configuration, ...]
    configurations: tuple[Configuration, ...]
    reference: str | None


@dataclass(frozen=True)
class SweepAnswers:
    """The answers of a sweep, by workload in the order of its points."""

    slo: Slo
    workloads: tuple[WorkloadAnswer, ...]
    runs: int
    failed: int
    stopped: int
