"""The result of a run: recorded columns and counts. `sync.results.measure` works out what follows from them."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress, islice
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from sim_core.cache_use import CacheUse
from sim_core.errors import InvariantError
from sim_core.network.use import LinkUse
from sim_core.recorder import Recorder
from sim_core.replica import Replica
from sim_core.request_state import RequestState, Situation
from sim_core.standstill import Standstill
from sim_core.trace import Trace

_PORTION = 4096  # rows that are picked at once


class Column(Protocol):
    """A column of numbers: an `array` here, a numpy array where `sync` has worked on it."""

    def __len__(self) -> int: ...
    def __iter__(self) -> Iterator[float]: ...
    def __getitem__(self, index: int, /) -> float: ...


Pick = Callable[["array[Any]", "array[int]"], Column]  # the values of a column in some rows, as `picked`


@dataclass(frozen=True, slots=True)
class SimResult:
    """What a run recorded. All times are in s on the run's clock (see `Trace.on_run_clock`).

    `requests`: columns by name, a row per completed request in order of completion. `unserved`: likewise for the
    rejected and the unfinished requests (in that order, then by arrival), with `outcome`, `state` (a `RequestState`),
    `instance` (the name of the instance that the state concerns, or "") and `reason`, the state as a sentence.
    `instances`: columns by name, a row per instance; `processor` names its GPUs, `processors` counts those that hold
    its weights and KV cache. NaN stands for "did not happen", such as the transfer of a request that stayed.
    """

    requests: Mapping[str, Column]
    unserved: dict[str, list[object]]
    instances: dict[str, list[object]]
    completed: int = 0
    rejected: int = 0
    unfinished: int = 0
    standstill: Standstill | None = None  # instances that wait for memory which is never freed, and their requests
    events: int = 0
    first_arrival_s: float = 0.0  # of all requests but a warm-up's; 0 without any
    end_s: float = 0.0
    stopped_s: float | None = None  # when `sim_core.early_stop` ended the run; None: it did not
    cut_at_s: float | None = None  # the spec's `end_time_s` where it ended the run before all requests were served
    not_arrived: int = 0  # of the unfinished: those whose arrival was still to come when the run ended
    origin_s: float = 0.0  # see `Trace`
    concurrency: int = 0  # of a closed loop: how many requests are in the cluster at most; 0: an open one
    warmup: int = 0  # requests of a closed loop's warm-up, which are in no column and no count
    links: LinkUse | None = None  # None: no transfer shares a link
    iterations_beyond: int | None = None  # iterations with more batch tokens than were measured; None: nothing was
    provenance_s: Mapping[str, float] = field(default_factory=dict)  # seconds of steps by `StepTimes.provenance`
    cache_use: CacheUse | None = None  # of replicas that take memory block by block; None: none does

    @property
    def span_s(self) -> float:
        """The simulated time from the first arrival to the end of the run."""
        return self.end_s - self.first_arrival_s


def picked(column: array[Any], rows: array[int]) -> Column:
    """The values of a trace's `column` in `rows`. numpy does it in a tenth of the time: `sync.results.measure.pick`."""
    values: array[Any] = array(column.typecode)
    left = iter(rows)
    while portion := list(islice(left, _PORTION)):
        # an itemgetter is twice as fast as one look-up after another; of a single item it makes no tuple
        values.fromlist(list(itemgetter(*portion, portion[-1])(column))[:-1])
    return values


def request_columns(recorder: Recorder, trace: Trace, warmup: int, pick: Pick) -> dict[str, Column]:
    """The columns of `SimResult.requests`, without the first `warmup` rows of the trace."""
    rows, cached = recorder.numbers("index"), recorder.cached()
    recorded: dict[str, array[Any]] = {
        **{
            name: recorder.times(name)
            for name in (
                *("prompt_start_s", "prompt_end_s", "transfer_start_s", "transfer_end_s"),
                *("token_start_s", "token_end_s", "end_s", "preempted_s"),
            )
        },
        **{name: recorder.numbers(name) for name in ("preemptions", "prompt_instance", "token_instance")},
        **({} if cached is None else {"cached_tokens": cached}),
    }
    if warmup:
        measured = [row >= warmup for row in rows]
        rows = array(rows.typecode, compress(rows, measured))
        recorded = {name: array(column.typecode, compress(column, measured)) for name, column in recorded.items()}
    names = ("request_id", "application_id", "arrival_s", "prompt_tokens", "output_tokens")
    return {name: pick(getattr(trace, name), rows) for name in names} | recorded


