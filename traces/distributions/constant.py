"""The same size for all requests."""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.section import Section
from traces.distributions.base import Distribution, token_count
from traces.policy_text import Context


@dataclass(frozen=True)
class Constant(Distribution):
    """Every request has `tokens`."""

    name = "constant"
    form = "tokens=512"
    tokens: int

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Constant:
        return cls(token_count(section, "tokens"))

    def cdf(self, tokens: int) -> float:
        return 1.0 if tokens >= self.tokens else 0.0
