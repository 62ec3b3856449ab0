"""The normal distribution between two limits: sizes beyond them do not occur."""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.section import Section
from traces.distributions.normal import Normal
from traces.policy_text import Context


@dataclass(frozen=True)
class TruncNorm(Normal):
    """`mean` and `sd` describe the whole normal distribution, as SciPy's loc and scale do; min and max are required."""

    name = "truncnorm"
    form = "mean=1024,sd=500,min=10,max=4096"

    @classmethod
    def from_section(cls, section: Section, context: Context) -> TruncNorm:
        plain = Normal.from_section(section, context)
        for key in ("min", "max"):  # `parse` applies them, as for all distributions
            section.value(key)
        return cls(plain.mean_tokens, plain.sd_tokens)