def unserved_columns(
    trace: Trace, recorder: Recorder, unfinished: Sequence[tuple[int, Situation]], warmup: int
) -> dict[str, list[object]]:
    """The columns of `SimResult.unserved`, without the first `warmup` rows of the trace. `unfinished`: the rows of the
    trace that applications have taken and not completed. The remaining rows never reached their application."""
    rows = [(request.index, situation) for request, situation in recorder.rejected]
    rows.extend(unfinished)
    if len(recorder) + len(rows) < len(trace):
        reached = bytearray(len(trace))
        for row in (*recorder.numbers("index"), *(row for row, _ in rows)):
            reached[row] = 1
        never = Situation(RequestState.NOT_REACHED)
        rows.extend((row, never) for row in range(len(trace)) if not reached[row])
    if len(recorder) + len(rows) != len(trace):
        raise InvariantError(f"{len(recorder)} completed + {len(rows)} others are not {len(trace)} requests")
    rows = [(row, situation) for row, situation in rows if row >= warmup] if warmup else rows
    return {
        "request_id": [trace.request_id[row] for row, _ in rows],
        "application_id": [trace.application_id[row] for row, _ in rows],
        "arrival_s": [trace.arrival_s[row] for row, _ in rows],
        "prompt_tokens": [trace.prompt_tokens[row] for row, _ in rows],
        "output_tokens": [trace.output_tokens[row] for row, _ in rows],
        "outcome": [situation.state.outcome for _, situation in rows],
        "reason": [situation.reason() for _, situation in rows],
        "state": [situation.state for _, situation in rows],
        "instance": [situation.instance for _, situation in rows],
    }


class Work(NamedTuple):
    """What a replica has done up to a time."""

    busy_s: float
    prompt_busy_s: float
    iterations: int
    batches: int


NO_WORK = Work(0.0, 0.0, 0, 0)


def work_of(replicas: Sequence[Replica], now_s: float) -> list[Work]:
    """The work of each replica up to `now_s`."""
    return [
        Work(one.busy_until(now_s), one.prompt_busy_until(now_s), one.batcher.iterations(), one.batcher.batches())
        for one in replicas
    ]


def instance_columns(
    replicas: Mapping[int, Sequence[Replica]], end_s: float, span_s: float, before: Mapping[int, Sequence[Work]]
) -> dict[str, list[object]]:
    """The columns of `SimResult.instances`, by the replicas of each application. `span_s`: the time that figures cover.
    `before`: what the replicas of an application did before it, in a warm-up."""
    columns: dict[str, list[object]] = {
        name: []
        for name in ("application_id", "index", "name", "sku", "role", "busy_s", "busy_ended_s", "utilisation",
                     "iterations", "batches", "kv_peak_fraction", "processor", "processors", "tensor_parallelism",
                     "prompt_busy_s")
    }  # fmt: skip
    for application_id, members in replicas.items():
        earlier = before.get(application_id, [NO_WORK] * len(members))
        for replica, then in zip(members, earlier, strict=True):
            busy_s, batcher, kv = replica.busy_until(end_s) - then.busy_s, replica.batcher, replica.kv
            row = (
                application_id, replica.index, replica.name, replica.sku, replica.role, busy_s,
                replica.busy_s - then.busy_s, busy_s / span_s if span_s > 0 else 0.0,
                batcher.iterations() - then.iterations, batcher.batches() - then.batches, kv.peak / kv.capacity,
                replica.processor, replica.processors, replica.tensor_parallelism,
                replica.prompt_busy_until(end_s) - then.prompt_busy_s,
            )  # fmt: skip
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
    return columns
