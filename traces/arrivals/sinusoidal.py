"""A rate that swings like day and night: Poisson arrivals at the peak rate, thinned to the rate of their time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import cos, pi
from random import Random

from sim_core.section import Section
from traces.arrivals.base import NS_PER_S, ArrivalProcess, exponential_ns, length, rate
from traces.policy_text import Context, number_between

DAY_S = 86400.0


@dataclass(frozen=True)
class Sinusoidal(ArrivalProcess):
    """rate × (1 + amplitude × cos(2π (t − peak_s) / period_s)) requests a second, at t seconds.

    `rate` is the mean over a period (a day unless `period_s` says otherwise), `amplitude` 0 to 1. The peak is a
    quarter of a period after the start unless `peak_s` says otherwise.
    """

    name = "sinusoidal"
    form = "rate=70,amplitude=0.6 (and period_s=86400,peak_s=21600)"
    amplitude: float
    period_s: float
    peak_s: float

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Sinusoidal:
        period_s = length(section, "period_s", DAY_S)
        peak_s = number_between(section, "peak_s", 0.0, period_s, period_s / 4.0)
        return cls(rate(section), number_between(section, "amplitude", 0.0, 1.0), period_s, peak_s)

    def peak_per_s(self) -> float:
        return self.rate_per_s * (1.0 + self.amplitude)

    def steps_per_s(self) -> float:
        return self.peak_per_s()

    def times_ns(self, stream: Random) -> Iterator[int]:
        most = 1.0 + self.amplitude
        turn = 2.0 * pi / self.period_s
        for at in accumulate(exponential_ns(stream, self.rate_per_s * most)):
            if stream.random() * most < 1.0 + self.amplitude * cos(turn * (at / NS_PER_S - self.peak_s)):
                yield at
