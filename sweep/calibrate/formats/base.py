"""What a format of benchmark results provides: measured points, each one run of a benchmark."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from pathlib import Path
from typing import Any

from sim_core.errors import SpecError
from sim_core.regular_file import read_bytes
from sim_core.section import Section

POISSON, CONSTANT = "poisson", "constant"  # how requests of a rate follow one another
MOST_TOKENS = 10_000_000  # of a prompt or an output
MOST_CLIENTS = 1_000_000
MOST_REQUESTS = 1_000_000  # of a run
MOST_MS = 1e8
LEAST_MS = 1e-6


@dataclass(frozen=True, slots=True)
class Lengths:
    """Tokens of prompts or of outputs: those of `each` request, or else uniform from `low` to `high`."""

    low: int
    high: int
    each: tuple[int, ...] = ()

    @property
    def mean(self) -> float:
        return sum(self.each) / len(self.each) if self.each else (self.low + self.high) / 2


@dataclass(frozen=True, slots=True)
class MeasuredPoint:
    """A run of a benchmark: clients that wait for their answers (`concurrency`), or requests at a `rate` a second. TTFT
    and TPOT are means over all requests. A run whose outputs are one token has no TPOT."""

    name: str  # of its file, and its place in it
    prompts: Lengths
    outputs: Lengths
    ttft_ms: float | None
    tpot_ms: float | None
    concurrency: int | None = None
    rate: float | None = None
    spacing: str = POISSON
    requests: int | None = None  # None: ten for each client, or a minute of the rate
    model: str = ""  # what the benchmark says that it measured
    weight: float = 1.0  # in medians


class Content:
    """A file's text, and the JSON objects in it: one, or one a line."""

    def __init__(self, text: str, source: str) -> None:
        self.text, self.source = text, source

    @cached_property
    def objects(self) -> list[Mapping[str, Any]]:
        """Empty where the file is no JSON."""
        for texts in ([self.text], [line for line in self.text.splitlines() if line.strip()]):
            try:
                found = [json.loads(text) for text in texts]
            except ValueError:
                continue
            if found and all(isinstance(each, dict) for each in found):
                return found
        return []


class Format(ABC):
    """A format of benchmark results."""

    about: str  # what writes it

    @abstractmethod
    def recognises(self, content: Content) -> bool:
        """Whether a file is in this format, by its content."""

    @abstractmethod
    def points(self, content: Content) -> list[MeasuredPoint]:
        """The points in the file. SpecError with the file's name, the key, the value and the fix."""


def content_of(path: Path) -> Content:
    """The content of a file. SpecError where it cannot be read."""
    try:
        return Content(read_bytes(path, "json_bytes").decode("utf-8-sig"), str(path))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise SpecError(f"cannot be read: {reason}", source=str(path)) from error


def mean_ms(section: Section, key: str) -> float:
    """A mean time in ms."""
    return section.number(key, LEAST_MS, most=MOST_MS)


def requests_of(section: Section, key: str) -> int:
    """How many requests a run had."""
    count = section.integer(key, 0)
    if count < 1:
        raise section.error(key, "no request was served: leave this run out")
    if count > MOST_REQUESTS:
        raise section.error(key, f"must be at most {MOST_REQUESTS:,}")
    return count


def clients_of(section: Section, key: str) -> int:
    """How many clients sent requests."""
    clients = section.integer(key, 1)
    if clients > MOST_CLIENTS:
        raise section.error(key, f"must be at most {MOST_CLIENTS:,}")
    return clients


def lengths_between(counts: Section, mean_key: str) -> Lengths:
    """Lengths of which a benchmark tells the mean, and perhaps `min` and `max`: uniform between these, if their mean
    says so; else all of the mean length."""
    mean = tokens_of(counts, mean_key, counts.value(mean_key))
    if not (counts.has("min") and counts.has("max")):
        return Lengths(mean, mean)
    low, high = (max(tokens_of(counts, key, counts.value(key)), 1) for key in ("min", "max"))
    drawn = Lengths(low, high)
    return drawn if abs(drawn.mean - mean) <= 0.05 * mean else Lengths(mean, mean)


def tokens_of(section: Section, key: str, value: object) -> int:
    """A mean number of tokens, rounded."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)
    if not is_number or not 0.5 <= value <= MOST_TOKENS:  # type: ignore[operator]
        raise section.error(key, f"must be a number of tokens from 1 to {MOST_TOKENS:,}")
    return round(value)  # type: ignore[call-overload, no-any-return]


def each_of(section: Section, key: str) -> tuple[int, ...]:
    """The tokens of each request, in a list of a benchmark that was asked for details; empty without it. Requests that
    failed have none, and are left out."""
    if not section.has(key):
        return ()
    values = section.value(key)
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise section.error(key, "must be a list of numbers of tokens")
    return tuple(tokens_of(section, key, value) for value in values if value != 0)
