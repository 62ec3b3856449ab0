"""Prompt and output sizes of requests: drawn independently of one another, or together from a given trace."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from dataclasses import dataclass

from sim_core.rng import Streams
from traces.distributions.base import Distribution
from traces.policy_text import GivenTrace


class Pairs(ABC):
    """Draws from the streams PREFIX/prompt_tokens and PREFIX/output_tokens."""

    @abstractmethod
    def sample(self, streams: Streams, prefix: str, count: int) -> tuple[array[int], array[int]]:
        """Prompt and output tokens of `count` requests; fewer are the beginning of more."""

    @abstractmethod
    def facts(self) -> object:
        """All that decides the sizes, for a digest: values that JSON has."""


@dataclass(frozen=True)
class Independent(Pairs):
    """Prompts and outputs that know nothing of one another."""

    prompt: Distribution
    output: Distribution

    def sample(self, streams: Streams, prefix: str, count: int) -> tuple[array[int], array[int]]:
        prompt = self.prompt.sample(streams[f"{prefix}/prompt_tokens"], count)
        return prompt, self.output.sample(streams[f"{prefix}/output_tokens"], count)

    def facts(self) -> object:
        return {"prompt": self.prompt.facts(), "output": self.output.facts()}


@dataclass(frozen=True)
class Joint(Pairs):
    """Requests of a given trace, drawn with replacement: which output belongs to which prompt stays."""

    given: GivenTrace

    def sample(self, streams: Streams, prefix: str, count: int) -> tuple[array[int], array[int]]:
        trace, draw = self.given.trace, streams[f"{prefix}/prompt_tokens"].random
        rows = [int(draw() * len(trace)) for _ in range(count)]
        prompt, output = trace.prompt_tokens, trace.output_tokens
        return array("q", [prompt[row] for row in rows]), array("q", [output[row] for row in rows])

    def facts(self) -> object:
        return {"jointly": self.given.identity}
