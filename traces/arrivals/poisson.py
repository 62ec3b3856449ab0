"""Poisson arrivals: independent exponential gaps, as many independent users cause."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from sim_core.section import Section
from traces.arrivals.base import ArrivalProcess, exponential_ns, rate
from traces.policy_text import Context


@dataclass(frozen=True)
class Poisson(ArrivalProcess):
    """`rate` requests a second."""

    name = "poisson"
    form = "rate=70"

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Poisson:
        return cls(rate(section))

    def times_ns(self, stream: Random) -> Iterator[int]:
        return accumulate(exponential_ns(stream, self.rate_per_s))
