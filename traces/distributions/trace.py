"""The sizes of a trace."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

from sim_core.section import Section
from traces.distributions.base import Distribution
from traces.policy_text import SIZES, Context, GivenTrace, file_name


@dataclass(frozen=True)
class Empirical(Distribution):
    """The sizes of a trace, drawn with replacement, prompts and outputs independently."""

    name = "trace"
    form = "file=FILE"
    values: tuple[int, ...]  # ascending, each once
    shares: tuple[float, ...]  # of requests with at most so many tokens
    identity: str
    size: str

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Empirical:
        size = section.text("size", SIZES) if section.has("size") else context.size
        return cls.of(context.open_trace(file_name(section)), size)

    @classmethod
    def of(cls, source: GivenTrace, size: str) -> Empirical:
        """The prompts or outputs of a trace."""
        column = source.trace.prompt_tokens if size == "prompt" else source.trace.output_tokens
        import numpy as np  # named workloads do not need it

        values, counts = np.unique(np.frombuffer(column, np.int64), return_counts=True)
        shares = np.cumsum(counts) / len(column)
        return cls(tuple(values.tolist()), tuple(shares.tolist()), source.identity, size)

    def facts(self) -> object:
        return {"distribution": self.name, "file": self.identity, "size": self.size}

    def cdf(self, tokens: int) -> float:
        place = bisect_right(self.values, tokens)
        return self.shares[place - 1] if place else 0.0
