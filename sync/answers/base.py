"""The answers of a sweep, as values. What the words mean is in `sync.answers`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sync.slo import Slo


@dataclass(frozen=True)
class Configuration:
    """A cluster under a workload. `cost` in dollars an hour, `power` in the machines' weights, `watts` by nameplate.

    `carries`: the highest rate up to which all runs are within the SLO, in requests a second; None where there is none.
    `then`: the first rate that is not carried, and why (None: all are). `above`: rates within the SLO beyond that.
    `failed`: rates whose run failed. `holds`: within the SLO at what it was asked, which may have no rate at all.
    `requests_per_dollar`: completed, at the highest rate it carries (NaN-free: None where unknown). `tightest`: there,
    the largest share of a limit that it takes: 1 is at the limit.
    """

    name: str
    system: str
    workload: str
    machines: Mapping[str, int]
    cost: float
    power: float
    watts: float
    rates: tuple[float, ...]
    carries: float | None
    then: tuple[float | None, str] | None
    above: tuple[float, ...]
    failed: tuple[float, ...]
    holds: bool
    requests_per_dollar: float | None
    requests_per_kwh: float | None
    tightest: float | None = None

    @property
    def machine_count(self) -> int:
        """Of all kinds."""
        return sum(self.machines.values())

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
