"""The power of a run's GPUs over time, from what the run recorded of its requests.

An instance draws one power while a prompt is under way on it, another while it only decodes, and a third while nothing
runs. A prompt is under way from its first step to its last one, a decode likewise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from configs.gpu_power import GpuPower

Floats = npt.NDArray[np.float64]
Numbers = npt.NDArray[Any]
PEAK_PERCENTILE = 99  # of time


class Instance(NamedTuple):
    """An instance as its run knows it, and the power of all of its GPUs."""

    application_id: int
    number: int  # among those of the application
    power: GpuPower


class _Segments(NamedTuple):
    """Times that do not overlap on one instance, by the instance's place."""

    places: Numbers
    starts_s: Floats
    ends_s: Floats


@dataclass(frozen=True)
class PowerCurve:
    """The power of a run from its first arrival to its end, as far as completed requests explain it.

    `p99_w` is what it exceeds for 1% of the time. `explained_s`: the time in which instances ran such requests, summed
    over instances.
    """

    p99_w: float
    peak_w: float
    explained_s: float
    times_s: Floats  # at which the power changes, from 0 to the run's end
    watts: Floats  # from each of these times to the next

    def over_time(self, step_s: float) -> Floats:
        """The mean power of each step of so many seconds; the last one may be shorter."""
        span_s = float(self.times_s[-1])
        edges = np.append(np.arange(0.0, span_s, step_s), span_s)
        so_far_j = np.append(0.0, np.cumsum(self.watts * np.diff(self.times_s)))
        watts: Floats = np.diff(np.interp(edges, self.times_s, so_far_j)) / np.diff(edges)
        return watts


def power_curve(
    requests: Mapping[str, Numbers], instances: Sequence[Instance], others_w: float, first_s: float, end_s: float
) -> PowerCurve:
    """The power from `first_s` to `end_s`, on the clock of the columns. GPUs of no instance draw `others_w` in all."""
    of_prompts = _segments(requests, ("prompt",), instances, first_s, end_s)
    of_both = _segments(requests, ("prompt", "token"), instances, first_s, end_s)
    idle_w, prompt_w, token_w = np.array(
        [(each.power.idle_w, each.power.prompt_w, each.power.token_w) for each in instances], np.float64
    ).T
    changes = [
        (of_both, token_w - idle_w),
        (of_prompts, prompt_w - token_w),
    ]
    times_s, watts = _power(changes, float(idle_w.sum()) + others_w, end_s - first_s)
    lasted_s = np.diff(times_s)
    order = np.argsort(watts, kind="stable")
    reached_s = np.cumsum(lasted_s[order])
    place = min(int(np.searchsorted(reached_s, PEAK_PERCENTILE / 100 * reached_s[-1])), len(order) - 1)
    explained_s = float((of_both.ends_s - of_both.starts_s).sum())
    return PowerCurve(float(watts[order[place]]), float(watts.max()), explained_s, times_s, watts)


def _segments(
    requests: Mapping[str, Numbers], phases: Sequence[str], instances: Sequence[Instance], first_s: float, end_s: float
) -> _Segments:
    """When requests in one of these phases were under way on each instance, in s after `first_s`."""
    place_of = {(each.application_id, each.number): place for place, each in enumerate(instances)}
    places, starts, ends = [], [], []
    for phase in phases:
        start_s = np.maximum(np.asarray(requests[f"{phase}_start_s"], np.float64), first_s) - first_s
        stop_s = np.minimum(np.asarray(requests[f"{phase}_end_s"], np.float64), end_s) - first_s
        ran = stop_s > start_s  # not for NaN
        pairs = zip(requests["application_id"][ran].tolist(), requests[f"{phase}_instance"][ran].tolist(), strict=True)
        places.append(np.array([place_of[pair] for pair in pairs], np.int64))
        starts.append(start_s[ran])
        ends.append(stop_s[ran])
    return _joined(np.concatenate(places), np.concatenate(starts), np.concatenate(ends))


def _joined(places: Numbers, starts: Floats, ends: Floats) -> _Segments:
    """Intervals on the same instance that touch or overlap, joined."""
    if not len(places):
        return _Segments(places, starts, ends)
    order = np.lexsort((starts, places))
    places, starts, ends = places[order], starts[order], ends[order]
    is_new = np.ones(len(places), dtype=bool)
    bounds = np.flatnonzero(np.append(True, places[1:] != places[:-1]))
    for first, last in zip(bounds, np.append(bounds[1:], len(places)), strict=True):
        latest = np.maximum.accumulate(ends[first:last])
        is_new[first + 1 : last] = starts[first + 1 : last] > latest[:-1]
    begins = np.flatnonzero(is_new)
    return _Segments(places[begins], starts[begins], np.maximum.reduceat(ends, begins))


def _power(changes: Sequence[tuple[_Segments, Floats]], base_w: float, span_s: float) -> tuple[Floats, Floats]:
    """The times at which the power of all changes, from 0 to `span_s`, and the power from each one on; `changes` are
    segments and by how much their instances then draw more than without them."""
    times, steps = [np.zeros(1)], [np.array([base_w])]
    for segments, more_w in changes:
        times += [segments.starts_s, segments.ends_s]
        steps += [more_w[segments.places], -more_w[segments.places]]
    moments, jumps = np.concatenate(times), np.concatenate(steps)
    order = np.argsort(moments, kind="stable")
    moments, watts = moments[order], np.cumsum(jumps[order])
    lasts = np.append(moments, span_s)
    is_kept = np.diff(lasts) > 0.0  # of changes at one time the last one holds
    return np.append(moments[is_kept], span_s), watts[is_kept]
