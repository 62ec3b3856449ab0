"""Figures of a run beyond its times: goodput, steady throughput, use of machines, and whether it is stable.

They are computed once, in the worker, from the columns of requests and instances; docs/metrics.md has the formulas.
Times count from the first arrival. With D the time to the last one, rounded up to a second, the steady window goes from
0.1 D to 0.9 D: 60 to 540 s of ten minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, inf, sqrt

import numpy as np
import numpy.typing as npt

from sync.results.measure import MeasuredRun
from sync.results.metrics import METRICS
from sync.results.outcome import Outcome
from sync.results.slo import PAPER, Slo

Floats = npt.NDArray[np.float64]
STEADY = (0.1, 0.9)  # of the time until the last arrival
# The backlog of the later stretch is held against that of the earlier one: both after the start, before arrivals end.
EARLIER, LATER = (0.4, 0.5), (0.8, 0.9)
GROWTH = 0.01  # the most that a stable backlog grows, as a share of the requests that arrive in between
NOISE = 4.0  # the most that a stable backlog grows by chance, in standard deviations of a count
SECONDS_AN_HOUR, W_A_KW = 3600.0, 1000.0
DECIMALS = 6  # of seconds since the first arrival: a microsecond is more than the rounding error of any run's clock


@dataclass(frozen=True, slots=True)
class Arriving:
    """The stretch of time in which requests arrive, on the run's clock."""

    first_s: float = 0.0
    last_s: float = 0.0

    @classmethod
    def of(cls, summary: Mapping[str, float], *arrivals_s: Floats) -> Arriving:
        """The stretch of all requests of a run, up to the run's end where its `summary` says that it was cut."""
        times_s = np.concatenate(arrivals_s)
        if not len(times_s):
            return cls()
        first_s = float(times_s.min())
        lasted_s = summary["run/end_s"] if "run/cut_at_s" in summary else inf
        return cls(first_s, min(float(times_s.max()), first_s + lasted_s))

    @property
    def span_s(self) -> float:
        """The time from the first to the last arrival."""
        return round(self.last_s - self.first_s, DECIMALS)

    def since_first(self, times_s: Floats) -> Floats:
        """Times since the first arrival."""
        return since(self.first_s, times_s)


def since(first_s: float, times_s: Floats) -> Floats:
    """Times since `first_s`, to the microsecond: a moment at a window's edge is there wherever the clock started."""
    return np.round(times_s - first_s, DECIMALS)


def run_figures(result: MeasuredRun, slo: Slo = PAPER) -> dict[str, float]:
    """The figures by name. A run that was stopped early has `run/stable` alone."""
    if result.stopped_s is not None:
        return {"run/stable": 0.0}
    columns = {name: np.asarray(column, dtype=np.float64) for name, column in result.requests.items()}
    unserved = np.array([float(str(time)) for time in result.unserved["arrival_s"]], dtype=np.float64)
    arriving = Arriving.of(result.summary, columns["arrival_s"], unserved)
    figures = goodput(columns, slo, unserved, arriving)
    waiting = unserved[np.array([outcome == "unfinished" for outcome in result.unserved["outcome"]], dtype=bool)]
    figures |= _stability(columns, waiting, arriving)
    return figures | _use_of_machines(columns, result.instances)


def goodput(columns: Mapping[str, Floats], slo: Slo, unserved_s: Floats, arriving: Arriving) -> dict[str, float]:
    """Steady throughput, and the part of it that meets the SLO. `columns` are those of completed requests; `unserved_s`
    has the arrivals of the others, of which those after the run's end do not count.

    A phase that a request does not have (one output token: no time between tokens) meets its limit. Without figures
    for a limit (slowdowns of a model that was not measured) there is no goodput.
    """
    completed, unserved = len(columns["arrival_s"]), int((unserved_s <= arriving.last_s).sum())
    limits = slo.of_each_request()
    figures: dict[str, float] = {}
    good = np.ones(completed, dtype=bool)
    known = completed == 0 or all(np.isfinite(columns[f"e2e_{name.rpartition('_')[2]}"]).any() for name in limits)
    for phase in METRICS:
        met = np.ones(completed, dtype=bool)
        for name in (name for name in limits if name.startswith(f"{phase}_")):
            met &= ~(columns[name] > limits[name])  # NaN meets it
        good &= met
        if known and completed + unserved:
            figures[f"goodput/{phase}_attainment"] = float(met.sum()) / (completed + unserved)
    if known and completed + unserved:
        figures["goodput/attainment"] = float(good.sum()) / (completed + unserved)
    start_s, end_s = (share * ceil(arriving.span_s) for share in STEADY)
    if end_s > start_s:
        done_s = arriving.since_first(columns["arrival_s"] + columns["e2e_s"])
        inside = (done_s >= start_s) & (done_s < end_s)
        figures["throughput/steady_requests_per_s"] = float(inside.sum()) / (end_s - start_s)
        if known:
            figures["goodput/requests_per_s"] = float((inside & good).sum()) / (end_s - start_s)
    return figures


