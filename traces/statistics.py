"""Figures of a trace: its load over time, unevenness and sizes, as values that JSON can hold."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, isfinite
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from sim_core.batching.vllm_options import VllmOptions
from sim_core.cache_use import hit_bounds
from sim_core.kv.endless import EndlessPagedCache
from sim_core.trace import Trace

SHARES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
RATES = ("requests_per_s", "tokens_in_per_s", "tokens_out_per_s")
WINDOWS_S = (0.1, 1.0, 10.0, 60.0, 600.0, 3600.0, 86400.0)
MIN_WINDOWS = 10  # fewer windows tell nothing about unevenness
LONGEST_ROUNDED_S = 1e9  # beyond that floats are coarser than microseconds
SHORTEST_S = 1e-9  # in less there is no rate
PEAK_WINDOWS_S = (1.0, 10.0, 60.0)
BIN_WIDTHS_S = tuple(
    [10.0**n * m for n in range(-9, 1) for m in (1, 2, 5)]
    + [10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 14400.0, 21600.0, 43200.0]
    + [86400.0 * 10**n * m for n in range(7) for m in (1, 2, 5)]
)
Ints: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]


def describe(trace: Trace, bins: int = 12) -> dict[str, Any]:
    """All figures that `python -m traces describe` shows. Rates are over the span from first to last arrival."""
    arrival_s = np.frombuffer(trace.arrival_s)
    application = whole(trace.application_id)
    prompt, output = whole(trace.prompt_tokens), whole(trace.output_tokens)
    ids = np.unique(application)
    everything = np.ones(len(trace), bool)
    since_first = elapsed(arrival_s)
    return {
        "name": trace.name,
        "requests": len(trace),
        "applications": len(ids),
        "times_count_from_s": trace.origin_s,
        "first_arrival_s": float(arrival_s[0]),
        "last_arrival_s": float(arrival_s[-1]),
        **({"clients": trace.concurrency} if trace.clients else {}),
        "largest_batch_size": max(trace.batch_size),
        "sha256": trace.digest(),
        **load(arrival_s, prompt, output, everything),
        "peaks": peaks(since_first, prompt, output),
        "over_time": over_time(arrival_s, prompt, output, bins),
        "burstiness": burstiness(since_first),
        "correlation_of_prompt_and_output": correlation(prompt, output),
        "prefixes": prefixes(trace),
        "by_application": [
            {"application_id": int(number), **load(arrival_s, prompt, output, application == number)} for number in ids
        ],
    }


def prefixes(trace: Trace) -> dict[str, Any] | None:
    """What prompts have in common: the tokens that a prefix cache would hit which never loses a block, has blocks as
    vLLM's and has seen all requests that came before. None where that is not known."""
    if trace.prefixes is None:
        return None
    block_tokens = VllmOptions().block_size
    numbers = sorted(set(trace.application_id))
    caches = {number: [EndlessPagedCache(block_tokens)] for number in numbers}
    bounds = hit_bounds(trace, caches, range(len(trace)))
    begins = trace.prefixes.begins
    return {
        "compared_in_blocks_of_tokens": trace.prefixes.block_tokens,
        "requests": sum(begins[row] < begins[row + 1] for row in range(len(trace))),
        "cache_block_tokens": block_tokens,
        "requests_that_hit": sum(bound > 0 for bound in bounds),
        "bound_tokens": sum(bounds),
        "bound_rate": sum(bounds) / sum(trace.prompt_tokens),
    }


def whole(column: Any) -> Ints:
    """A column of whole numbers as NumPy sees it, not copied."""
    return np.frombuffer(column, np.int64)


def elapsed(arrival_s: Floats) -> Floats:
    """Times since the first arrival, rounded to microseconds unless the span is very short or very long.

    Rounding keeps a time on the edge of its window wherever the trace starts: 10,000.1 s is not quite 0.1 s after
    10,000 s.
    """
    since_first: Floats = arrival_s - arrival_s[0]
    if 1.0 <= since_first[-1] <= LONGEST_ROUNDED_S:
        since_first = np.round(since_first, 6)
    return since_first


