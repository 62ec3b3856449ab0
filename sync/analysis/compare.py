"""Why one run beats another: where the time of its requests goes, how busy and how full its machines are.

The phases of a request add up to its E2E time: `queue` (arrival to the prompt's start), `prompt` (its iteration),
`transfer` (from the prompt's end until the KV cache is where it is decoded, waiting for room there included), `wait`
(from then, or from the prompt's end, to the first decode), `decode` (in a running batch) and `preempted` (decoding has
started, but the request is in no batch).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from sync.results.grouping import grouped
from sync.results.outcome import Outcome
from sync.results.slo import PAPER, UNITS, Limit, Slo
from sync.results.verdict import Verdict, verdict

if TYPE_CHECKING:
    import pandas as pd

    Tables = tuple[pd.DataFrame | None, pd.DataFrame | None]
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
    """The figures of one run that are compared. `spent` has an entry for each of `PERCENTS`; it is empty where no
    request was completed. `preemptions`: mean number a request."""

    outcome: Outcome
    judged: Verdict
    spent: tuple[Spent, ...]
    roles: tuple[Role, ...]
    preemptions: float
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
        """A figure of the summary; NaN where it was not measured."""
        return self.outcome.summary.get(name, math.nan)


@dataclass(frozen=True)
class Decisive:
    """The limit of the SLO that only the better run meets and the other misses by most. `figures` are the better run's
    and the other's; `spent` is where the time goes around the limit's percentile, in each of them."""

    limit: Limit
    figures: tuple[float, float]
    spent: tuple[Spent, ...]


@dataclass(frozen=True)
class RunComparison:
    """Two runs, the better one first. `why` says by what it is better (empty: neither is), `swapped` that it was named
    second. `paired_s` is by phase how much less time the better run takes, as the mean over the requests that both
    completed (empty where the traces differ); `faster` is the share of these requests that it serves sooner."""

    better: Profile
    worse: Profile
    why: str
    swapped: bool
    paired_s: Mapping[str, float]
    paired_requests: int
    faster: float
    decisive: Decisive | None = None


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
    outcome: Outcome, requests: pd.DataFrame | None, instances: Mapping[str, list[object]], slo: Slo = PAPER
) -> Profile:
    """Profile a run, judged by `slo`. `requests` and `instances` are its tables (None, empty: it has none)."""
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
    columns = (instances.get(name, []) for name in ("role", "utilisation", "kv_peak_fraction"))
    rows = [
        (str(role or "both"), float(str(busy)), float(str(full))) for role, busy, full in zip(*columns, strict=True)
    ]
    return tuple(
        Role(members[0][0], len(members), sum(row[1] for row in members) / len(members), max(row[2] for row in members))
        for members in sorted(grouped(rows, lambda row: row[0]), key=lambda members: members[0][0])
    )


def compare_runs(first: Profile, second: Profile, requests: Tables, slo: Slo = PAPER) -> RunComparison:
    """Find the better of two runs, and by how much it is better over the same requests. `requests` are the runs'
    tables, `slo` is what the profiles were judged by."""
    why, swapped = _better(first, second)
    better, worse = (second, first) if swapped else (first, second)
    tables = requests[::-1] if swapped else requests
    paired, count, faster = _paired(better, worse, tables)
    return RunComparison(better, worse, why, swapped, paired, count, faster, _decisive(better, worse, tables, slo))


def _decisive(better: Profile, worse: Profile, requests: Tables, slo: Slo) -> Decisive | None:
    if not better.spent or not worse.spent:
        return None
    figures = [(limit, better.figure(limit.figure), worse.figure(limit.figure)) for limit in slo.limits()]
    missed = [(limit, good, bad) for limit, good, bad in figures if good <= limit.largest < bad]
    if not missed:
        return None
    limit, good, bad = max(missed, key=lambda entry: (entry[2] / entry[0].largest, entry[0].figure))
    percent, column = float(limit.percentile[1:]), f"{limit.metric}_{UNITS[limit.unit][0]}"
    around = tuple(spent(table, percent, column) for table in requests if table is not None)
    return Decisive(limit, (good, bad), around)


def _better(first: Profile, second: Profile) -> tuple[str, bool]:
    """The first criterion by which the runs differ, and whether the second run is the better one by it."""
    for why, mark, other in zip(_CRITERIA, _marks(first), _marks(second), strict=True):
        if mark != other:
            return why, other > mark
    return "", False


_CRITERIA = (
    "it ran to its end",
    "it is within the SLO",
    "it leaves fewer requests unserved",
    "it meets more of the SLO's limits",
    "its requests take less time at p90",
)


def _marks(run: Profile) -> tuple[float, ...]:
    """A number for each of `_CRITERIA`; more is better."""
    e2e = -run.spent[1].e2e_s if run.spent else -math.inf
    completed = run.outcome.status == "completed"
    return float(completed), float(run.judged.within), -float(run.unserved), float(run.judged.limits_met), e2e


def _paired(better: Profile, worse: Profile, requests: Tables) -> tuple[dict[str, float], int, float]:
    """`paired_s`, the number of requests that both runs completed, and `faster` of a `RunComparison`."""
    good, bad = requests
    if better.outcome.trace_identity != worse.outcome.trace_identity or not better.spent or not worse.spent:
        return {}, 0, math.nan
    assert good is not None and bad is not None
    _, left, right = np.intersect1d(good["request_id"], bad["request_id"], return_indices=True)
    if not len(left):
        return {}, 0, math.nan
    good_times, bad_times = phase_times(good), phase_times(bad)
    less = {name: float(np.mean(bad_times[name][right] - good_times[name][left])) for name in PHASES}
    faster = good["e2e_s"].to_numpy()[left] < bad["e2e_s"].to_numpy()[right]
    return less, len(left), float(np.mean(faster))
