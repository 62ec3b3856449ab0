"""A rate that changes in steps, over and over: Poisson arrivals of unit rate, stretched by the rate of their time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle
from random import Random

from sim_core.section import Section
from traces.arrivals.base import LONGEST_S, NS_PER_S, RATES_PER_S, SHORTEST_S, ArrivalProcess, exponential_ns
from traces.policy_text import Context, numbers


@dataclass(frozen=True)
class Piecewise(ArrivalProcess):
    """`rates` requests a second for `seconds` each; then from the first again."""

    name = "piecewise"
    form = "rates=10/50/20,seconds=60/120/60"
    rates_per_s: tuple[float, ...]
    lengths_s: tuple[float, ...]

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Piecewise:
        rates, lengths = numbers(section, "rates"), numbers(section, "seconds")
        if len(rates) != len(lengths):
            raise section.error("seconds", f"{len(lengths)} lengths for {len(rates)} rates")
        if not all(SHORTEST_S <= length <= LONGEST_S for length in lengths):
            raise section.error("seconds", f"must each be from {SHORTEST_S:g} to {LONGEST_S:,.0f}")
        least, most = RATES_PER_S
        if not any(rates) or not all(rate == 0.0 or least <= rate <= most for rate in rates):
            raise section.error("rates", f"must each be 0 or from {least:f} to {most:,.0f}, and not all 0")
        total = sum(rate * length for rate, length in zip(rates, lengths, strict=True))
        return cls(total / sum(lengths), rates, lengths)

    def at_rate(self, rate_per_s: float) -> Piecewise:
        factor = rate_per_s / self.rate_per_s
        return Piecewise(rate_per_s, tuple(rate * factor for rate in self.rates_per_s), self.lengths_s)

    def peak_per_s(self) -> float:
        return max(self.rates_per_s)

    def steps_per_s(self) -> float:
        return self.rate_per_s + len(self.lengths_s) / sum(self.lengths_s)

    def times_ns(self, stream: Random) -> Iterator[int]:
        gaps = exponential_ns(stream, 1.0)  # of unit rate: billionths of an expected request
        ahead = next(gaps) / NS_PER_S  # expected requests until the next one
        begin_ns = 0
        for rate, length_s in cycle(zip(self.rates_per_s, self.lengths_s, strict=True)):
            left = rate * length_s
            while ahead < left:
                left -= ahead
                yield begin_ns + int((length_s - left / rate) * NS_PER_S + 0.5)
                ahead = next(gaps) / NS_PER_S
            ahead -= left
            begin_ns += int(length_s * NS_PER_S + 0.5)
