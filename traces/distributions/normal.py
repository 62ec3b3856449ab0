"""The normal distribution; sizes below 1 token become 1 token (truncnorm leaves them out instead)."""

from __future__ import annotations

from dataclasses import dataclass
from math import erfc, sqrt

from sim_core.section import Section
from traces.distributions.base import MAX_TOKENS, Distribution
from traces.policy_text import Context, number_between


def normal_cdf(deviations: float) -> float:
    """The share of a standard normal distribution at or below `deviations`."""
    return 0.5 * erfc(-deviations / sqrt(2.0))


@dataclass(frozen=True)
class Normal(Distribution):
    """`mean` and standard deviation `sd`, tokens, before rounding; with `sd` 0 all sizes are the mean."""

    name = "normal"
    form = "mean=1024,sd=200"
    mean_tokens: float
    sd_tokens: float

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Normal:
        mean = number_between(section, "mean", -MAX_TOKENS, MAX_TOKENS)
        return cls(mean, section.number("sd"))

    def cdf(self, tokens: int) -> float:
        if not self.sd_tokens:  # all sizes are the mean
            return float(tokens + 0.5 >= self.mean_tokens)
        return normal_cdf((tokens + 0.5 - self.mean_tokens) / self.sd_tokens)
