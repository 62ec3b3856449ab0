"""The sizes of a workload that there are measured figures of."""

from __future__ import annotations

from dataclasses import dataclass

from sim_core.section import Section
from traces.distributions.base import Distribution
from traces.policy_text import SIZES, Context
from traces.sizes import Sizes, read_workload, workload_names


@dataclass(frozen=True)
class Quantiles(Distribution):
    """What data/workloads has of `workload`; `size` may be the other one (prompt or output)."""

    name = "quantiles"
    form = "workload=conv"
    shares: tuple[float, ...]  # of requests with at most smallest, smallest + 1, ... tokens
    smallest: int

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Quantiles:
        workload = read_workload(section.text("workload", workload_names()))
        size = section.text("size", SIZES) if section.has("size") else context.size
        sizes: Sizes = workload.prompt if size == "prompt" else workload.output
        return cls(tuple(sizes.cumulative()), sizes.smallest)

    def cdf(self, tokens: int) -> float:
        place = tokens - self.smallest
        return 0.0 if place < 0 else self.shares[place] if place < len(self.shares) else 1.0
