"""Bursts: Poisson arrivals while a source is on, fewer or none while it is off (an interrupted Poisson process)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from random import Random

from sim_core.section import Section
from traces.arrivals.base import LONGEST_S, SHORTEST_S, ArrivalProcess, exponential_ns, length, rate
from traces.policy_text import Context, zero_or_between

MIN_QUIET = 1e-6


@dataclass(frozen=True)
class OnOff(ArrivalProcess):
    """`rate` requests a second over all; on and off for exponential times of mean `on_s` and `off_s` seconds.

    `quiet` is the rate while off as a share of the rate while on. The process is stationary from 0 on. With `off_s` 0
    the source is always on.
    """

    name = "onoff"
    form = "rate=70,on_s=10,off_s=30 (and quiet=0.1)"
    on_s: float
    off_s: float
    quiet: float

    @classmethod
    def from_section(cls, section: Section, context: Context) -> OnOff:
        on_s, off_s = length(section, "on_s"), zero_or_between(section, "off_s", SHORTEST_S, LONGEST_S)
        quiet = zero_or_between(section, "quiet", MIN_QUIET, 1.0, 0.0)
        return cls(rate(section), on_s, off_s, quiet)

    def peak_per_s(self) -> float:
        return self.rate_per_s * (self.on_s + self.off_s) / (self.on_s + self.quiet * self.off_s)

    def steps_per_s(self) -> float:
        return self.rate_per_s + 2.0 / (self.on_s + self.off_s)

    def times_ns(self, stream: Random) -> Iterator[int]:
        rate_on = self.peak_per_s()
        if not self.off_s:
            yield from accumulate(exponential_ns(stream, rate_on))
        gaps = {True: exponential_ns(stream, rate_on)}
        if self.quiet:
            gaps[False] = exponential_ns(stream, rate_on * self.quiet)
        lengths = {True: exponential_ns(stream, 1.0 / self.on_s), False: exponential_ns(stream, 1.0 / self.off_s)}
        on = stream.random() * (self.on_s + self.off_s) < self.on_s
        begin = 0
        while True:
            end = begin + next(lengths[on])
            if on in gaps:
                at = begin + next(gaps[on])
                while at < end:
                    yield at
                    at += next(gaps[on])
            begin, on = end, not on