def load(arrival_s: Floats, prompt: Ints, output: Ints, chosen: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Rates and sizes of the chosen requests; the rates are over the span of all requests."""
    count, span_s = len(arrival_s), float(arrival_s[-1] - arrival_s[0])
    requests, prompts, outputs = int(chosen.sum()), sizes(prompt[chosen]), sizes(output[chosen])

    def per_second(amount: float) -> float | None:  # n arrivals have n - 1 gaps
        return amount / count * (count - 1) / span_s if span_s >= SHORTEST_S else None

    return {
        "requests": requests,
        **dict(zip(RATES, map(per_second, (requests, prompts["total"], outputs["total"])), strict=True)),
        "prompt_tokens": prompts,
        "output_tokens": outputs,
    }


def sizes(tokens: Ints) -> dict[str, Any]:
    """Total, mean and quantiles: the smallest size that at least this share of the requests does not exceed."""
    ordered = np.sort(tokens)
    quantiles = {name: int(ordered[ceil(share * len(ordered)) - 1]) for name, share in SHARES.items()}
    facts = {"total": int(ordered.sum()), "mean": float(ordered.mean()), "min": int(ordered[0])}
    return {**facts, **quantiles, "max": int(ordered[-1])}


def peaks(since_first: Floats, prompt: Ints, output: Ints) -> list[dict[str, Any]]:
    """The highest rates in consecutive windows of each length, per second. Times are those of `elapsed`."""
    found = []
    for window_s in PEAK_WINDOWS_S:
        if since_first[-1] >= window_s:
            starts = first_in_window(since_first, window_s)
            counts = np.diff(starts, append=len(since_first))
            most = [counts.max(), np.add.reduceat(prompt, starts).max(), np.add.reduceat(output, starts).max()]
            rates = [float(amount) / window_s for amount in most]
            found.append({"window_s": window_s, **dict(zip(RATES, rates, strict=True))})
    return found


def first_in_window(since_first: Floats, window_s: float) -> Ints:
    """The places in `since_first` of the first request of each window that has one."""
    number = np.floor(since_first / window_s)
    return np.flatnonzero(np.diff(number, prepend=-1.0))


def burstiness(since_first: Floats) -> dict[str, Any]:
    """How unevenly requests come. Poisson arrivals have 1 in `gap_cv` and in each `dispersion`."""
    gaps = np.diff(since_first)
    cv = float(gaps.std() / gaps.mean()) if len(gaps) and gaps.mean() > 0 else None
    windows = [facts for window_s in WINDOWS_S if (facts := unevenness(since_first, window_s))]
    return {"gap_cv": cv, "windows": windows}


def unevenness(since_first: Floats, window_s: float) -> dict[str, Any] | None:
    """Variance over mean of the requests in a window (index of dispersion of counts), and the most over the mean.

    Over the windows that lie wholly between first and last arrival; None when they are fewer than MIN_WINDOWS.
    """
    windows = int(since_first[-1] // window_s)
    if windows < MIN_WINDOWS:
        return None
    within = elapsed(since_first[since_first < windows * window_s])  # the whole may be too long to be rounded
    counts = np.diff(first_in_window(within, window_s), append=len(within)).astype(float)
    mean = counts.sum() / windows  # windows without a request are not among the counts
    variance = (counts * counts).sum() / windows - mean * mean
    return {
        "window_s": window_s,
        "windows": windows,
        "dispersion": float(variance / mean),
        "peak_to_mean": float(counts.max() / mean),
    }


def over_time(arrival_s: Floats, prompt: Ints, output: Ints, bins: int) -> list[dict[str, Any]]:
    """Loads in at most `bins` intervals of equal, round length; the last one ends with the last arrival."""
    since_first = elapsed(arrival_s)
    first_s, span_s = float(arrival_s[0]), float(since_first[-1])
    width_s = bin_width(span_s, bins)
    if not width_s:
        return []
    edges = np.arange(bins + 2) * width_s
    places = np.searchsorted(since_first, edges)
    rows = []
    for first, last, begin_s in zip(places, places[1:], edges.tolist(), strict=False):
        if begin_s > span_s:
            break
        covered_s = min(width_s, span_s - begin_s)
        amounts = (last - first, prompt[first:last].sum(), output[first:last].sum())
        # a very short last interval has no rate
        rates = [float(amount) / covered_s if covered_s > 0.1 * width_s else None for amount in amounts]
        to_s = min(first_s + begin_s + width_s, float(arrival_s[-1]))
        facts = {"from_s": first_s + begin_s, "to_s": to_s, "requests": int(last - first)}
        rows.append({**facts, **dict(zip(RATES, rates, strict=True))})
    return rows


def bin_width(span_s: float, bins: int) -> float:
    """The shortest round length with which `bins` intervals cover the span; 0 for no span."""
    if span_s < SHORTEST_S:
        return 0.0
    return next((width_s for width_s in BIN_WIDTHS_S if width_s * bins >= span_s * (1.0 - 1e-9)), span_s)


def correlation(prompt: Ints, output: Ints) -> dict[str, float | None]:
    """Pearson's, of the sizes, and Spearman's, of their ranks; None where all sizes are the same."""
    return {"pearson": _pearson(prompt, output), "spearman": _pearson(_ranks(prompt), _ranks(output))}


def _pearson(first: npt.NDArray[Any], second: npt.NDArray[Any]) -> float | None:
    if first.min() == first.max() or second.min() == second.max():
        return None
    value = float(np.corrcoef(first, second)[0, 1])
    return value if isfinite(value) else None


def _ranks(values: Ints) -> Floats:
    """Equal values share the mean of their ranks."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return (last - (counts - 1) / 2.0)[place]


def sparkline(values: Sequence[float | None]) -> str:
    """The values as a text of bars of eight heights."""
    top = max((value for value in values if value), default=0.0)
    return "".join(" " if not value else "▁▂▃▄▅▆▇█"[min(7, int(value / top * 8))] for value in values)
