"""Reads a trace file of any known format: its rows in order of arrival, as Arrow batches or as a Trace."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sim_core.errors import TraceError
from sim_core.trace import Trace
from traces.bounds import Watch, check_times
from traces.cells import DEFAULT, MAX_EXACT_FLOAT, MAX_INT
from traces.formats import TraceFormat, by_name, check_readable, recognise
from traces.formats.base import WHOLE, About, Assumed, ReadAgain
from traces.formats.json_lines import keys_of
from traces.prefixes import HASH_IDS, Collected, HashIds, Numbers
from traces.prefixes import checked as checked_runs
from traces.read_counts import ZERO_OUTPUT, ReadCounts
from traces.sorted_rows import SortedRows
from traces.time_unit import AUTO, UNIT_NS, Observed, check_time_unit, found_out, named_by_user
from traces.trace_file import TraceFile

COLUMNS = ("request_id", "application_id", "arrival_s", "batch_size", "prompt_tokens", "output_tokens")
SUFFIXES = (".gz", ".zst", ".csv", ".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a file is read. `format` None: by its content; `zero_output` None: as is usual for the format.

    `time_unit` auto: as the format's definition says, or as the file shows (traces.time_unit). `block_tokens`: the
    tokens that a hash id stands for; None: as the format's definition says.
    """

    format: str | None = None
    skip_bad_rows: bool = False
    zero_output: str | None = None
    time_unit: str = AUTO
    block_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class OpenTrace:
    """A file that has been read: its rows are checked, sorted and counted, and may be had any number of times."""

    about: About
    counts: ReadCounts
    rows: SortedRows
    hash_ids: HashIds = field(default_factory=HashIds)

    def __len__(self) -> int:
        return self.rows.rows

    @property
    def first_s(self) -> float:
        """The first arrival."""
        return float(self.rows.first) if self.about.own_times else 0.0

    @property
    def last_s(self) -> float:
        """The last arrival."""
        return float(self._seconds(np.array([self.rows.last]), self.rows.first)[0])

    @property
    def span_s(self) -> float:
        """From the first arrival to the last."""
        return self.last_s - self.first_s

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Record batches with COLUMNS, and what else the file has, in order of arrival; with those of traces.prefixes
        where it says what requests have in common."""
        first, count = self.rows.first, 0
        numbers = Numbers(self.hash_ids)
        for batch in self.rows.batches():
            columns = {name: batch[name] for name in batch.schema.names if name != "row"}
            columns["arrival_s"] = pa.array(self._seconds(columns.pop("arrival").to_numpy(), first))
            columns.setdefault("request_id", pa.array(np.arange(count, count + batch.num_rows)))
            for name, number in DEFAULT.items():
                columns.setdefault(name, pa.array(np.full(batch.num_rows, number)))
            if self.hash_ids.block_tokens and HASH_IDS in columns:
                columns = numbers.with_runs(columns, batch.num_rows)
            count += batch.num_rows
            leading = {name: columns.pop(name) for name in COLUMNS[:4]}
            yield pa.RecordBatch.from_pydict(leading | columns)

    def _seconds(self, arrival: Any, first: float) -> Any:
        if self.about.own_times:
            return arrival.astype(np.float64, copy=False)
        if arrival.dtype != np.int64:
            return arrival - first
        return exact_seconds(arrival - int(first))


def exact_seconds(elapsed_ns: Any) -> Any:
    """Nanoseconds (int64, >= 0) in seconds, each the float nearest to the exact quotient."""
    seconds = elapsed_ns / UNIT_NS["s"]
    for index in np.flatnonzero(elapsed_ns > MAX_EXACT_FLOAT):  # beyond 104 days; Python's division is exact
        seconds[index] = int(elapsed_ns[index]) / UNIT_NS["s"]
    return seconds


def open_trace(source: TraceFile, options: ReadOptions = ReadOptions()) -> OpenTrace:
    """Reads a file whole into memory.

    TraceError names file, row and column of what is wrong, unless bad rows are left out (and counted).
    """
    if options.zero_output not in (None, *ZERO_OUTPUT):
        raise TraceError(f"zero output: {options.zero_output!r} must be one of {', '.join(ZERO_OUTPUT)}")
    check_time_unit(options.time_unit, "--time-unit")
    head = source.head()
    if options.format:
        found = by_name(options.format)
        check_readable(head, source.label)
    else:
        found = recognise(head, source.label)
    keys = keys_of(head)
    rows, counts = _read(source, options, found, keys)
    return OpenTrace(found.about, counts, rows, found.about.hash_ids.of(keys, options.block_tokens, source.label))


def unit_beside_format(path: Path, source: str, options: ReadOptions) -> str:
    """The unit of a file's times; empty if it is the one that its format's definition says. TraceError as `open_trace`.

    Rows are read only where the unit has to be found out.
    """
    file = TraceFile(path, source)
    head = file.head()
    found = recognise(head, file.label)
    times = found.about.times
    if options.time_unit != AUTO:
        unit = named_by_user(options.time_unit, times, found.arrival, file.label)
    elif times.varies:
        unit = _read(file, options, found, keys_of(head), unit_alone=True)[1].time_unit
    else:
        return ""
    return unit.unit if unit and unit.unit != times.unit else ""


def _read(
    source: TraceFile, options: ReadOptions, found: TraceFormat, keys: set[str], unit_alone: bool = False
) -> tuple[SortedRows, ReadCounts]:
    """The file's rows. A file that is as its format says is read once, another one until all assumptions hold.

    That ends: hash ids only become wider, and a unit that was found out is certain. With `unit_alone` only the counts'
    unit is wanted, and the rows may be in another one: they are read again only to find a time that is too large in
    that unit.
    """
    times = found.about.times
    unit = None
    if options.time_unit != AUTO:
        unit = named_by_user(options.time_unit, times, found.arrival, source.label)
    hash_ids = found.about.hash_ids.of(keys, options.block_tokens, source.label)
    assumed = Assumed(
        unit.unit if unit else times.unit, certain=unit is not None or not times.varies, hash_ids=hash_ids
    )
    while True:
        counts = ReadCounts(source.label, options.skip_bad_rows, options.zero_output or found.about.zero_output, unit)
        try:
            rows = _rows(found, source, counts, assumed)
        except ReadAgain as again:
            assumed = replace(assumed, unit=again.unit or assumed.unit, ids=again.ids or assumed.ids)
            continue
        if assumed.certain:
            return rows, counts
        observed = _observed(rows, assumed)
        unit = counts.time_unit = found_out(observed, times, keys, found.arrival, source.label)
        if unit.unit == assumed.unit or (unit_alone and _surely_fit(observed, counts, unit.unit)):
            return rows, counts
        assumed = replace(assumed, unit=unit.unit, certain=True)
        del rows  # before the file is read once more


def _observed(rows: SortedRows, assumed: Assumed) -> Observed:
    unit_ns = UNIT_NS[assumed.unit]
    return Observed(rows.rows, rows.first / unit_ns, rows.last / unit_ns)


def _surely_fit(observed: Observed, counts: ReadCounts, unit: str) -> bool:
    """Whether no time can be too large in this unit. The times of requests that were left out are not known."""
    return observed.last < MAX_INT // UNIT_NS[unit] and not counts.zero_output_rows


def _rows(found: TraceFormat, source: TraceFile, counts: ReadCounts, assumed: Assumed) -> SortedRows:
    rows, order, last_id, ids_ascend = SortedRows(), _Order(found, counts), -1, True
    watch = Watch(source.room(), found.sizes, counts)
    for batch in found.read(source, counts, assumed):
        batch = checked_runs(watch.passed(batch), counts)
        if not batch.num_rows:
            continue
        order.follow(batch)
        if "request_id" in batch.schema.names:
            ids = batch["request_id"].to_numpy()
            ids_ascend = ids_ascend and ids[0] > last_id and bool((ids[1:] > ids[:-1]).all())
            last_id = ids[-1]
        rows.add(batch)
    if not rows.rows:
        out = counts.rows_left_out + counts.zero_output_rows
        reason = f"all {out:,} were left out" if out else "only a header"
        raise counts.error(f"there are no requests, {reason}")
    check_times(rows, found, counts, assumed)
    if counts.late_rows:
        rows.sort()
    if not ids_ascend:
        _check_ids(rows, counts)
    return rows


class _Order:
    """Counts rows that come before their predecessor."""

    def __init__(self, found: TraceFormat, counts: ReadCounts) -> None:
        self._column, self._counts = found.arrival, counts
        self._previous: Any = None

    def follow(self, batch: pa.RecordBatch) -> None:
        arrivals = batch["arrival"].to_numpy()
        if self._previous is not None:
            arrivals = np.concatenate(([self._previous], arrivals))
        self._previous = arrivals[-1]
        late = np.flatnonzero(arrivals[1:] < arrivals[:-1]) + 1
        if not len(late):
            return
        row = batch["row"][int(late[0]) - (len(arrivals) - batch.num_rows)].as_py()
        now, before = arrivals[late[0]].item(), arrivals[late[0] - 1].item()
        if isinstance(now, float):
            reason = f"{now!r} comes after {before!r}"
        else:
            reason = f"{exact_seconds(np.array([before - now]))[0]:g} s earlier than the row before"
        self._counts.late(len(late), f"row {row}, column {self._column}: {reason}")


def _check_ids(rows: SortedRows, counts: ReadCounts) -> None:
    ids = np.concatenate([batch["request_id"].to_numpy() for batch in rows.batches()])
    if len(np.unique(ids)) == len(ids):
        return
    numbers = np.concatenate([batch["row"].to_numpy() for batch in rows.batches()])
    order = np.lexsort((numbers, ids))
    ids, numbers = ids[order], numbers[order]
    twice = np.flatnonzero(ids[1:] == ids[:-1])
    place = twice[np.argmin(numbers[twice + 1])]
    reason = f"{ids[place]} is there twice, first in row {numbers[place]}"
    raise counts.error(reason, int(numbers[place + 1]), "request_id")


def read_trace(
    path: Path, *, source: str = "", name: str = "", options: ReadOptions = ReadOptions()
) -> tuple[Trace, ReadCounts]:
    """The whole trace, and the counts of what was read and left out. TraceError as `open_trace`."""
    opened = open_trace(TraceFile(path, source), options)
    return to_trace(opened.batches(), name or stem(path.name)), opened.counts


def to_trace(batches: Iterator[pa.RecordBatch], name: str) -> Trace:
    """Batches with COLUMNS, in order of arrival, as one Trace."""
    columns: dict[str, Any] = {key: array("q") for key in WHOLE}
    columns["arrival_s"] = array("d")
    runs = Collected()
    for batch in batches:
        for key, column in columns.items():
            column.frombytes(batch[key].to_numpy().tobytes())
        runs.add(batch)
    return Trace(name=name, prefixes=runs.prefixes(), **columns)


def stem(filename: str) -> str:
    """A file's name without the endings of trace files."""
    while (suffix := Path(filename).suffix) in SUFFIXES:
        filename = filename.removesuffix(suffix)
    return filename
