"""The same size for all requests."""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.section import Section
from traces.distributions.base import MAX_TOKENS, Distribution
from traces.policy_text import Context


@dataclass(frozen=True)
class Constant(Distribution):
    """Every request has `tokens`."""

    name = "constant"
    form = "tokens=512"
    tokens: int

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Constant:
        tokens = section.integer("tokens", 1)
        if tokens > MAX_TOKENS:
            raise section.error("tokens", f"must be at most {MAX_TOKENS:,}")
        return cls(tokens)

    def cdf(self, tokens: int) -> float:
        return 1.0 if tokens >= self.tokens else 0.0
