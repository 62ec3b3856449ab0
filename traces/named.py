"""Named workloads: `rr_conv_70_2min` is conversation traffic at 70 requests a second for two minutes.

Arrivals are Poisson; prompt and output sizes are drawn independently of them and of one another. Everything
follows from (figures, rate, duration, seed): the same bytes in every process and on every node. With one seed
a shorter trace is the beginning of a longer one, and request n has the same sizes at every rate.
"""

from __future__ import annotations

import hashlib
import json
import re
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from math import log
from pathlib import Path
from random import Random

from sim_core.errors import TraceError, choices
from sim_core.rng import Streams
from sim_core.trace import Trace
from traces.sizes import FIGURES_DIR, read_workload, workload_names

GENERATOR_VERSION = 1  # goes up whenever the same recipe would give another trace
PREFIX = "rr_"
FORM = "rr_WORKLOAD_RATE, rr_WORKLOAD_RATE_Nmin or rr_WORKLOAD_RATE_Ns, such as rr_conv_70, rr_code_0.5_2min"
DEFAULT_DURATION_S = 600.0
MAX_REQUESTS = 20_000_000  # 1 GB of columns; more is a slip of the pen, not a run
RATES_PER_S = (1e-6, 1e6)  # beyond them nanoseconds are too coarse, or too many, to tell arrivals apart
MAX_DURATION_S = 1e9
NS_PER_S = 1_000_000_000
_NUMBER = r"[0-9]+(?:\.[0-9]+)?"
_NAME = re.compile(rf"rr_(?P<workload>[^_]+)_(?P<rate>{_NUMBER})(?:_(?P<length>{_NUMBER})(?P<unit>min|s))?")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a generated trace is made from, the figures of its workload apart."""

    workload: str
    rate_per_s: float
    duration_s: float
    seed: int


def parse(name: str, seed: int, figures: Path = FIGURES_DIR) -> Recipe:
    """The recipe that `name` spells. TraceError, saying how names are formed, when it spells none."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise TraceError(f"{name!r} is not a workload's name: {FORM}")
    if match["workload"] not in (known := workload_names(figures)):
        raise TraceError(f"unknown workload {match['workload']!r} in {name!r}{choices(match['workload'], known)}")
    rate_per_s = float(match["rate"])
    duration_s = DEFAULT_DURATION_S
    if match["length"] is not None:
        duration_s = float(match["length"]) * (60.0 if match["unit"] == "min" else 1.0)
    recipe = Recipe(match["workload"], rate_per_s, duration_s, seed)
    _check_bounds(name, recipe)
    _check_not_empty(name, recipe)
    return recipe


def read_rate(text: str) -> float:
    """A rate as names have it: digits, and perhaps a fraction. ValueError when it is none or 0."""
    if not re.fullmatch(_NUMBER, text) or not float(text):
        raise ValueError(text)
    return float(text)


def _check_bounds(name: str, recipe: Recipe) -> None:
    least, most = RATES_PER_S
    if not least <= recipe.rate_per_s <= most:
        raise TraceError(f"the rate in {name!r} must be from {least:f} to {most:,.0f} requests a second")
    if not 0.0 < recipe.duration_s <= MAX_DURATION_S:
        raise TraceError(f"the duration in {name!r} must be more than 0 and at most {MAX_DURATION_S:,.0f} s")
    if recipe.rate_per_s * recipe.duration_s > MAX_REQUESTS:
        asked = recipe.rate_per_s * recipe.duration_s
        raise TraceError(f"{name!r} asks for {asked:.3g} requests; at most {MAX_REQUESTS:,} are made")


def _check_not_empty(name: str, recipe: Recipe) -> None:
    first_s = next(exponential_ns(Streams(recipe.seed)["trace/arrivals"], recipe.rate_per_s)) / NS_PER_S
    if first_s >= recipe.duration_s:
        raise TraceError(
            f"{name!r} has no request with seed {recipe.seed}: the first would arrive after {first_s:.3f} s; "
            f"raise the rate, the duration ({recipe.duration_s:g} s) or take another seed"
        )


def recipe_digest(recipe: Recipe, figures: Path = FIGURES_DIR) -> str:
    """SHA-256, in hex, over all that decides the trace, without making it."""
    workload = read_workload(recipe.workload, figures)
    decides = {
        "generator_version": GENERATOR_VERSION,
        "prompt": workload.prompt.knots,
        "output": workload.output.knots,
        "rate_per_s": recipe.rate_per_s,
        "duration_s": recipe.duration_s,
        "seed": recipe.seed,
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def generate(recipe: Recipe, name: str, figures: Path = FIGURES_DIR) -> Trace:
    """The trace of a recipe, one application (0), request ids from 0 in order of arrival."""
    streams = Streams(recipe.seed)
    workload = read_workload(recipe.workload, figures)
    arrival_s = poisson_arrivals(streams["trace/arrivals"], recipe.rate_per_s, recipe.duration_s)
    count = len(arrival_s)
    return Trace(
        name=name,
        request_id=array("q", range(count)),
        application_id=array("q", [0]) * count,
        arrival_s=arrival_s,
        prompt_tokens=workload.prompt.sample(streams["trace/prompt_tokens"], count),
        output_tokens=workload.output.sample(streams["trace/output_tokens"], count),
        batch_size=array("q", [1]) * count,
    )


def poisson_arrivals(stream: Random, rate_per_s: float, duration_s: float) -> array[float]:
    """Times from 0 up to, not including, `duration_s`, with independent exponential gaps."""
    end_ns = duration_s * NS_PER_S
    times_s = array("d")
    for at in accumulate(exponential_ns(stream, rate_per_s)):
        if at >= end_ns:
            break
        times_s.append(at / NS_PER_S)
    return times_s


def exponential_ns(stream: Random, rate_per_s: float) -> Iterator[int]:
    """Independent exponential gaps without end, one draw each, in nanoseconds."""
    # Whole ones: C libraries may differ in the last bit of log(), 13 digits further down.
    draw, scale = stream.random, -NS_PER_S / rate_per_s
    while True:
        yield int(log(1.0 - draw()) * scale + 0.5)
