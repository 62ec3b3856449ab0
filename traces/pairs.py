"""Prompt and output sizes of requests, drawn independently of each other or together from a trace."""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from dataclasses import dataclass

from sim_core.rng import Streams
from traces.distributions.base import Distribution
from traces.policy_text import GivenTrace


class Pairs(ABC):
    """Draws sizes from the random streams PREFIX/prompt_tokens and PREFIX/output_tokens."""

    @abstractmethod
    def sample(self, streams: Streams, prefix: str, count: int) -> tuple[array[int], array[int]]:
        """Prompt and output tokens of `count` requests. A smaller count gives the beginning of a larger one."""

    @abstractmethod
    def facts(self) -> object:
        """Everything that decides the sizes, for a digest, as values that JSON can hold."""


@dataclass(frozen=True)
class Independent(Pairs):
    """Prompts and outputs are drawn independently."""

    prompt: Distribution
    output: Distribution

    def sample(self, streams: Streams, prefix: str, count: int) -> tuple[array[int], array[int]]:
        prompt = self.prompt.sample(streams[f"{prefix}/prompt_tokens"], count)
        return prompt, self.output.sample(streams[f"{prefix}/output_tokens"], count)

    def facts(self) -> object:
        return {"prompt": self.prompt.facts(), "output": self.output.facts()}


@dataclass(frozen=True)
class Joint(Pairs):
    """Whole requests of a trace, drawn with replacement, so that each prompt keeps its output."""

    drawn_from: GivenTrace

    def sample(self, streams: Streams, prefix: str, count: int) -> tuple[array[int], array[int]]:
        trace, draw = self.drawn_from.trace, streams[f"{prefix}/prompt_tokens"].random
        rows = [int(draw() * len(trace)) for _ in range(count)]
        prompt, output = trace.prompt_tokens, trace.output_tokens
        return array("q", [prompt[row] for row in rows]), array("q", [output[row] for row in rows])

    def facts(self) -> object:
        return {"jointly": self.drawn_from.identity}
