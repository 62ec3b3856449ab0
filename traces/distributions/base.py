"""The base class of size distributions. A distribution is defined by the share of requests with at most n tokens.

Sizes are whole tokens from 1 on. A continuous distribution is rounded to the nearest whole token, and sizes below 1
become 1. A draw inverts the shares with one `random()`: mathematical libraries that differ in their last bits give
another size about once in 10**10 draws.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, fields
from functools import cache
from random import Random
from typing import ClassVar, Self

from sim_core.errors import SpecError
from sim_core.section import Section
from traces.policy_text import Context, parameters

MAX_TOKENS = 10_000_000  # no request is longer
MAX_BEYOND = 0.001  # share of requests beyond it that is silently cut to it
LARGEST_DRAW = 1.0 - 2.0**-53
MAX_TABLE = 1 << 16  # sizes; with more, shares are computed one by one where needed
MIN_WITHIN = 1e-6  # share of requests that must lie between min and max


class Distribution(ABC):
    """`name` is its name in texts, `form` shows how its parameters are written."""

    name: ClassVar[str]
    form: ClassVar[str]

    @abstractmethod
    def cdf(self, tokens: int) -> float:
        """The share of requests with at most `tokens` (1 or more) tokens."""

    @classmethod
    def from_section(cls, section: Section, context: Context) -> Self:
        """The distribution with these parameters. SpecError when one is out of range."""
        raise NotImplementedError(f"{cls.name} has no parameters of its own")

    @classmethod
    def parse(cls, body: str, context: Context, key: str) -> Distribution:
        """The distribution that the text behind its name describes. All take `min` and `max`, which truncate it."""
        section = parameters(body, key)
        plain = cls.from_section(section, context)
        least, most = section.integer("min", 1, 1), token_count(section, "max", 1, MAX_TOKENS)
        limited = section.has("min") or section.has("max")
        section.done()
        return Truncated.of(plain, least, most, key) if limited else checked(plain, key)

    def facts(self) -> object:
        """Everything that decides the sizes, for a digest, as values that JSON can hold."""
        values = {item.name: getattr(self, item.name) for item in fields(self)}  # type: ignore[arg-type]
        return {"distribution": self.name, **values}

    def support(self) -> tuple[int, int]:
        """The smallest and the largest size that can be drawn."""
        every = range(1, MAX_TOKENS)
        return 1 + bisect_right(every, 0.0, key=self.cdf), 1 + bisect_left(every, LARGEST_DRAW, key=self.cdf)

    def sample(self, stream: Random, count: int) -> array[int]:
        """`count` independent sizes, one draw each. A smaller count gives the beginning of a larger one."""
        draw = stream.random
        first, last = self.support()
        sizes = range(first, last)
        if len(sizes) <= min(MAX_TABLE, count):
            shares = [self.cdf(tokens) for tokens in sizes]
            return array("q", [first + bisect_right(shares, draw()) for _ in range(count)])
        share = cache(self.cdf)
        return array("q", [first + bisect_right(sizes, draw(), key=share) for _ in range(count)])

    def mean(self) -> float:
        """The mean of the whole tokens that are drawn (not that of a continuous distribution before rounding)."""
        first, last = self.support()
        return first + sum(1.0 - self.cdf(tokens) for tokens in range(first, last))


def token_count(section: Section, key: str, least: int = 1, default: int | None = None) -> int:
    """A whole number of tokens, from `least` to MAX_TOKENS."""
    value = section.integer(key, least, default)
    if value > MAX_TOKENS:
        raise section.error(key, f"must be at most {MAX_TOKENS:,}")
    return value


def checked(distribution: Distribution, key: str) -> Distribution:
    """SpecError when more than MAX_BEYOND of the sizes exceed MAX_TOKENS; fewer become MAX_TOKENS."""
    beyond = 1.0 - distribution.cdf(MAX_TOKENS)
    if beyond > MAX_BEYOND:
        raise SpecError(f"{beyond:.1%} of the sizes are beyond {MAX_TOKENS:,} tokens; give a max", key=key)
    return distribution


@dataclass(frozen=True)
class Truncated(Distribution):
    """The sizes of `plain` from `least` to `most`; their proportions stay."""

    name = "truncated"
    form = "min=,max="
    plain: Distribution
    least: int
    most: int
    below: float  # share of the plain sizes that are smaller
    within: float

    @classmethod
    def of(cls, plain: Distribution, least: int, most: int, key: str) -> Truncated:
        """SpecError when `plain` has (nearly) no sizes there."""
        if most < least:
            raise SpecError(f"max={most} is less than min={least}", key=key)
        below = plain.cdf(least - 1) if least > 1 else 0.0
        within = plain.cdf(most) - below
        if within < MIN_WITHIN:
            raise SpecError(f"has no sizes from min={least} to max={most} (a share of {max(within, 0.0):.2g})", key=key)
        return cls(plain, least, most, below, within)

    def facts(self) -> object:
        return {"plain": self.plain.facts(), "min": self.least, "max": self.most}

    def cdf(self, tokens: int) -> float:
        if tokens < self.least:
            return 0.0
        return 1.0 if tokens >= self.most else (self.plain.cdf(tokens) - self.below) / self.within
