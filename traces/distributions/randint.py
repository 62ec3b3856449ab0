"""Whole numbers, all equally likely."""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.section import Section
from traces.distributions.base import MAX_TOKENS, Distribution
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
        high = section.integer("high", low)
        if high > MAX_TOKENS:
            raise section.error("high", f"must be at most {MAX_TOKENS:,}")
        return cls(low, high)

    def cdf(self, tokens: int) -> float:
        return min(1.0, max(0.0, (tokens - self.low + 1) / (self.high - self.low + 1)))
