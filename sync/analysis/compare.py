"""Why one run beats another: where the time of its requests goes, how busy and how full its machines are.

Phases add up to a request's E2E time: `queue` (arrival to the prompt's start), `prompt` (its iteration), `transfer`
(from the prompt's end until the KV cache is where it is decoded, waiting for room there included), `wait` (from then,
or from the prompt's end, to the first decode), `decode` (in a running batch) and `preempted` (started, but not in one).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sync.results.outcome import Outcome
from sync.results.slo import PAPER, UNITS, Slo
from sync.results.verdict import Verdict, verdict

if TYPE_CHECKING:
    import pandas as pd

    Tables = tuple[pd.DataFrame | None, pd.DataFrame | None]
Floats = npt.NDArray[np.float64]
PHASES = ("queue", "prompt", "transfer", "wait", "decode", "preempted")
PERCENTS = (50.0, 90.0, 99.0)
LEAST_REQUESTS = 5  # around a percentile


@dataclass(frozen=True)
class Spent:
    """Mean seconds in each of `PHASES` of the `requests` around one percentile (of E2E, where nothing else is said);
    `e2e_s` is their sum."""

    percent: float
    requests: int
    phases_s: Mapping[str, float]

    @property
    def e2e_s(self) -> float:
        """The mean E2E time of these requests."""
        return math.fsum(self.phases_s.values())


@dataclass(frozen=True)
class Role:
    """The machines of a role (`both`: without roles): their mean utilisation, and the fullest KV memory, as shares."""

    name: str
    machines: int
    utilisation: float
    memory_peak: float


@dataclass(frozen=True)
class Profile:
    """What is known of one run. `spent` has an entry for each of `PERCENTS`, none where no request was completed."""

    outcome: Outcome
    judged: Verdict
    spent: tuple[Spent, ...]
    roles: tuple[Role, ...]
    preemptions: float  # a request
    completed: int

    @property
    def unserved(self) -> int:
        """Requests that were rejected or left unfinished."""
        return int(self.outcome.unserved)

    @property
    def verdict(self) -> str:
        """Within the SLO, or why not."""
        return self.judged.text

    def figure(self, name: str) -> float:
        """Of the summary; NaN where it is not there."""
        return self.outcome.summary.get(name, math.nan)


@dataclass(frozen=True)
class Decisive:
    """The limit of the SLO that one run meets and the other misses by most. `figures` are the better run's and the
    other's, as slowdown or (`in_seconds`) in s; `spent` is where the time goes around it, in each of them."""

    metric: str
    percentile: str
    limit: float
    in_seconds: bool
    figures: tuple[float, float]
    spent: tuple[Spent, Spent]


@dataclass(frozen=True)
class Comparison:
    """Two runs, the one that is better first (`why` says by what; empty where neither is). `swapped` tells that it was
    named second. `paired_s` is by phase how much less the better one takes in the mean over the same requests (empty
    where they did not serve the same), `faster` the share of these requests that it serves sooner."""

    better: Profile
    worse: Profile
    why: str
    swapped: bool
    paired_s: Mapping[str, float]
    paired_requests: int
    faster: float
    decisive: Decisive | None = None


def phase_times(requests: pd.DataFrame) -> dict[str, Floats]:
    """Seconds in each of `PHASES`, a value a request."""
    column = {name: requests[name].to_numpy(dtype=np.float64) for name in requests.columns}
    after_prompt = np.where(np.isfinite(column["transfer_end_s"]), column["transfer_end_s"], column["prompt_end_s"])
    preempted = np.nan_to_num(column["preempted_s"])
    return {
        "queue": column["prompt_start_s"] - column["arrival_s"],
        "prompt": column["prompt_end_s"] - column["prompt_start_s"],
        "transfer": after_prompt - column["prompt_end_s"],
        "wait": np.nan_to_num(column["token_start_s"] - after_prompt),  # who has one token only decodes nothing
        "decode": np.nan_to_num(column["token_end_s"] - column["token_start_s"]) - preempted,
        "preempted": preempted,
    }


