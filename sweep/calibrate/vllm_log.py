"""Reads single steps from vLLM's log, which has a line an iteration with `--enable-logging-iteration-details` (0.33.0):

    Iteration(7): 1 context requests, 512 context tokens, 0 generation requests, 0 generation tokens, iteration elapsed
    time: 31.20 ms, GPU KV cache usage: 2.4%

A line tells what the step computed and how long that took, and how full the cache was after it. So the line before it
tells what was in the cache when the step began, in blocks and to a thousandth of the cache.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import log
from statistics import median

_ITERATION = re.compile(
    r"(?P<engine>Engine \d+: )?Iteration\((?P<index>\d+)\): (?P<prompts>\d+) context requests, (?P<tokens>\d+) context "
    r"tokens, (?P<decodes>\d+) generation requests, (?P<outputs>\d+) generation tokens, iteration elapsed time: "
    r"(?P<ms>\d+\.\d+) ms(?P<dummy> \(dummy\))?, \w+ KV cache usage: (?P<used>\d+\.\d+)%(?P<encoder>, encoder)?"
)
_SIZE = re.compile(r"KV cache size: (?P<tokens>[\d,]+) tokens")
_WIDTH = 1.05  # of a group of sizes: the largest over the least

MIXED = "of prompts and decodes together, whose times a table works out"
DUMMY = "of a rank without requests"
SPECULATED = "whose decodes made several tokens"
ENCODED = "with images or sound"
NO_CONTEXT = "without the line before them, which tells their context"


@dataclass(frozen=True, slots=True, order=True)
class LoggedStep:
    """A step of prompts or of decodes, as a row of a table for `performance_model=table`."""

    prompt_tokens: int
    decodes: int
    context_tokens: int
    seconds: float


@dataclass(slots=True)
class Log:
    """What a log says: the steps that a table can have, how many it cannot have, by reason, and the cache's size."""

    steps: list[LoggedStep] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    kv_tokens: int | None = None


def read_log(lines: Iterable[str], kv_tokens: int | None, block: int) -> Log:
    """The steps in the lines of a log. `kv_tokens`: the size of the cache; None: as the log says before its steps.
    `block`: tokens of a block of it, of which the last one of a request is half full in the mean."""
    found = Log(kv_tokens=kv_tokens)
    before: dict[str, tuple[int, float]] = {}  # by engine: the last iteration, and the share of the cache in use
    for line in lines:
        if kv_tokens is None and (size := _SIZE.search(line)):
            found.kv_tokens = int(size["tokens"].replace(",", ""))
        if (match := _ITERATION.search(line)) is None:
            continue
        engine, index = match["engine"] or "", int(match["index"])
        last, used = before.get(engine, (-1, 0.0))
        before[engine] = index, float(match["used"]) / 100.0
        if reason := _reason(match, is_next=index == last + 1 and last >= 0):
            found.left_out[reason] += 1
        elif found.kv_tokens is not None:
            prompts, decodes = int(match["tokens"]), int(match["decodes"])
            holders = decodes or int(match["prompts"])
            held = used * found.kv_tokens - holders * block / 2
            # a prompt's first chunk has nothing before it; what is held then is less than a block each, or unknown
            context = max(round(held), decodes if decodes else 0)
            found.steps.append(LoggedStep(prompts, decodes, context, float(match["ms"]) / 1e3))
    return found


def _reason(match: re.Match[str], *, is_next: bool) -> str:
    """Why a table cannot have a step; empty where it can."""
    prompts, decodes = int(match["tokens"]), int(match["decodes"])
    if match["dummy"] or not prompts + decodes:
        return DUMMY
    if match["encoder"]:
        return ENCODED
    if prompts and decodes:
        return MIXED
    if int(match["outputs"]) != decodes:
        return SPECULATED
    return "" if is_next else NO_CONTEXT


def grouped(steps: Iterable[LoggedStep]) -> list[LoggedStep]:
    """The medians of steps of nearly the same sizes: decodes of equal number whose context differs by 5% at most, and
    prompts whose tokens and context do."""
    groups: dict[tuple[int, int, int], list[LoggedStep]] = {}
    for step in steps:
        key = _group(step.prompt_tokens), step.decodes, _group(step.context_tokens)
        groups.setdefault(key, []).append(step)
    return sorted(
        LoggedStep(
            round(median(step.prompt_tokens for step in group)),
            group[0].decodes,
            round(median(step.context_tokens for step in group)),
            median(step.seconds for step in group),
        )
        for group in groups.values()
    )


def _group(tokens: int) -> int:
    return round(log(tokens) / log(_WIDTH)) + 1 if tokens else 0
