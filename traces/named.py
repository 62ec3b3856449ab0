"""Named workloads: `rr_conv_70_2min` is conversation traffic at 70 requests a second for two minutes.

Arrivals are Poisson; prompt and output sizes are drawn independently of them and of one another. The trace follows from
the workload's figures, rate, duration and seed alone, byte for byte on every machine. With one seed a shorter trace is
the beginning of a longer one, and request n has the same sizes at every rate.
"""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from sim_core.errors import TraceError, choices
from sim_core.rng import Streams
from traces.arrivals.base import NS_PER_S, RATES_PER_S
from traces.arrivals.poisson import Poisson
from traces.distributions.quantiles import Quantiles
from traces.recipe import DEFAULT_DURATION_S, MAX_DURATION_S, MAX_REQUESTS, Independent, Recipe, RequestStream
from traces.sizes import FIGURES_DIR, FORM, NUMBER, PREFIX, read_workload, workload_names

GENERATOR_VERSION = 1  # increase it whenever the same name and seed would give another trace
_NAME = re.compile(rf"rr_(?P<workload>[^_]+)_(?P<rate>{NUMBER})(?:_(?P<length>{NUMBER})(?P<unit>min|s))?")


def parse(name: str, seed: int, figures: Path = FIGURES_DIR) -> Recipe:
    """The recipe that `name` stands for. TraceError if it is no such name, or has no request with this seed."""
    workload, rate_per_s, duration_s = spelled(name, figures)
    process = Poisson(rate_per_s)
    first_s = next(process.times_ns(Streams(seed)["trace/arrivals"])) / NS_PER_S
    if first_s >= duration_s:
        raise TraceError(
            f"{name!r} has no request with seed {seed}: the first would arrive after {first_s:.3f} s; "
            f"raise the rate, the duration ({duration_s:g} s) or take another seed"
        )
    sizes = read_workload(workload, figures)
    facts = {
        "generator_version": GENERATOR_VERSION,
        "prompt": sizes["prompt"],
        "output": sizes["output"],
        "rate_per_s": rate_per_s,
        "duration_s": duration_s,
    }
    pairs = Independent(Quantiles(sizes["prompt"]), Quantiles(sizes["output"]))
    return Recipe((RequestStream(0, process, pairs),), duration_s, name_facts=facts)


def longer(name: str, times: int) -> str | None:
    """The name of the same workload over `times` as many seconds; None for what is no name of a workload."""
    if (match := _NAME.fullmatch(name)) is None:
        return None
    length, unit = match["length"] or f"{DEFAULT_DURATION_S:g}", match["unit"] or "s"
    return f"{PREFIX}{match['workload']}_{match['rate']}_{Decimal(length) * times:f}{unit}"


def spelled(name: str, figures: Path = FIGURES_DIR) -> tuple[str, float, float]:
    """Workload, rate (requests a second) and duration (s) in a name. TraceError, showing the form, if it is none."""
    match = _NAME.fullmatch(name)
    if match is None:
        raise TraceError(f"{name!r} is not a workload's name: {FORM}")
    if match["workload"] not in (known := workload_names(figures)):
        raise TraceError(f"unknown workload {match['workload']!r} in {name!r}{choices(match['workload'], known)}")
    rate_per_s, duration_s = float(match["rate"]), DEFAULT_DURATION_S
    if match["length"] is not None:
        duration_s = float(match["length"]) * (60.0 if match["unit"] == "min" else 1.0)
    least, most = RATES_PER_S
    if not least <= rate_per_s <= most:
        raise TraceError(f"the rate in {name!r} must be from {least:f} to {most:,.0f} requests a second")
    if not 0.0 < duration_s <= MAX_DURATION_S:
        raise TraceError(f"the duration in {name!r} must be more than 0 and at most {MAX_DURATION_S:,.0f} s")
    if (requests := rate_per_s * duration_s) > MAX_REQUESTS:
        raise TraceError(f"{name!r} asks for {requests:.3g} requests; at most {MAX_REQUESTS:,} are made")
    return match["workload"], rate_per_s, duration_s
