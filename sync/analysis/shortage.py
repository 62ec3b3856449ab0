"""What a cluster lacks where a run is too slow: time for `prompts`, time for `decodes`, `memory`, or faster `links`.

The slowest tenth of the requests, by the metric that is beyond its limit, loses time in these ways:

    queue      waits for its prompt                                   counts for TTFT and E2E
    room       waits until its KV cache has room where it is decoded  counts for TBT and E2E, as the following
    transfer   its KV cache is on a link
    wait       waits for its first decode, or is preempted
    decode     decodes slower than the fastest requests of the run

As long as the machine runs prompts meanwhile, the cluster lacks time for prompts. Where a request waits for a machine
that runs none, memory is short if that machine's was full, and else time for decodes. A machine whose batch of decodes
was as large as it can be lacks time for decodes, too, although its memory fills up with requests that wait. What costs
the most time is the answer.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from sync.results.outcome import Outcome
from sync.results.parquet import INSTANCES, column_names, read_beside, read_requests

Floats = npt.NDArray[np.float64]
Times = Mapping[str, Floats]

PROMPTS, DECODES, MEMORY, LINKS = "prompts", "decodes", "memory", "links"
SLOWEST = 0.1  # share of the requests that is looked at
FULL = 0.95  # peak of the KV memory from which on a request may have found no room
_LITTLE = 0.05  # share of the requests' time: less than this explains nothing
_OFTEN = 0.4  # share of the time
_PART = 0.75  # of the memory
_FASTEST = 0.02  # the quantile of the time between tokens that counts as undisturbed
_COLUMNS = (
    *("application_id", "arrival_s", "prompt_tokens", "output_tokens", "prompt_instance", "token_instance"),
    *("prompt_start_s", "prompt_end_s", "transfer_start_s", "transfer_end_s", "token_start_s", "token_end_s"),
)
_UNITS = ("slowdown", "s")  # of a metric's columns, the better one first
_STRIDE = 1 << 20  # between the numbers of instances of two applications
_ALONE = {"ttft": PROMPTS, "tbt": DECODES}  # what takes the time of a request that loses none


def short_of(outcome: Outcome, limit_metric: str, table: bytes = b"") -> str:
    """What a run lacks that is beyond a limit on `limit_metric`: `ttft`, `tbt` or `e2e`. `table` is its table of
    requests (default: the outcome's own). Empty where it cannot be told: no table, no request was completed, or older
    code left other columns. Runs that were stopped are judged by the requests that they completed."""
    parquet = table or outcome.requests_parquet
    names = {*_COLUMNS, *(f"{limit_metric}_{unit}" for unit in _UNITS)}
    if not parquet or not names <= set(column_names(parquet)):
        return ""
    read = read_requests(parquet, names, outcome.summary.get("run/completed"))
    times = {name: read[name].to_numpy().astype(np.float64) for name in names}
    slowest = _slowest(times, limit_metric)
    if not slowest.any():
        return ""
    lost = _lost(times, _short_of_memory(parquet, times), limit_metric)
    means = {cause: float(seconds[slowest].mean()) for cause, seconds in lost.items()}
    whole_s = times["token_end_s"] - times["prompt_end_s"] if limit_metric == "tbt" else times[f"{limit_metric}_s"]
    if max(means.values()) < _LITTLE * float(np.nanmean(whole_s[slowest])):
        return _ALONE.get(limit_metric) or _longest_phase(times, slowest)
    return max(means, key=lambda cause: means[cause])


def _slowest(times: Times, metric: str) -> npt.NDArray[np.bool_]:
    """The slowest requests, by slowdown where it is known; none where no request has the metric."""
    for unit in _UNITS:
        taken = times[f"{metric}_{unit}"]
        if (known := np.isfinite(taken)).any():
            slow: npt.NDArray[np.bool_] = known & (taken >= np.quantile(taken[known], 1.0 - SLOWEST))
            return slow
    return np.zeros(len(times["arrival_s"]), dtype=bool)


def _short_of_memory(parquet: bytes, times: Times) -> Floats:
    """The numbers of the instances whose KV memory was full at times, without those that decoded as many requests as
    they can."""
    instances = read_beside(parquet, INSTANCES)
    if not {"application_id", "index", "kv_peak_fraction"} <= instances.keys():
        return np.empty(0)
    applications, indices, peaks = (
        np.array(instances[name], dtype=np.float64) for name in ("application_id", "index", "kv_peak_fraction")
    )
    token_at = _numbers(times["application_id"], times["token_instance"])
    full = _numbers(applications, indices)[peaks >= FULL]
    capped = [_is_capped({name: column[token_at == number] for name, column in times.items()}) for number in full]
    short: Floats = full[~np.array(capped, dtype=bool)]
    return short


def _is_capped(times: Times) -> bool:
    """Whether a limit on the batch, and not memory, keeps the requests of an instance waiting: it decodes one number of
    requests for a good part of the time, and these hold a part of the memory alone."""
    prompts, outputs = times["prompt_tokens"] + 1.0, times["output_tokens"] - 1.0
    came_s = np.where(np.isfinite(times["transfer_start_s"]), times["transfer_start_s"], times["prompt_start_s"])
    begin_s, end_s = times["token_start_s"], times["token_end_s"]
    decodes = begin_s < end_s  # a request of one token has no decode
    ones, sizes = np.ones(decodes.sum()), (prompts + outputs)[decodes]
    count, count_s = _levels((begin_s[decodes], ones), (end_s[decodes], -ones))
    running, running_s = _levels((begin_s[decodes], sizes), (end_s[decodes], -sizes))
    held, _ = _levels((came_s, prompts), (begin_s, outputs), (end_s, -prompts - outputs))
    whole_s = float(count_s.sum())
    if not whole_s > 0.0 or not held.max() > 0.0:
        return False
    most_often_s = float(np.bincount(count.astype(int), count_s).max())
    return most_often_s >= _OFTEN * whole_s and float((running * running_s).sum()) < _PART * whole_s * held.max()


def _levels(*changes: tuple[Floats, Floats]) -> tuple[Floats, Floats]:
    """A level that changes by amounts at moments, and how long it stays so, in order of time; NaN never happens."""
    moments, amounts = (np.concatenate(columns) for columns in zip(*changes, strict=True))
    known = np.isfinite(moments)
    order = np.lexsort((amounts[known], moments[known]))  # those that leave go before others come
    return np.cumsum(amounts[known][order])[:-1], np.diff(moments[known][order])


def _numbers(applications: Floats, instances: Floats) -> Floats:
    """A number for each instance that no other one has; each application numbers its own from 0 on."""
    return applications * _STRIDE + instances


def _lost(times: Times, full: Floats, metric: str) -> dict[str, Floats]:
    """By what the cluster lacks, the seconds that each request loses by it."""
    prompt_at = _numbers(times["application_id"], times["prompt_instance"])
    token_at = _numbers(times["application_id"], times["token_instance"])
    prompting = _Prompting(prompt_at, times["prompt_start_s"], times["prompt_end_s"])
    lost = {cause: np.zeros(len(prompt_at)) for cause in (PROMPTS, DECODES, MEMORY, LINKS)}

    def waits(instances: Floats, begin_s: Floats, end_s: Floats) -> None:
        """Add the time in which requests wait for an instance."""
        behind_s = prompting.seconds(instances, begin_s, end_s)
        other_s = np.nan_to_num(np.maximum(end_s - begin_s - behind_s, 0.0))
        is_full = np.isin(instances, full)
        lost[PROMPTS] += behind_s
        lost[MEMORY] += np.where(is_full, other_s, 0.0)
        lost[DECODES] += np.where(is_full, 0.0, other_s)

    if metric != "tbt":
        waits(prompt_at, times["arrival_s"], times["prompt_start_s"])
    if metric != "ttft":
        sent_s, came_s = times["transfer_start_s"], times["transfer_end_s"]
        room_s = np.nan_to_num(sent_s - times["prompt_end_s"])
        lost[MEMORY] += np.where(np.isin(token_at, full), room_s, 0.0)
        lost[DECODES] += np.where(np.isin(token_at, full), 0.0, room_s)
        lost[LINKS] += np.nan_to_num(came_s - sent_s)
        waits(token_at, np.where(np.isfinite(came_s), came_s, times["prompt_end_s"]), times["token_start_s"])
        behind_s, slower_s = _decoding(times, prompting.seconds(token_at, times["token_start_s"], times["token_end_s"]))
        lost[PROMPTS] += behind_s
        lost[DECODES] += slower_s
    return lost


def _decoding(times: Times, prompting_s: Floats) -> tuple[Floats, Floats]:
    """From the first decode to the last token: the time in which the machine runs prompts, and how much longer the
    rest takes than it does for the fastest requests of the run. NaN becomes 0: no decode."""
    tokens = times["output_tokens"] - 1.0
    own_s = times["token_end_s"] - times["token_start_s"] - prompting_s
    with np.errstate(divide="ignore", invalid="ignore"):
        each_s = own_s / tokens
    measured = np.isfinite(each_s)
    if not measured.any():
        return np.zeros(len(tokens)), np.zeros(len(tokens))
    fastest_s = max(float(np.quantile(each_s[measured], _FASTEST)), 0.0)
    return np.nan_to_num(prompting_s), np.nan_to_num(np.maximum(own_s - tokens * fastest_s, 0.0))


def _longest_phase(times: Times, slowest: npt.NDArray[np.bool_]) -> str:
    """Prompts or decodes: what takes most of the time of requests that lose none."""
    prompt_s, whole_s = (
        times[end][slowest] - times["prompt_start_s"][slowest] for end in ("prompt_end_s", "token_end_s")
    )
    return PROMPTS if np.nansum(prompt_s) >= np.nansum(whole_s - prompt_s) else DECODES


class _Prompting:
    """When each instance runs iterations with prompts. Those of requests that were not completed are not known."""

    def __init__(self, instances: Floats, begin_s: Floats, end_s: Floats) -> None:
        self._by_instance: dict[float, tuple[Floats, Floats, Floats]] = {}
        for instance in np.unique(instances).tolist():
            rows = instances == instance
            begins, first = np.unique(begin_s[rows], return_index=True)  # prompts of a batch begin together
            ends = end_s[rows][first]
            self._by_instance[instance] = begins, ends, np.concatenate(([0.0], np.cumsum(ends - begins)))

    def seconds(self, instances: Floats, begin_s: Floats, end_s: Floats) -> Floats:
        """The time between `begin_s` and `end_s` in which an instance runs prompts, a value a row; 0 for NaN."""
        found = np.zeros(len(instances))
        for instance, (begins, ends, before) in self._by_instance.items():
            rows = (instances == instance) & np.isfinite(begin_s) & np.isfinite(end_s)
            found[rows] = _until(end_s[rows], begins, ends, before) - _until(begin_s[rows], begins, ends, before)
        return found


def _until(moments_s: Floats, begins: Floats, ends: Floats, before: Floats) -> Floats:
    """The time until each moment in which iterations run; `before` sums up all earlier iterations of each."""
    place = np.searchsorted(begins, moments_s, side="right")
    last = np.maximum(place - 1, 0)
    running = np.clip(moments_s - begins[last], 0.0, ends[last] - begins[last])
    until: Floats = np.where(place > 0, before[last] + running, 0.0)
    return until
