"""ArrivalProcess at equal distances, the first at 0."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random

from sim_core.section import Section
from traces.arrivals.base import NS_PER_S, ArrivalProcess, rate
from traces.policy_text import Context


@dataclass(frozen=True)
class Constant(ArrivalProcess):
    """`rate` requests a second; request n comes at n / rate, to the nearest nanosecond."""

    name = "constant"
    form = "rate=70"

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Constant:
        return cls(rate(section))

    def times_ns(self, stream: Random) -> Iterator[int]:
        return (round(n * NS_PER_S / self.rate_per_s) for n in count())
