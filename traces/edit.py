"""Makes traces from traces: cuts out a part, changes rate and sizes, merges several.

All functions take and give record batches with reading.COLUMNS in order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import numpy as np
import pyarrow as pa

from sim_core.errors import TraceError
from sim_core.limits import limits
from traces import prefixes
from traces.cells import MAX_EXACT_FLOAT, too_late
from traces.formats.base import About
from traces.formats.hash_ids import TYPES
from traces.prefixes import RUNS, cut, moved
from traces.prefixes import addresses as addresses_of
from traces.read_counts import ReadCounts
from traces.reading import COLUMNS, OpenTrace
from traces.sorted_rows import SortedRows

ID_LISTS = tuple(TYPES.values())
MIXED = About("mix", "mix", "", "", "", own_times=True)


@dataclass(frozen=True, slots=True)
class Slice:
    """The requests to choose: first by time, then by application and size, then by count.

    Times are the trace's own, in seconds, from `from_s` up to, not including, `to_s`; sizes are in tokens, both ends
    included. `skip` and `count` apply to the requests that the other fields choose. With `shift`, `from_s` becomes 0.
    """

    from_s: float = 0.0
    to_s: float = inf
    applications: frozenset[int] = frozenset()  # empty: all
    prompt_tokens: tuple[float, float] = (0, inf)
    output_tokens: tuple[float, float] = (0, inf)
    skip: int = 0
    count: int | None = None
    shift: bool = True

    def check(self) -> None:
        """TraceError if no request can be chosen."""
        if not self.from_s < self.to_s or self.from_s < 0:
            raise TraceError(f"the window from {self.from_s:g} s to {self.to_s:g} s is empty or negative")
        for name, (least, most) in (("prompt", self.prompt_tokens), ("output", self.output_tokens)):
            if not least <= most:
                raise TraceError(f"{name} tokens from {least:g} to {most:g}: the range is empty")
        if self.skip < 0 or (self.count is not None and self.count < 1):
            raise TraceError("the number of requests must be 1 or more, and of those to be skipped 0 or more")


def sliced(batches: Iterable[pa.RecordBatch], part: Slice) -> Iterator[pa.RecordBatch]:
    """The chosen requests, with their ids. Stops reading after the last that can be chosen."""
    part.check()
    skip, left = part.skip, part.count
    for batch in batches:
        if batch["arrival_s"][0].as_py() >= part.to_s or left == 0:
            return
        chosen = batch.filter(pa.array(_chosen(batch, part)))
        passed = min(skip, chosen.num_rows)
        skip -= passed
        chosen = chosen.slice(passed, left)
        if left is not None:
            left -= chosen.num_rows
        if chosen.num_rows:
            yield _with(chosen, arrival_s=chosen["arrival_s"].to_numpy() - part.from_s) if part.shift else chosen


def _chosen(batch: pa.RecordBatch, part: Slice) -> Any:
    arrival_s = batch["arrival_s"].to_numpy()
    mask = (arrival_s >= part.from_s) & (arrival_s < part.to_s)
    if part.applications:
        mask &= np.isin(batch["application_id"].to_numpy(), sorted(part.applications))
    for column in ("prompt_tokens", "output_tokens"):
        least, most = getattr(part, column)
        tokens = batch[column].to_numpy()
        mask &= (tokens >= least) & (tokens <= most)
    return mask


@dataclass(frozen=True, slots=True)
class Scale:
    """Times are divided by `rate`; sizes multiplied, rounded to the nearest whole number (halves up), at least 1. Of
    what prompts have in common with others, the part stays that shorter ones have room for; longer ones get a text of
    their own behind it."""

    rate: float = 1.0
    prompt: float = 1.0
    output: float = 1.0

    def check(self) -> None:
        """TraceError unless all factors are positive and finite."""
        for name, factor in (("rate", self.rate), ("prompt", self.prompt), ("output", self.output)):
            if not (isfinite(factor) and factor > 0):
                raise TraceError(f"the {name} factor {factor!r} must be a positive number")


def rate_factor(opened: OpenTrace, rate_per_s: float) -> float:
    """The factor that gives this rate; a trace's rate is its gaps over the time from the first to the last arrival."""
    if len(opened) < 2 or opened.span_s <= 0:
        raise TraceError("has no rate: all requests arrive at once", source=opened.counts.source)
    return rate_per_s * opened.span_s / (len(opened) - 1)