def half_width(percent: float) -> float:
    """How far around a percentile of E2E requests are looked at, in percentage points: 2.5, less in the tail."""
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
    outcome: Outcome, requests: pd.DataFrame | None, instances: Mapping[str, list[object]], slo: Slo = PAPER
) -> Profile:
    """What is known of a run, judged by `slo`; `instances` is the table that goes with its requests (empty: it has
    none)."""
    served = requests if requests is not None and len(requests) and "arrival_s" in requests else None
    return Profile(
        outcome=outcome,
        judged=verdict(outcome, slo),
        spent=() if served is None else tuple(spent(served, percent) for percent in PERCENTS),
        roles=_roles(instances),
        preemptions=math.nan if served is None else float(served["preemptions"].mean()),
        completed=0 if requests is None else len(requests),
    )


def _roles(instances: Mapping[str, list[object]]) -> tuple[Role, ...]:
    members: dict[str, list[tuple[float, float]]] = {}
    columns = (instances.get(name, []) for name in ("role", "utilisation", "kv_peak_fraction"))
    for role, busy, full in zip(*columns, strict=True):
        members.setdefault(str(role or "both"), []).append((float(str(busy)), float(str(full))))
    return tuple(
        Role(name, len(of), sum(busy for busy, _ in of) / len(of), max(full for _, full in of))
        for name, of in sorted(members.items())
    )


def compare_runs(first: Profile, second: Profile, requests: Tables, slo: Slo = PAPER) -> Comparison:
    """Which is better, and by how much over the same requests. `requests` are the two runs' tables, `slo` is
    what the profiles were judged by."""
    why, swapped = _better(first, second)
    better, worse = (second, first) if swapped else (first, second)
    tables = requests[::-1] if swapped else requests
    paired, count, faster = _paired(better, worse, tables)
    return Comparison(better, worse, why, swapped, paired, count, faster, _decisive(better, worse, tables, slo))


def _decisive(better: Profile, worse: Profile, requests: Tables, slo: Slo) -> Decisive | None:
    mine, others = requests
    if mine is None or others is None or not better.spent or not worse.spent:
        return None
    missed = []
    for limit in slo.limits():
        good, bad = (one.figure(limit.figure) for one in (better, worse))
        if good <= limit.largest < bad:
            missed.append((bad / limit.largest, limit.figure, limit, (good, bad)))
    if not missed:
        return None
    _, _, limit, figures = max(missed, key=lambda found: found[:2])
    percent, by = float(limit.percentile[1:]), f"{limit.metric}_{UNITS[limit.unit][0]}"
    there = spent(mine, percent, by), spent(others, percent, by)
    return Decisive(limit.metric, limit.percentile, limit.largest, limit.unit == "seconds", figures, there)


def _better(first: Profile, second: Profile) -> tuple[str, bool]:
    """By what the better one is better, and whether that is the second: the first of these that tells them apart."""
    marks = [_marks(one) for one in (first, second)]
    for why, one, other in zip(_CRITERIA, *marks, strict=True):
        if one != other:
            return why, other > one
    return "", False


_CRITERIA = (
    "it ran to its end",
    "it is within the SLO",
    "it leaves fewer requests unserved",
    "it meets more of the SLO's limits",
    "its requests take less time at p90",
)


def _marks(one: Profile) -> tuple[float, ...]:
    """By each of the criteria, more is better."""
    e2e = -one.spent[1].e2e_s if one.spent else -math.inf
    whole = one.outcome.status == "completed"
    return float(whole), float(one.judged.within), -float(one.unserved), float(one.judged.limits_met), e2e


def _paired(better: Profile, worse: Profile, requests: Tables) -> tuple[dict[str, float], int, float]:
    """Over the requests that both completed, where the trace is the same."""
    mine, others = requests
    if better.outcome.trace_identity != worse.outcome.trace_identity or not better.spent or not worse.spent:
        return {}, 0, math.nan
    assert mine is not None and others is not None
    _, left, right = np.intersect1d(mine["request_id"], others["request_id"], return_indices=True)
    if not len(left):
        return {}, 0, math.nan
    ours, theirs = phase_times(mine), phase_times(others)
    less = {name: float(np.mean(theirs[name][right] - ours[name][left])) for name in PHASES}
    faster = mine["e2e_s"].to_numpy()[left] < others["e2e_s"].to_numpy()[right]
    return less, len(left), float(np.mean(faster))
