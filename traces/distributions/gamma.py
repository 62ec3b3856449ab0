"""The gamma distribution, by its mean and its coefficient of variation."""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.section import Section
from traces.distributions.base import MAX_TOKENS, Distribution
from traces.incomplete_gamma import lower_gamma
from traces.policy_text import Context, number_between, zero_or_between

CV = (0.01, 30.0)


@dataclass(frozen=True)
class Gamma(Distribution):
    """`mean` in tokens and `cv`, standard deviation over mean, before rounding (1: exponential; 0: all equal)."""

    name = "gamma"
    form = "mean=200,cv=1.1"
    mean_tokens: float
    cv: float

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Gamma:
        return cls(number_between(section, "mean", 1.0, MAX_TOKENS), zero_or_between(section, "cv", *CV))

    def cdf(self, tokens: int) -> float:
        if not self.cv:  # all sizes are the mean
            return float(tokens + 0.5 >= self.mean_tokens)
        shape = 1.0 / (self.cv * self.cv)
        return lower_gamma(shape, (tokens + 0.5) / self.mean_tokens * shape)
