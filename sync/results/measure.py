"""The figures of a run: times of requests, slowdowns, and their summary, by numpy from the columns that it recorded.

The code here decides figures, so it is part of the content key of a run in a sweep, with the modules that it imports:
see `sim_core.code_identity`.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from sim_core.cache_use import CacheUse
from sim_core.performance import PERFORMANCE_MODELS
from sim_core.performance.base import PerformanceModel
from sim_core.performance.step_times import StepTimes
from sim_core.policies import policies_for, policies_with
from sim_core.reference import REFERENCE_HARDWARE, REFERENCE_TENSOR_PARALLELISM
from sim_core.results import SimResult
from sim_core.spec import PerformanceSpec, SimSpec
from sync.results.metrics import CONCURRENCY, METRICS, PERCENTILES, SLOWDOWN_PERCENTILES
from sync.results.provenance import PROVENANCE
from sync.results.statistics import mean, mean_of_times, percentile

Numbers = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]
Columns = dict[str, Numbers]
_MOST_IN_A_TABLE = 1 << 20  # tokens


@dataclass(frozen=True, slots=True)
class MeasuredRun(SimResult):
    """A result with its figures. `requests` has the recorded columns (but `end_s`, which `e2e_s` stands for), and with
    the time of each request in s: `queue_s` until its prompt starts, `ttft_s` until its first token, `tbt_s` between
    tokens, `e2e_s` until its last token reaches the client. `ttft_slowdown`, `tbt_slowdown` and `e2e_slowdown` are
    these times over those of the same request alone on the reference machine. NaN: one output token has no `tbt_s`,
    and slowdowns are unknown where the reference machine was not measured.

    `summary` has figures by name (docs/metrics.md). Times in it count from the first arrival. `ascending` has the times
    of `METRICS` by metric, in order and without NaN: sorting them is much of what a summary takes. A run that was
    stopped early, or completed nothing, has counts alone: the times would be those of the requests that came first."""

    requests: Mapping[str, Numbers]
    summary: dict[str, float] = field(default_factory=dict)
    ascending: Mapping[str, Floats] = field(default_factory=dict)


def pick(column: array[Any], rows: array[int]) -> Numbers:
    """As `sim_core.results.picked`, by numpy. What runs a simulation to measure it asks for this."""
    values: Numbers = np.asarray(column)[np.asarray(rows)]
    return values


def measure(result: SimResult, spec: SimSpec) -> MeasuredRun:
    """The figures of the run of `spec` that gave `result`."""
    recorded = {field.name: getattr(result, field.name) for field in fields(SimResult)}
    requests = request_columns(result, spec)
    sorted_s = _sorted_times(requests) if result.completed and result.stopped_s is None else {}
    summary = summary_of(result, requests, sorted_s)
    return MeasuredRun(**recorded | {"requests": requests}, summary=summary, ascending=sorted_s)


def request_columns(result: SimResult, spec: SimSpec) -> Columns:
    """The columns of `MeasuredRun.requests`."""
    recorded: Columns = {name: np.asarray(column) for name, column in result.requests.items()}
    arrival, outputs = recorded["arrival_s"], recorded["output_tokens"]
    ttft, e2e, after_first = recorded["prompt_end_s"] - arrival, recorded["end_s"] - arrival, outputs - 1
    columns = {name: recorded[name] for name in ("request_id", "application_id", "arrival_s", "prompt_tokens")}
    columns |= {
        "output_tokens": outputs,
        "queue_s": recorded["prompt_start_s"] - arrival,
        "ttft_s": ttft,
        "tbt_s": np.where(after_first > 0, (e2e - ttft) / np.maximum(after_first, 1), np.nan),
        "e2e_s": e2e,
    }
    columns |= {name: column for name, column in recorded.items() if name not in columns and name != "end_s"}
    return columns | _slowdowns(columns, spec)


def _slowdowns(requests: Columns, spec: SimSpec) -> Columns:
    """Each time over that of the same request alone on the reference machine; NaN where that is unknown."""
    applications, prompts = requests["application_id"], requests["prompt_tokens"]
    first, each = np.full(len(prompts), np.nan), np.full(len(prompts), np.nan)
    with policies_for(spec).blamed():
        for application in spec.applications:
            alone = _on_reference(spec, application.model.measured_as)
            if alone is not None:
                own = applications == application.application_id if len(spec.applications) > 1 else slice(None)
                first[own], each[own] = alone.of(prompts[own], requests["output_tokens"][own])
    alone_s = {"ttft": first, "tbt": each, "e2e": first + each * (requests["output_tokens"] - 1)}
    with np.errstate(divide="raise"):
        return {f"{metric}_slowdown": requests[f"{metric}_s"] / alone_s[metric] for metric in METRICS}


class _Alone:
    """The times of requests that are alone on the reference machine, each worked out when it is first asked for."""

    __slots__ = ("_by_size", "_times")

    def __init__(self, times: StepTimes) -> None:
        self._times = times
        self._by_size = np.empty((2, 0))  # of the first token and of each further one, by prompt size; NaN: not yet

    def of(self, prompts: Numbers, outputs: Numbers) -> tuple[Floats, Floats]:
        """`StepTimes.alone` of all requests; asked once for a prompt size where it depends on no more."""
        alone = self._times.alone
        if self._times.grows_with_context:
            return _columns([alone(*size) for size in zip(prompts.tolist(), outputs.tolist(), strict=True)])
        most = int(prompts.max(initial=0))
        if most > _MOST_IN_A_TABLE:
            different, size_of_row = np.unique(prompts, return_inverse=True)
            first, each = _columns([alone(size) for size in different.tolist()])
            return first[size_of_row], each[size_of_row]
        if (more := most + 1 - self._by_size.shape[1]) > 0:
            self._by_size = np.pad(self._by_size, ((0, 0), (0, more)), constant_values=np.nan)
        if len(new := np.unique(prompts[np.isnan(self._by_size[0][prompts])])):
            self._by_size[:, new] = _columns([alone(size) for size in new.tolist()])
        first, each = self._by_size
        return first[prompts], each[prompts]


def _columns(pairs: list[tuple[float, float]]) -> tuple[Floats, Floats]:
    first, second = np.array(pairs, dtype=np.float64).reshape(-1, 2).T.copy()
    return first, second


def _on_reference(spec: SimSpec, model: str) -> _Alone | None:
    """The times on the reference machine; None where they are unknown."""
    if spec.performance.policy in PERFORMANCE_MODELS:  # which no plugin's may be called
        return _own_on_reference(_alone_on_reference(spec.performance, model), model)
    return _times_alone(policies_for(spec).performance(spec.performance), model)


def _times_alone(performance: PerformanceModel, model: str) -> _Alone | None:
    """The times on the reference machine by `performance`."""
    times = performance.step_times(model, REFERENCE_HARDWARE, REFERENCE_TENSOR_PARALLELISM)
    return None if times is None else _Alone(times)


def _alone_on_reference(spec: PerformanceSpec, model: str) -> PerformanceSpec:
    """The spec with no curve but that of `model` on the reference machine. The runs of a sweep differ in the others,
    which their own machines need."""
    wanted = (model, REFERENCE_HARDWARE, REFERENCE_TENSOR_PARALLELISM)
    curves = tuple(c for c in spec.curves if (c.model, c.hardware, c.tensor_parallelism) == wanted)
    grids = (grid for grid in spec.grids if grid.deployment.key == wanted)
    return replace(spec, curves=curves, grids=tuple(grids))


@lru_cache(maxsize=8)
def _own_on_reference(spec: PerformanceSpec, model: str) -> _Alone | None:
    """The same by the project's own performance models. They are kept with the times that they have worked out: the
    runs of a process mostly ask for the same ones again."""
    return _times_alone(policies_with(()).performance(spec), model)


def _sorted_times(requests: Columns) -> dict[str, Floats]:
    """`MeasuredRun.ascending`."""
    return {metric: ascending(requests[f"{metric}_s"]) for metric in METRICS}


def summary_of(result: SimResult, requests: Columns, sorted_s: Mapping[str, Floats]) -> dict[str, float]:
    """The summary of a run, from its result, the columns of its requests and `MeasuredRun.ascending`."""
    summary = _counts(result)
    if sorted_s:
        summary |= _times(requests, sorted_s)
        applications = requests["application_id"]
        for number in np.unique(applications).tolist() if (applications != applications[0]).any() else ():
            rows = applications == number
            own = {name: column[rows] for name, column in requests.items()}
            summary[f"application_{number}/run/completed"] = float(rows.sum())
            times = _times(own, _sorted_times(own))
            summary |= {f"application_{number}/{name}": value for name, value in times.items()}
        if (span_s := result.span_s) > 0:
            summary["throughput/requests_per_s"] = result.completed / span_s
            summary["throughput/output_tokens_per_s"] = int(requests["output_tokens"].sum()) / span_s
            summary |= _at_concurrency(result, requests) if result.concurrency else {}
        peaks, used = (np.array(result.instances[name], float) for name in ("kv_peak_fraction", "utilisation"))
        summary["memory/peak_fraction"] = float(peaks.max())
        summary["utilisation/mean"] = mean(used.tolist())
        if result.links is not None:
            summary |= {f"links/{name}": value for name, value in result.links._asdict().items()}
    if result.cache_use is not None:
        summary |= _cache(result.cache_use)
    if result.iterations_beyond is not None:
        summary["measured/iterations_beyond"] = float(result.iterations_beyond)
    if result.stopped_s is None and (known_s := sum(result.provenance_s.values())):
        summary |= {f"{PROVENANCE}{name}": seconds / known_s for name, seconds in result.provenance_s.items()}
    return summary


def _at_concurrency(result: SimResult, requests: Columns) -> dict[str, float]:
    """The figures of a closed loop that benchmarks give beside its times."""
    tokens = int(requests["prompt_tokens"].sum()) + int(requests["output_tokens"].sum())
    return {
        "throughput/total_tokens_per_s": tokens / result.span_s,
        "closed/mean_concurrency": float(requests["e2e_s"].sum()) / result.span_s,
    }


def _counts(result: SimResult) -> dict[str, float]:
    """How the run ended, and what became of its requests."""
    counts = {
        "run/completed": float(result.completed),
        "run/rejected": float(result.rejected),
        "run/unfinished": float(result.unfinished),
        "run/events": float(result.events),
        "run/end_s": result.span_s,
    }
    if result.concurrency:
        counts[CONCURRENCY], counts["closed/warmup_requests"] = float(result.concurrency), float(result.warmup)
    if result.stopped_s is not None:
        counts["run/stopped_early_s"] = result.stopped_s - result.first_arrival_s
    if result.cut_at_s is not None:
        counts["run/cut_at_s"], counts["run/not_arrived"] = result.cut_at_s, float(result.not_arrived)
    if result.standstill is not None:
        counts["run/standstill_requests"] = float(result.standstill.requests)
        counts["run/standstill_s"] = result.standstill.since_s - result.first_arrival_s
    return counts


def _cache(use: CacheUse) -> dict[str, float]:
    """What the caches were worth, and what one without limits would have been."""
    figures = {
        "cache/recomputed_tokens": float(use.recomputed),
        "cache/preemptions": float(use.preemptions),
    }
    if not use.has_prefix_cache:
        return figures
    figures |= {
        "cache/prompt_tokens": float(use.prompts),
        "cache/hit_tokens": float(use.hits),
        "cache/bound_tokens": float(use.bound),
        "cache/evicted_blocks": float(use.evicted_blocks),
    }
    if use.prompts:
        figures["cache/hit_rate"] = use.hits / use.prompts
    if use.bound_prompts:
        figures["cache/bound_rate"] = use.bound / use.bound_prompts
    return figures


def _times(requests: Columns, sorted_s: Mapping[str, Floats]) -> dict[str, float]:
    """Statistics of times and slowdowns; `sorted_s` has the times of `METRICS` in order."""
    summary: dict[str, float] = {}
    for metric in (*METRICS, "queue"):
        values = sorted_s[metric] if metric in sorted_s else ascending(requests[f"{metric}_s"])
        if len(values):
            summary[f"{metric}/mean_s"] = mean_of_times(values)
            summary |= {f"{metric}/{name}_s": percentile(values, float(name[1:])) for name in PERCENTILES}
            summary[f"{metric}/max_s"] = float(values[-1])
    for metric in METRICS:
        values = ascending(requests[f"{metric}_slowdown"])
        for name in SLOWDOWN_PERCENTILES if len(values) else ():
            summary[f"{metric}/{name}_slowdown"] = percentile(values, float(name[1:]))
    return summary


def ascending(column: Numbers) -> Floats:
    """The values of a column in ascending order, without NaN."""
    values = np.sort(np.asarray(column, dtype=np.float64))
    return values[: np.searchsorted(values, np.nan)]  # NaN is last