def provisioned(outcome: Outcome) -> dict[str, float]:
    """Requests per dollar and per kWh that the cluster is provisioned for, of the steady throughput and of the goodput.
    Cost and watts are the outcome's, since prices are no part of a run."""
    served = outcome.summary.get("throughput/steady_requests_per_s")
    good = outcome.summary.get("goodput/requests_per_s")
    figures = {"power/watts": outcome.watts} if outcome.watts > 0 else {}
    for prefix, per_s in (("", served), ("good_", good)):
        if per_s is not None and outcome.cost > 0:
            figures[f"cost/{prefix}requests_per_dollar"] = per_s * SECONDS_AN_HOUR / outcome.cost
        if per_s is not None and outcome.watts > 0:
            figures[f"power/{prefix}requests_per_kwh"] = per_s * SECONDS_AN_HOUR * W_A_KW / outcome.watts
    return figures


def _stability(columns: Mapping[str, Floats], waiting: Floats, arriving: Arriving) -> dict[str, float]:
    """Whether all requests were served and the backlog did not grow. `waiting`: arrivals of the unfinished requests."""
    staying_s = waiting[waiting <= arriving.last_s]
    arrivals, until_s = arriving.since_first(np.concatenate((columns["arrival_s"], staying_s))), arriving.span_s
    if until_s <= 0:
        return {"run/stable": float(len(waiting) == 0)} if len(arrivals) else {}
    done_s = arriving.since_first(columns["arrival_s"] + columns["e2e_s"])
    leaves = np.concatenate((done_s, np.full(len(staying_s), np.inf)))
    earlier, later = (_mean_present(arrivals, leaves, a * until_s, b * until_s) for a, b in (EARLIER, LATER))
    between_s = (sum(LATER) - sum(EARLIER)) / 2 * until_s
    growth, came = later - earlier, len(arrivals) / until_s * between_s
    stable = growth <= max(GROWTH * came, NOISE * sqrt(earlier + later)) and len(waiting) == 0
    return {"run/stable": float(stable), "run/backlog_growth_per_s": growth / between_s}


def _mean_present(arrivals: Floats, leaves: Floats, start_s: float, end_s: float) -> float:
    """The mean number of requests in the cluster over a stretch of time."""
    inside = np.minimum(leaves, end_s) - np.maximum(arrivals, start_s)
    return float(np.maximum(inside, 0.0).sum()) / (end_s - start_s)


def _use_of_machines(columns: Mapping[str, Floats], instances: Mapping[str, list[object]]) -> dict[str, float]:
    """By role (`both` where machines have none): the share of time they are busy, and the requests in a batch."""
    roles = [str(role) or "both" for role in instances["role"]]
    busy_s, used = (np.array(instances[name], dtype=np.float64) for name in ("busy_s", "utilisation"))
    places = zip(instances["application_id"], instances["index"], strict=True)
    row_of = {(int(str(app)), int(str(index))): row for row, (app, index) in enumerate(places)}
    running_s = np.zeros(len(roles))
    for (app, index), seconds in _running_s(columns).items():
        running_s[row_of[app, index]] += seconds
    figures: dict[str, float] = {}
    for role in dict.fromkeys(roles):
        members = np.array([other == role for other in roles])
        figures[f"utilisation/{role}"] = float(used[members].mean())
        if busy_s[members].sum() > 0:
            figures[f"batch/{role}_requests"] = float(running_s[members].sum() / busy_s[members].sum())
    return figures


def _running_s(columns: Mapping[str, Floats]) -> dict[tuple[int, int], float]:
    """By application and instance: the time that requests were in a batch there, summed over requests."""
    decode_s = columns["token_end_s"] - columns["token_start_s"] - columns["preempted_s"]
    phases = (
        (columns["prompt_instance"], columns["prompt_end_s"] - columns["prompt_start_s"]),
        (columns["token_instance"], decode_s),
    )
    found: dict[tuple[int, int], float] = {}
    for instance, seconds in phases:
        ran = np.isfinite(seconds) & np.isfinite(instance) & (instance >= 0)
        for app in np.unique(columns["application_id"][ran]):
            rows = ran & (columns["application_id"] == app)
            sums = np.bincount(instance[rows].astype(np.int64), np.maximum(seconds[rows], 0.0))
            for index in np.unique(instance[rows].astype(np.int64)):
                place = int(app), int(index)
                found[place] = found.get(place, 0.0) + float(sums[index])
    return found
