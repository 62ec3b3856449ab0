"""The lognormal distribution: many short, few very long, as prompts often are."""

from __future__ import annotations

from dataclasses import dataclass
from math import log

from sim_core.errors import SpecError
from sim_core.section import Section
from traces.distributions.base import MAX_TOKENS, Distribution
from traces.distributions.normal import normal_cdf
from traces.policy_text import Context, number_between

MAX_SIGMA = 10.0


@dataclass(frozen=True)
class LogNormal(Distribution):
    """The logarithm of a size is normal, of mean `mu` and standard deviation `sigma`; with 0 all sizes are the mean."""

    name = "lognormal"
    form = "mean=1024,sigma=0.8 (or median=... instead of mean)"
    mu: float
    sigma: float

    @classmethod
    def from_section(cls, section: Section, context: Context) -> LogNormal:
        """`mean` or `median`, of the sizes in tokens, and `sigma`, of their logarithm."""
        sigma = section.number("sigma")
        if sigma > MAX_SIGMA:
            raise section.error(
                "sigma", f"must be at most {MAX_SIGMA:g}; it is the standard deviation of the sizes' logarithm"
            )
        if section.has("mean") and section.has("median"):
            raise SpecError("give mean or median, not both", key=section.path("mean"))
        if section.has("median"):
            return cls(log(number_between(section, "median", 1.0, MAX_TOKENS)), sigma)
        return cls(log(number_between(section, "mean", 1.0, MAX_TOKENS)) - sigma * sigma / 2.0, sigma)

    def cdf(self, tokens: int) -> float:
        if not self.sigma:  # all sizes are the median
            return float(log(tokens + 0.5) >= self.mu)
        return normal_cdf((log(tokens + 0.5) - self.mu) / self.sigma)
