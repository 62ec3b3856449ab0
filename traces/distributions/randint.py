"""Whole numbers, all equally likely."""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.section import Section
from traces.distributions.base import Distribution, token_count
from traces.policy_text import Context


@dataclass(frozen=True)
class RandInt(Distribution):
    """From `low` to `high` tokens, both included."""

    name = "randint"
    form = "low=1,high=100"
    low: int
    high: int

    @classmethod
    def from_section(cls, section: Section, context: Context) -> RandInt:
        low = section.integer("low", 1)
        return cls(low, token_count(section, "high", low))

    def cdf(self, tokens: int) -> float:
        return min(1.0, max(0.0, (tokens - self.low + 1) / (self.high - self.low + 1)))
