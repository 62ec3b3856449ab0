"""The base class of arrival processes: endless times of arrival, in whole nanoseconds.

Mathematical libraries may differ in the last bits of a logarithm. So each random number is rounded to whole nanoseconds
(or billionths) before it is added up, and sums are the same on all machines.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from math import log
from random import Random
from typing import ClassVar, Self

from sim_core.section import Section
from traces.policy_text import Context, number_between

NS_PER_S = 1_000_000_000
RATES_PER_S = (1e-6, 1e6)  # beyond them nanoseconds are too coarse, or too many, to separate arrivals
SHORTEST_S, LONGEST_S = 1e-3, 1e9


@dataclass(frozen=True)
class ArrivalProcess(ABC):
    """`name` is its name in texts, `form` shows how its parameters are written."""

    name: ClassVar[str]
    form: ClassVar[str]
    rate_per_s: float  # over a long time

    @abstractmethod
    def times_ns(self, stream: Random) -> Iterator[int]:
        """Ascending times from 0 on, in nanoseconds, without end unless `span_s` says so."""

    @classmethod
    @abstractmethod
    def from_section(cls, section: Section, context: Context) -> Self:
        """The process with these parameters. SpecError when one is out of range."""

    def span_s(self) -> float | None:
        """When the times end by themselves, in seconds; None: never."""
        return None

    def at_rate(self, rate_per_s: float) -> Self:
        """The process at another rate. Its unevenness and the lengths of its bursts and periods stay the same."""
        return replace(self, rate_per_s=rate_per_s)

    def peak_per_s(self) -> float:
        """The rate at its highest."""
        return self.rate_per_s

    def steps_per_s(self) -> float:
        """Upper bound of random draws per simulated second; limits how long generation may take."""
        return self.rate_per_s

    def facts(self) -> object:
        """Everything that decides the times, for a digest, as values that JSON can hold."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {"arrivals": self.name, **values}


def rate(section: Section, key: str = "rate") -> float:
    """A rate in requests a second."""
    return number_between(section, key, *RATES_PER_S)


def length(section: Section, key: str, default: float | None = None) -> float:
    """A length of time in seconds."""
    return number_between(section, key, SHORTEST_S, LONGEST_S, default)


def exponential_ns(stream: Random, rate_per_s: float) -> Iterator[int]:
    """Endless independent exponential gaps in nanoseconds, one draw each."""
    # Rounded to whole nanoseconds: C libraries may differ in the last bit of log(), 13 digits further down.
    draw, scale = stream.random, -NS_PER_S / rate_per_s
    while True:
        yield int(log(1.0 - draw()) * scale + 0.5)
