"""Any real number between two limits, rounded to whole tokens (so that the limits themselves are half as likely)."""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.section import Section
from traces.distributions.base import MAX_TOKENS, Distribution
from traces.policy_text import Context, number_between


@dataclass(frozen=True)
class Uniform(Distribution):
    """Evenly from `low` to `high` (tokens, may have fractions)."""

    name = "uniform"
    form = "low=100,high=2000"
    low: float
    high: float

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Uniform:
        low, high = (number_between(section, key, 0.0, MAX_TOKENS) for key in ("low", "high"))
        if high < low:
            raise section.error("high", f"must be at least low={low:g}")
        return cls(low, high)

    def cdf(self, tokens: int) -> float:
        if self.low == self.high:
            return float(tokens + 0.5 >= self.low)
        return min(1.0, max(0.0, (tokens + 0.5 - self.low) / (self.high - self.low)))
