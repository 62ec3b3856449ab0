"""What a run's requests say beyond their columns: curves to draw, the trace's digest, and which were not served.

The worker derives it once from the recorded columns. Curves over time are means over each step; times count from the
first arrival. Percentiles and throughput are exact, and where all requests were completed also the queue and the KV
memory. Output tokens are spread evenly between the first and the last one of each request; a preempted decode counts in
the batch by its running share of the time. Unfinished requests count in the queue if they are still in it at the end.
Once some of them have run, memory, tokens and batch would be too low: such a run has no curves of these.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from sim_core import SimSpec
from sim_core.memory import instance_memory
from sim_core.policies import policies_for
from sim_core.request_state import UNFINISHED, RequestState
from sim_core.start_state import Machines
from sim_core.trace import Trace
from sync.results import checks
from sync.results.figures import DECIMALS, since
from sync.results.measure import MeasuredRun
from sync.results.moments import Moments
from sync.results.statistics import percentile

Floats = npt.NDArray[np.float64]
BY_PERCENTILE, OVER_TIME = "by_percentile", "over_time_s"
# Each point costs the writer a tenth of a millisecond: as few as still show the shape, and the tail. The slowest one of
# all requests would flatten the rest of the curve.
PERCENTS = (1, *range(10, 91, 10), 95, 98, 99)
MOST_STEPS = 30  # of a series over time
_WIDTHS_S = (1, 2, 5, 10, 15, 20, 30, 60)  # of a step: round, so that runs of about one length share their steps
TIME_CURVES = (
    *("throughput_requests_per_s", "output_tokens_per_s", "waiting_requests"),
    *("kv_memory_fraction", "batch_requests_per_instance"),
)
_OF_ARRIVALS_AND_ENDS = ("throughput_requests_per_s", "waiting_requests")
_ENDS_OF_INTERVALS = ("prompt_start_s", "prompt_end_s", "transfer_start_s", "token_start_s", "token_end_s")
_TIMES = {"arrival_s", *(f"{phase}_{end}_s" for phase in ("prompt", "transfer", "token") for end in ("start", "end"))}
_MOST_TEXT = 1 << 20  # characters of what is derived of a run
_NUMBERS = checks.each(checks.number(-checks.MOST_FIGURE, checks.MOST_FIGURE))
_STEPS = checks.each(checks.whole(0, int(checks.MOST_S)))
_A_NAME = checks.text(1, checks.MOST_NAME)


def _curve(key: str, value: object) -> None:
    """Steps and values, as many of each."""
    if not isinstance(value, list) or len(value) != 2:
        raise checks.BadField("must be steps and values", key=key)
    _STEPS(f"{key}.steps", value[0])
    _NUMBERS(f"{key}.values", value[1])
    if len(value[0]) != len(value[1]):
        raise checks.BadField(f"has {len(value[0])} steps and {len(value[1])} values", key=key)


_KEPT: Mapping[str, checks.Check] = {  # what `Derived` keeps as JSON
    "series": checks.mapping(_A_NAME, _curve),
    "trace": checks.mapping(_A_NAME, checks.scalar),
    "unserved": checks.mapping(_A_NAME, checks.whole(0, checks.MOST_COUNT)),
}
_NOT_STARTED = (RequestState.WAITS_FOR_PROMPT, RequestState.NOT_REACHED)


class Series(NamedTuple):
    """A curve: `steps` are percents or whole seconds since the first arrival (a step's beginning)."""

    steps: tuple[int, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Derived:
    """What goes with a table of requests. `trace` has the digest of the trace's contents and its size; `unserved`
    counts the requests that were not completed, by their `RequestState`."""

    series: dict[str, Series] = field(default_factory=dict)
    trace: dict[str, Any] = field(default_factory=dict)
    unserved: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        """As strict JSON."""
        return json.dumps({"series": self.series, "trace": self.trace, "unserved": self.unserved}, allow_nan=False)

    @classmethod
    def from_json(cls, text: str | bytes) -> Derived:
        """The inverse of `to_json`. Raises ValueError for anything else."""
        if len(text) > _MOST_TEXT:
            raise ValueError(f"what was derived from it has {len(text):,} characters; at most {_MOST_TEXT:,}")
        try:
            plain = json.loads(text)
            checks.check_fields(plain, _KEPT, may_have_others=True)
            series = {name: Series(tuple(steps), tuple(values)) for name, (steps, values) in plain["series"].items()}
            return cls(series, dict(plain["trace"]), dict(plain["unserved"]))
        except (KeyError, TypeError, AttributeError, RecursionError) as error:
            raise ValueError(f"not what a table of requests carries: {error}") from error


def derive(result: MeasuredRun, spec: SimSpec, trace: Trace | None = None) -> Derived:
    """The curves of a result, who was not served in it, and what its trace was (where that is given)."""
    columns = {name: np.asarray(column, dtype=np.float64) for name, column in result.requests.items()}
    series = percentile_curves(result.ascending)
    if result.span_s > 0:
        series |= curves_over_time(columns, result, _sequences(result, trace), capacity_tokens(spec))
    unserved = Counter(map(str, result.unserved["state"]))
    return Derived(series, {} if trace is None else _described(trace), dict(unserved.most_common()))


def percentile_curves(sorted_s: Mapping[str, Floats]) -> dict[str, Series]:
    """TTFT, TBT and E2E in s at each of `PERCENTS`, interpolated as the summary's percentiles are."""
    return {
        f"{BY_PERCENTILE}/{metric}_s": Series(PERCENTS, tuple(percentile(values, percent) for percent in PERCENTS))
        for metric, values in sorted_s.items()
        if len(values)
    }


def curves_over_time(
    columns: Mapping[str, Floats], result: MeasuredRun, sequences: Floats, capacity: int
) -> dict[str, Series]:
    """Means over steps of whole seconds, from the first arrival to the run's end; `sequences` scales the KV cache of
    each request, `capacity` is the cluster's in tokens."""
    first_s = result.first_arrival_s
    edges = _edges(result.span_s)
    c = {name: column - first_s if name in _TIMES else column for name, column in columns.items()}
    at = _moments(c, edges)
    token_start, token_end = c["token_start_s"], c["token_end_s"]
    lasted = np.where(at["token_start_s"].known, token_end - token_start, 1.0)
    some = np.where(lasted > 0, lasted, 1.0)
    running = np.clip(1.0 - c["preempted_s"] / some, 0.0, 1.0)
    after_first = np.where(lasted > 0, (c["output_tokens"] - 1) / some, 0.0)
    prompts = at["prompt_start_s"].mean_number(at["prompt_end_s"])
    came, began = _waiting(c, at["prompt_start_s"], result, edges)
    decodes = partial(at["token_start_s"].mean_number, at["token_end_s"])
    widths = np.diff(edges)
    values = (
        _number(c["arrival_s"] + c["e2e_s"], edges) / widths,
        _number(c["prompt_end_s"], edges) / widths + decodes(after_first),
        came.mean_number(began),
        _kv_tokens(c, at, sequences, edges) / max(capacity, 1),
        (prompts + decodes(running)) / max(len(result.instances["name"]), 1),
    )
    steps = tuple(edges[:-1].astype(int).tolist())
    states = {RequestState(str(state)) for state in result.unserved["state"]}
    some_ran = any(state.outcome == UNFINISHED and state not in _NOT_STARTED for state in states)
    return {
        f"{OVER_TIME}/{name}": Series(steps, tuple(curve.tolist()))
        for name, curve in zip(TIME_CURVES, values, strict=True)
        if not some_ran or name in _OF_ARRIVALS_AND_ENDS
    }


def unserved_words(state: str) -> str:
    """What became of requests, in words, by a key of `Derived.unserved`. Tables made before the states were data have
    words as their keys: those are said as they are."""
    try:
        known = RequestState(state)
    except ValueError:
        return state
    return f"{known.outcome}: {known.sentence()}"


def _edges(end_s: float) -> Floats:
    """The edges of the steps: from 0 on equally far apart, but for the last one, which is at `end_s`."""
    rough_s = round(end_s, DECIMALS) / MOST_STEPS
    width_s = next((width for width in _WIDTHS_S if width >= rough_s), int(np.ceil(rough_s / 60)) * 60)
    edges: Floats = np.arange(0.0, end_s, width_s)
    # in a sliver of a step a single request looks like a burst
    is_sliver = len(edges) > 1 and round(end_s - edges[-1], DECIMALS) < width_s / 2
    return np.append(edges[:-1] if is_sliver else edges, end_s)


def _number(times_s: Floats, edges: Floats) -> npt.NDArray[np.intp]:
    """How many moments fall into each step; what is later than the last edge falls into the last one."""
    moments, last = since(0.0, times_s), len(edges) - 2
    moments = moments[moments >= 0]  # NaN is not
    steps = np.minimum(moments / edges[1], last).astype(np.intp)  # `histogram` would sort: six times as slow
    steps -= moments < edges[steps]  # where the quotient was rounded up
    return np.bincount(steps, minlength=last + 1)


def _waiting(
    columns: Mapping[str, Floats], began: Moments, result: MeasuredRun, edges: Floats
) -> tuple[Moments, Moments]:
    """From arrival to the prompt's start (`began`); to the run's end for whoever is still waiting then."""
    waits = np.array([state == RequestState.WAITS_FOR_PROMPT for state in result.unserved["state"]], dtype=bool)
    if not waits.any():
        return Moments(columns["arrival_s"], edges), began
    left_s = np.array(result.unserved["arrival_s"], dtype=np.float64)[waits] - result.first_arrival_s
    ends_s = np.full(len(left_s), result.end_s - result.first_arrival_s)
    came_s, began_s = np.append(columns["arrival_s"], left_s), np.append(columns["prompt_start_s"], ends_s)
    return Moments(came_s, edges), Moments(began_s, edges)


def _moments(columns: Mapping[str, Floats], edges: Floats) -> dict[str, Moments]:
    return {name: Moments(columns[name], edges) for name in _ENDS_OF_INTERVALS}


def _kv_tokens(columns: Mapping[str, Floats], at: Mapping[str, Moments], sequences: Floats, edges: Floats) -> Floats:
    """The mean KV cache held, in tokens: during a transfer at both of its ends. `at`: the columns' times."""
    prompt, decode = sequences * (columns["prompt_tokens"] + 1), sequences * (columns["output_tokens"] - 1)
    sent, end = at["transfer_start_s"], at["token_end_s"]
    released = Moments(np.where(sent.known, columns["transfer_end_s"], columns["token_end_s"]), edges)
    return (
        at["prompt_start_s"].mean_number(released, prompt)
        + sent.mean_number(end, prompt)
        + at["token_start_s"].mean_number(end, decode)
    )


def capacity_tokens(spec: SimSpec) -> int:
    """The KV cache that fits into all instances of a cluster together, in tokens."""
    models = {application.application_id: application.model for application in spec.applications}
    policies, machines, tokens = policies_for(spec), Machines(spec.servers), 0
    for state in spec.start_states:
        for plan in policies.plans(state, machines.take(state)):
            tokens += instance_memory(models[state.application_id], plan).capacity_tokens
    return tokens


def _sequences(result: MeasuredRun, trace: Trace | None) -> Floats:
    """How many sequences each completed request stands for."""
    ids = result.requests["request_id"]
    if trace is None or not (np.asarray(trace.batch_size) > 1).any():
        return np.ones(len(ids))
    number = dict(zip(trace.request_id, trace.batch_size, strict=True))
    return np.array([number[request_id] for request_id in ids.tolist()], dtype=np.float64)


def _described(trace: Trace) -> dict[str, Any]:
    return {
        "digest": trace.digest(),
        "requests": len(trace),
        "prompt_tokens": int(np.sum(trace.prompt_tokens)),
        "output_tokens": int(np.sum(trace.output_tokens)),
        "span_s": trace.arrival_s[-1] - trace.arrival_s[0] if len(trace) else 0.0,  # from the first arrival to the last
    }
