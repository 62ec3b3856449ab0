"""Independent gamma gaps: burstier than Poisson arrivals (cv above 1) or more even (below 1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from math import cos, log, pi, sqrt
from random import Random

from sim_core.section import Section
from traces.arrivals.base import NS_PER_S, ArrivalProcess, rate
from traces.policy_text import Context, zero_or_between

CV = (0.01, 30.0)


@dataclass(frozen=True)
class Gamma(ArrivalProcess):
    """`rate` requests a second; `cv`, the gaps' standard deviation over their mean (1: Poisson; 0: equal gaps).

    The process is stationary: the first arrival comes after the rest of a gap that began before 0, so that every second
    has the same expected number of requests.
    """

    name = "gamma"
    form = "rate=70,cv=2"
    cv: float

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Gamma:
        return cls(rate(section), zero_or_between(section, "cv", *CV))

    def times_ns(self, stream: Random) -> Iterator[int]:
        if not self.cv:
            first = stream.random()  # the share of a gap that is left
            yield from (int((first + n) * NS_PER_S / self.rate_per_s + 0.5) for n in count())
        shape = 1.0 / (self.cv * self.cv)
        scale_ns = NS_PER_S / (self.rate_per_s * shape)
        # The gap that covers 0 is drawn in proportion to its length (shape + 1); 0 is uniformly anywhere in it.
        at = int(gamma_variate(stream, shape + 1.0) * stream.random() * scale_ns + 0.5)
        while True:
            yield at
            at += int(gamma_variate(stream, shape) * scale_ns + 0.5)


def gamma_variate(stream: Random, shape: float) -> float:
    """From a gamma distribution of scale 1, made of `random()` alone.

    Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS 26 (2000), with Box and Muller's
    normal numbers; a shape below 1 by their U**(1/shape).
    """
    draw = stream.random
    power = 1.0
    if shape < 1.0:
        power = draw() ** (1.0 / shape)
        shape += 1.0
    d = shape - 1.0 / 3.0
    c = 1.0 / sqrt(9.0 * d)
    while True:
        x = sqrt(-2.0 * log(1.0 - draw())) * cos(2.0 * pi * draw())
        v = (1.0 + c * x) ** 3
        if v > 0.0 and log(1.0 - draw()) < 0.5 * x * x + d - d * v + d * log(v):
            return d * v * power