def scaled(batches: Iterable[pa.RecordBatch], by: Scale) -> Iterator[pa.RecordBatch]:
    """The same requests at another rate, with other sizes. TraceError for sizes and times that no trace may have."""
    by.check()
    first_s: float | None = None
    for batch in batches:
        columns = {}
        if by.rate != 1.0:
            with np.errstate(over="ignore"):
                columns["arrival_s"] = batch["arrival_s"].to_numpy() / by.rate
            first_s = float(columns["arrival_s"][0]) if first_s is None else first_s
            last_s = float(columns["arrival_s"][-1])
            if not isfinite(last_s) or too_late(first_s, last_s):
                raise TraceError(f"a rate factor of {by.rate:g} gives times that are too large: {last_s:.4g} s")
        for name, factor in (("prompt_tokens", by.prompt), ("output_tokens", by.output)):
            if factor != 1.0:
                columns[name] = _resized(batch[name].to_numpy(), name, factor)
        if "prompt_tokens" in columns and RUNS in batch.schema.names:
            columns[RUNS] = cut(batch[RUNS], np.minimum(batch["prompt_tokens"].to_numpy(), columns["prompt_tokens"]))
        yield _with(batch, **columns)


def _resized(tokens: Any, name: str, factor: float) -> Any:
    with np.errstate(over="ignore"):
        sizes = np.floor(tokens * factor + 0.5)
    if (largest := sizes.max(initial=0)) > min(limits().tokens, MAX_EXACT_FLOAT):
        reason = limits().too_much("tokens", f"{largest:.4g}", name.replace("_", " "))
        raise TraceError(f"a factor of {factor:g} gives {reason}")
    return np.maximum(sizes, 1).astype(np.int64)


def _with(batch: pa.RecordBatch, **columns: Any) -> pa.RecordBatch:
    names = batch.schema.names
    found = {name: columns.get(name, batch[name]) for name in names}
    return pa.RecordBatch.from_pydict(
        {name: column if isinstance(column, pa.Array) else pa.array(column) for name, column in found.items()}
    )


def mixed(traces: Sequence[OpenTrace], *, shift: bool = True) -> tuple[OpenTrace, list[dict[int, int]]]:
    """All requests of several traces as one trace, and for each trace its applications' old and new numbers.

    Applications are numbered anew from 0, in the order of the traces and of their arrival, request ids in order of
    arrival; with `shift` each trace starts at 0. A column that some trace lacks is null there. Requests of different
    traces have no text in common, also where hash ids are the same.
    """
    schema = _common_schema(traces)
    counts, rows, renumbered, used, addresses = ReadCounts("mix"), SortedRows(), [], 0, 0
    for trace in traces:
        numbers: dict[int, int] = {}
        renumbered.append(numbers)
        origin_s = trace.first_s if shift else 0.0
        for batch in trace.batches():
            for application in batch["application_id"].unique().to_pylist():
                numbers.setdefault(application, used + len(numbers))
            rows.add(_mixable(batch, schema, numbers, origin_s, addresses))
            counts.rows += batch.num_rows
        used += len(numbers)
        if RUNS in schema:
            addresses += addresses_of(trace.batches())
    rows.sort()
    return OpenTrace(MIXED, counts, rows), renumbered


def _common_schema(traces: Sequence[OpenTrace]) -> dict[str, pa.DataType]:
    types: dict[str, pa.DataType] = {}
    for trace in traces:
        for field in next(trace.batches()).schema:
            if types.setdefault(field.name, field.type) == field.type:
                continue
            if field.type in ID_LISTS and types[field.name] in ID_LISTS:
                types[field.name] = TYPES["text"]  # which holds all kinds of ids
            else:
                reason = f"holds {field.type}, but {types[field.name]} in a trace before it"
                raise TraceError(reason, source=trace.counts.source, column=field.name)
    return types


def _mixable(
    batch: pa.RecordBatch, schema: dict[str, pa.DataType], numbers: dict[int, int], origin_s: float, addresses: int
) -> pa.RecordBatch:
    """The batch with the columns of `schema`, and with addresses from `addresses` on."""
    old = batch["application_id"].to_numpy()
    known = np.array(sorted(numbers))
    new = np.array([numbers[number] for number in known.tolist()])[np.searchsorted(known, old)]
    columns = {
        "arrival": pa.array(batch["arrival_s"].to_numpy() - origin_s),
        "application_id": pa.array(new),
    }
    for name, kind in schema.items():
        if name not in ("request_id", "arrival_s", "application_id"):
            present = name in batch.schema.names
            columns[name] = batch[name].cast(kind) if present else pa.nulls(batch.num_rows, kind)
            if present and name == RUNS:
                columns[name] = moved(batch[name], addresses)
    return pa.RecordBatch.from_pydict(columns)


def kept_columns(opened: OpenTrace) -> list[str]:
    """The trace's columns beside reading.COLUMNS and those of traces.prefixes."""
    return [name for name in next(opened.batches()).schema.names if name not in (*COLUMNS, *prefixes.COLUMNS)]
