"""Why one run beats another: where the time of its requests goes, how busy and how full its machines are.

The phases of a request add up to its E2E time: `queue` (arrival to the prompt's start), `prompt` (its iteration),
`transfer` (from the prompt's end until the KV cache is where it is decoded, waiting for room there included), `wait`
(from then, or from the prompt's end, to the first decode), `decode` (in a running batch) and `preempted` (decoding has
started, but the request is in no batch).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from sync.results.grouping import grouped
from sync.results.outcome import Outcome
from sync.results.slo import PAPER, UNITS, Limit, Slo
from sync.results.verdict import Verdict, verdict

if TYPE_CHECKING:
    import pandas as pd
Floats = npt.NDArray[np.float64]
PHASES = ("queue", "prompt", "transfer", "wait", "decode", "preempted")
PERCENTS = (50.0, 90.0, 99.0)
LEAST_REQUESTS = 5  # that are looked at around a percentile


@dataclass(frozen=True)
class Spent:
    """Mean seconds in each of `PHASES` over the `requests` around one percentile (of E2E, unless stated)."""

    percent: float
    requests: int
    phases_s: Mapping[str, float]

    @property
    def e2e_s(self) -> float:
        """The mean E2E time of these requests, the sum of their phases."""
        return math.fsum(self.phases_s.values())


@dataclass(frozen=True)
class Role:
    """The machines of a role (`both`: without roles): their mean utilisation and the fullest KV memory, as shares."""

    name: str
    machines: int
    utilisation: float
    memory_peak: float


@dataclass(frozen=True)
class Profile:
    """The figures of one run that are compared. `requests` is its table (None: it has none with phases); `spent` has an
    entry for each of `PERCENTS`, and is empty where no request was completed. `preemptions`: mean number a request."""

    outcome: Outcome
    judged: Verdict
    requests: pd.DataFrame | None
    spent: tuple[Spent, ...]
    roles: tuple[Role, ...]
    preemptions: float
    completed: int

    def figure(self, name: str) -> float:
        """A figure of the summary; NaN where it was not measured."""
        return self.outcome.summary.get(name, math.nan)


@dataclass(frozen=True)
class RunComparison:
    """Two runs, the better one first. `why` says by what it is better (empty: neither is). `paired_s` is by phase how
    much less time the better run takes, as the mean over the requests that both completed (empty where the traces
    differ); `faster` is the share of these requests that it serves sooner. `decisive`: the limit of the SLO that only
    the better run meets and the other misses by most, and where each of them spends the time around its percentile."""

    better: Profile
    worse: Profile
    why: str
    paired_s: Mapping[str, float]
    paired_requests: int
    faster: float
    decisive: tuple[Limit, Spent, Spent] | None


def phase_times(requests: pd.DataFrame) -> dict[str, Floats]:
    """Seconds in each of `PHASES`, a value a request, in the order of the table."""
    column = {name: requests[name].to_numpy(dtype=np.float64) for name in requests.columns}
    after_prompt = np.where(np.isfinite(column["transfer_end_s"]), column["transfer_end_s"], column["prompt_end_s"])
    preempted = np.nan_to_num(column["preempted_s"])
    return {
        "queue": column["prompt_start_s"] - column["arrival_s"],
        "prompt": column["prompt_end_s"] - column["prompt_start_s"],
        "transfer": after_prompt - column["prompt_end_s"],
        "wait": np.nan_to_num(column["token_start_s"] - after_prompt),  # NaN: a request of one token decodes nothing
        "decode": np.nan_to_num(column["token_end_s"] - column["token_start_s"]) - preempted,
        "preempted": preempted,
    }


def half_width(percent: float) -> float:
    """How many percentage points to each side of a percentile requests are looked at: 2.5, in the tail fewer."""
    return min(2.5, (100.0 - percent) / 2)


def spent(requests: pd.DataFrame, percent: float, by: str = "e2e_s") -> Spent:
    """The mean phases of the requests around a percentile of a column, by rank; at least `LEAST_REQUESTS` of them."""
    ranked = requests[requests[by].notna()]
    phases = phase_times(ranked)
    order = np.lexsort((ranked["request_id"].to_numpy(), ranked[by].to_numpy(dtype=np.float64)))
    count = len(order)
    middle, half = (count - 1) * percent / 100, (count - 1) * half_width(percent) / 100
    low, high = math.ceil(middle - half), math.floor(middle + half) + 1
    if high - low < LEAST_REQUESTS:
        low = min(max(round(middle) - LEAST_REQUESTS // 2, 0), max(count - LEAST_REQUESTS, 0))
        high = min(low + LEAST_REQUESTS, count)
    chosen = order[low:high]
    return Spent(percent, len(chosen), {name: float(np.mean(values[chosen])) for name, values in phases.items()})


def profile(
    outcome: Outcome, requests: pd.DataFrame | None, instances: Mapping[str, list[Any]], slo: Slo = PAPER
) -> Profile:
    """Profile a run, judged by `slo`. `requests` and `instances` are its tables (None, empty: it has none)."""
    served = requests if requests is not None and len(requests) and "arrival_s" in requests else None
    return Profile(
        outcome=outcome,
        judged=verdict(outcome, slo),
        requests=served,
        spent=() if served is None else tuple(spent(served, percent) for percent in PERCENTS),
        roles=_roles(instances),
        preemptions=math.nan if served is None else float(served["preemptions"].mean()),
        completed=0 if requests is None else len(requests),
    )


def _roles(instances: Mapping[str, list[Any]]) -> tuple[Role, ...]:
    columns = (instances.get(name, []) for name in ("role", "utilisation", "kv_peak_fraction"))
    by_role = grouped(zip(*columns, strict=True), lambda machine: machine[0] or "both")
    roles = []
    for machines in by_role:
        _, utilisation, peaks = zip(*machines, strict=True)
        busy, name = sum(utilisation) / len(machines), machines[0][0] or "both"
        roles.append(Role(name, len(machines), busy, float(max(peaks))))
    return tuple(sorted(roles, key=lambda role: role.name))


def compare_runs(first: Profile, second: Profile, slo: Slo = PAPER, *, in_order: bool = False) -> RunComparison:
    """Find the better of two runs, and by how much it is better over the same requests. `slo` is what the profiles were
    judged by. `in_order`: the first counts as the better one, whatever these two runs say, as where their seeds say
    which is (`sync.analysis.compare_seeds`)."""
    why = next((text for text, mark in _CRITERIA.items() if mark(first) != mark(second)), "")
    is_second = not in_order and why and _CRITERIA[why](second) > _CRITERIA[why](first)
    better, worse = (second, first) if is_second else (first, second)
    return RunComparison(better, worse, why, *_paired(better, worse), _decisive(better, worse, slo))


# By what a run is better, the first that differs: a number, and more is better.
_CRITERIA: Mapping[str, Callable[[Profile], float]] = {
    "it ran to its end": lambda run: run.outcome.status == "completed",
    "it is within the SLO": lambda run: run.judged.within,
    "it leaves fewer requests unserved": lambda run: -run.outcome.unserved,
    "it meets more of the SLO's limits": lambda run: run.judged.limits_met,
    "its requests take less time at p90": lambda run: -run.spent[1].e2e_s if run.spent else -math.inf,
}


def _decisive(better: Profile, worse: Profile, slo: Slo) -> tuple[Limit, Spent, Spent] | None:
    if better.requests is None or worse.requests is None:
        return None
    missed = [
        (worse.figure(limit.figure) / limit.largest, limit.figure, limit)
        for limit in slo.limits()
        if better.figure(limit.figure) <= limit.largest < worse.figure(limit.figure)
    ]
    if not missed:
        return None
    limit = max(missed, key=lambda entry: entry[:2])[2]
    percent, column = float(limit.percentile[1:]), f"{limit.metric}_{UNITS[limit.unit][0]}"
    return limit, spent(better.requests, percent, column), spent(worse.requests, percent, column)


def _paired(better: Profile, worse: Profile) -> tuple[dict[str, float], int, float]:
    """`paired_s`, the number of requests that both runs completed, and `faster` of a `RunComparison`."""
    good, bad = better.requests, worse.requests
    if better.outcome.trace_identity != worse.outcome.trace_identity or good is None or bad is None:
        return {}, 0, math.nan
    _, left, right = np.intersect1d(good["request_id"], bad["request_id"], return_indices=True)
    if not len(left):
        return {}, 0, math.nan
    good_times, bad_times = phase_times(good), phase_times(bad)
    less = {name: float(np.mean(bad_times[name][right] - good_times[name][left])) for name in PHASES}
    faster = good["e2e_s"].to_numpy()[left] < bad["e2e_s"].to_numpy()[right]
    return less, len(left), float(np.mean(faster))
