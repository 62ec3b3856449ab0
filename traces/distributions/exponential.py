"""The exponential distribution."""

from __future__ import annotations

from dataclasses import dataclass
from math import expm1

from sim_core.section import Section
from traces.distributions.base import MAX_TOKENS, Distribution
from traces.policy_text import Context, number_between


@dataclass(frozen=True)
class Exponential(Distribution):
    """`mean` in tokens, before rounding."""

    name = "exponential"
    form = "mean=200"
    mean_tokens: float

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Exponential:
        return cls(number_between(section, "mean", 1.0, MAX_TOKENS))

    def cdf(self, tokens: int) -> float:
        return -expm1(-(tokens + 0.5) / self.mean_tokens)
