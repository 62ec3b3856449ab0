"""What an arrival process is: times without end, in whole nanoseconds.

Whole, because mathematical libraries may differ in the last bits of a logarithm; what is random becomes whole
nanoseconds (or billionths) before it is added up, and adding is exact or the same on all machines.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from random import Random
from typing import ClassVar, Self

from sim_core.section import Section
from traces.named import RATES_PER_S
from traces.policy_text import Context, number_between

SHORTEST_S, LONGEST_S = 1e-3, 1e9


@dataclass(frozen=True)
class Arrivals(ABC):
    """`name` is how texts call it, `form` how its parameters are written."""

    name: ClassVar[str]
    form: ClassVar[str]
    rate_per_s: float  # in the long run

    @abstractmethod
    def times_ns(self, stream: Random) -> Iterator[int]:
        """Ascending times from 0 on, in nanoseconds, without end unless `span_s` says so."""

    @classmethod
    @abstractmethod
    def from_section(cls, section: Section, context: Context) -> Self:
        """From its parameters; SpecError when one is out of range."""

    def span_s(self) -> float | None:
        """When the times end of themselves; None: never."""
        return None

    def at_rate(self, rate_per_s: float) -> Self:
        """The same kind of arrivals at another rate: as uneven, and its bursts and days as long, as they were."""
        return replace(self, rate_per_s=rate_per_s)

    def peak_per_s(self) -> float:
        """The rate at its highest."""
        return self.rate_per_s

    def steps_per_s(self) -> float:
        """How much work a second of the times is: requests, and whatever else has to be drawn."""
        return self.rate_per_s

    def facts(self) -> object:
        """All that decides the times, for a digest: values that JSON has."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}
        return {"arrivals": self.name, **values}


def rate(section: Section, key: str = "rate") -> float:
    """A rate in requests a second."""
    return number_between(section, key, *RATES_PER_S)


def length(section: Section, key: str, default: float | None = None) -> float:
    """A length of time in seconds."""
    return number_between(section, key, SHORTEST_S, LONGEST_S, default)
