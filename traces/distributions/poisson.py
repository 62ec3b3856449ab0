"""The Poisson distribution; its zeros become ones."""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.section import Section
from traces.distributions.base import Distribution
from traces.incomplete_gamma import upper_gamma
from traces.policy_text import Context, number_between

MAX_MEAN = 100_000.0


@dataclass(frozen=True)
class Poisson(Distribution):
    """`mean` in tokens."""

    name = "poisson"
    form = "mean=30"
    mean_tokens: float

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Poisson:
        return cls(number_between(section, "mean", 0.0, MAX_MEAN))

    def cdf(self, tokens: int) -> float:
        return upper_gamma(tokens + 1.0, self.mean_tokens)
