"""The measured sizes of a workload."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

from sim_core.section import Section
from traces.distributions.base import Distribution
from traces.policy_text import SIZES, Context
from traces.sizes import Knots, read_workload, workload_names


@dataclass(frozen=True)
class Quantiles(Distribution):
    """The figures in data/workloads of `workload`; `size` (prompt or output) may name the other size."""

    name = "quantiles"
    form = "workload=conv"
    knots: Knots

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Quantiles:
        workload = read_workload(section.text("workload", workload_names()))
        return cls(workload[section.text("size", SIZES) if section.has("size") else context.size])

    @property
    def smallest(self) -> int:
        """The smallest size, tokens."""
        return self.knots[0][0] + 1

    @cached_property
    def shares(self) -> list[float]:
        """The share of requests with at most smallest, smallest + 1, ... tokens."""
        shares: list[float] = []
        for (t0, p0), (t1, p1) in pairwise(self.knots):
            shares += [p0 + (p1 - p0) * (t - t0) / (t1 - t0) for t in range(t0 + 1, t1)]
            shares.append(p1)
        return shares

    def facts(self) -> object:
        return {"distribution": self.name, "shares": self.shares, "smallest": self.smallest}

    def cdf(self, tokens: int) -> float:
        place = tokens - self.smallest
        return 0.0 if place < 0 else self.shares[place] if place < len(self.shares) else 1.0
