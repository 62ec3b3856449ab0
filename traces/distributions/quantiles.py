"""The measured sizes of a workload."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from functools import cached_property
from random import Random

from sim_core.section import Section
from traces.distributions.base import Distribution
from traces.policy_text import SIZES, Context
from traces.sizes import Sizes, read_workload, workload_names


@dataclass(frozen=True)
class Quantiles(Distribution):
    """The figures in data/workloads of `workload`; `size` (prompt or output) may name the other size."""

    name = "quantiles"
    form = "workload=conv"
    sizes: Sizes

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Quantiles:
        workload = read_workload(section.text("workload", workload_names()))
        size = section.text("size", SIZES) if section.has("size") else context.size
        return cls(workload.prompt if size == "prompt" else workload.output)

    @cached_property
    def shares(self) -> list[float]:
        """The share of requests with at most smallest, smallest + 1, ... tokens."""
        return self.sizes.cumulative()

    def sample(self, stream: Random, count: int) -> array[int]:
        return self.sizes.sample(stream, count)

    def facts(self) -> object:
        return {"distribution": self.name, "shares": self.shares, "smallest": self.sizes.smallest}

    def cdf(self, tokens: int) -> float:
        place = tokens - self.sizes.smallest
        return 0.0 if place < 0 else self.shares[place] if place < len(self.shares) else 1.0
