"""A trace file of any known format -> rows in order of arrival, in bounded memory; or a Trace."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from sim_core.errors import TraceError
from sim_core.trace import Trace
from traces.cells import DEFAULT, MAX_EXACT_FLOAT, MAX_INT
from traces.formats import TraceFormat, by_name, check_readable, recognise
from traces.formats.base import WHOLE, About, Assumed, ReadAgain
from traces.formats.json_lines import keys_of
from traces.arrivals.base import NS_PER_S
from traces.source import Source
from traces.spool import RUN_ROWS, Spool
from traces.tally import ZERO_OUTPUT, Tally
from traces.time_unit import AUTO, UNIT_NS, Observed, check_time_unit, found_out, told

COLUMNS = ("request_id", "application_id", "arrival_s", "batch_size", "prompt_tokens", "output_tokens")
SUFFIXES = (".gz", ".zst", ".csv", ".jsonl", ".parquet")


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a file is read. `format` None: by its content; `zero_output` None: as is usual for the format.

    `time_unit` auto: as the format's definition says, or as the file shows (traces.time_unit).
    """

    format: str | None = None
    skip_bad_rows: bool = False
    zero_output: str | None = None
    time_unit: str = AUTO


@dataclass(frozen=True, slots=True)
class OpenTrace:
    """A file that has been read: sound, sorted, counted; its rows can be had as often as wanted."""

    about: About
    tally: Tally
    spool: Spool

    def __len__(self) -> int:
        return self.spool.rows

    @property
    def first_s(self) -> float:
        """The first arrival."""
        return float(self.spool.first) if self.about.own_times else 0.0

    @property
    def last_s(self) -> float:
        """The last arrival."""
        return float(self._seconds(np.array([self.spool.last]), self.spool.first)[0])

    @property
    def span_s(self) -> float:
        """From the first arrival to the last."""
        return self.last_s - self.first_s

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Record batches with COLUMNS, and what else the file has, in order of arrival."""
        first, count = self.spool.first, 0
        for batch in self.spool.batches():
            columns = {name: batch[name] for name in batch.schema.names}
            del columns["row"]
            arrival_s = self._seconds(columns.pop("arrival").to_numpy(), first)
            final = {
                "request_id": columns.pop("request_id", None),
                "application_id": columns.pop("application_id", None),
                "arrival_s": pa.array(arrival_s),
                "batch_size": columns.pop("batch_size", None),
            }
            if final["request_id"] is None:
                final["request_id"] = pa.array(np.arange(count, count + batch.num_rows))
            for name, number in DEFAULT.items():
                if final[name] is None:
                    final[name] = pa.array(np.full(batch.num_rows, number))
            count += batch.num_rows
            yield pa.RecordBatch.from_pydict(final | columns)

    def _seconds(self, arrival: Any, first: float) -> Any:
        if self.about.own_times:
            return arrival.astype(np.float64, copy=False)
        if arrival.dtype != np.int64:
            return arrival - first
        return exact_seconds(arrival - int(first))


def exact_seconds(elapsed_ns: Any) -> Any:
    """Nanoseconds (int64, >= 0) in seconds, each the float nearest to the exact quotient."""
    seconds = elapsed_ns / NS_PER_S
    for index in np.flatnonzero(elapsed_ns > MAX_EXACT_FLOAT):  # beyond 104 days; Python's division is exact
        seconds[index] = int(elapsed_ns[index]) / NS_PER_S
    return seconds


@contextmanager
def open_trace(
    source: Source, options: ReadOptions = ReadOptions(), folder: Path | None = None, run_rows: int = RUN_ROWS
) -> Iterator[OpenTrace]:
    """Reads a file whole. `folder` is where rows are kept meanwhile (None: in memory).

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
    spool, tally = _read(source, options, found, keys_of(head), lambda: Spool(folder, run_rows))
    try:
        yield OpenTrace(found.about, tally, spool)
    finally:
        spool.close()


def unit_beside_format(path: Path, source: str, options: ReadOptions) -> str:
    """The unit of a file's times; empty if it is the one that its format's definition says. TraceError as `open_trace`.

    Rows are read only where the unit has to be found out.
    """
    file = Source(path, source)
    head = file.head()
    found = recognise(head, file.label)
    times = found.about.times
    if options.time_unit != AUTO:
        unit = told(options.time_unit, times, found.arrival, file.label)
    elif times.varies:
        spool, tally = _read(file, options, found, keys_of(head), lambda: Spool(None), unit_alone=True)
        spool.close()
        unit = tally.time_unit
    else:
        return ""
    return unit.unit if unit and unit.unit != times.unit else ""


def _read(
    source: Source,
    options: ReadOptions,
    found: TraceFormat,
    keys: set[str],
    new_spool: Callable[[], Spool],
    unit_alone: bool = False,
) -> tuple[Spool, Tally]:
    """The file's rows. A file that is as its format says is read once; another one until all that is assumed is right.

    That ends: hash ids become wider only, and a unit that was found out is certain. With `unit_alone` only the
    tally's unit is wanted, and the rows may be in another one: they are read again only to find a time that is too
    large in that unit.
    """
    times = found.about.times
    unit = None if options.time_unit == AUTO else told(options.time_unit, times, found.arrival, source.label)
    assumed = Assumed(unit.unit if unit else times.unit, certain=unit is not None or not times.varies)
    while True:
        spool = new_spool()
        tally = Tally(source.label, options.skip_bad_rows, options.zero_output or found.about.zero_output, unit)
        try:
            _fill(spool, found, source, tally, assumed)
            if assumed.certain:
                return spool, tally
            observed = _observed(spool, assumed)
            unit = tally.time_unit = found_out(observed, times, keys, found.arrival, source.label)
            if unit.unit == assumed.unit or (unit_alone and _surely_fit(observed, tally, unit.unit)):
                return spool, tally
            assumed = replace(assumed, unit=unit.unit, certain=True)
        except ReadAgain as again:
            assumed = replace(assumed, unit=again.unit or assumed.unit, ids=again.ids or assumed.ids)
        except BaseException:
            spool.close()
            raise
        spool.close()


def _observed(spool: Spool, assumed: Assumed) -> Observed:
    ticks_ns = UNIT_NS[assumed.unit]
    return Observed(spool.rows, spool.first / ticks_ns, spool.last / ticks_ns)


def _surely_fit(observed: Observed, tally: Tally, unit: str) -> bool:
    """Whether no time is too large in this unit; of a request that was left out the time is not known."""
    return observed.last < MAX_INT // UNIT_NS[unit] and not tally.zero_output_rows


def _fill(spool: Spool, found: TraceFormat, source: Source, tally: Tally, assumed: Assumed) -> None:
    order, last_id, ids_ascend = _Order(found, tally), -1, True
    for batch in found.read(source, tally, assumed):
        if not batch.num_rows:
            continue
        order.follow(batch)
        if "request_id" in batch.schema.names:
            ids = batch["request_id"].to_numpy()
            ids_ascend = ids_ascend and ids[0] > last_id and bool((ids[1:] > ids[:-1]).all())
            last_id = ids[-1]
        _add(spool, batch, tally)
    spool.finish()
    if not spool.rows:
        out = tally.rows_left_out + tally.zero_output_rows
        raise tally.error(
            f"there are no requests, all {out:,} were left out" if out else "there are no requests, only a header"
        )
    if not ids_ascend:
        _check_ids(spool, tally)


def _add(spool: Spool, batch: pa.RecordBatch, tally: Tally) -> None:
    try:
        spool.add(batch)
    except OSError as error:
        raise tally.error(f"no room to sort its rows: {error.strerror or error}") from error


class _Order:
    """Counts rows that come before their predecessor."""

    def __init__(self, found: TraceFormat, tally: Tally) -> None:
        self._column, self._tally = found.arrival, tally
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
            what = f"{now!r} comes after {before!r}"
        else:
            what = f"{exact_seconds(np.array([before - now]))[0]:g} s earlier than the row before"
        self._tally.late(len(late), f"row {row}, column {self._column}: {what}")


def _check_ids(spool: Spool, tally: Tally) -> None:
    parts = [(batch["request_id"].to_numpy(), batch["row"].to_numpy()) for batch in spool.batches()]
    ids, rows = (np.concatenate(part) for part in zip(*parts, strict=True))
    order = np.lexsort((rows, ids))
    ids, rows = ids[order], rows[order]
    twice = np.flatnonzero(ids[1:] == ids[:-1])
    if len(twice):
        place = twice[np.argmin(rows[twice + 1])]
        reason = f"{ids[place]} is there twice, first in row {rows[place]}"
        raise tally.error(reason, int(rows[place + 1]), "request_id")


def read_trace(
    path: Path, *, source: str = "", name: str = "", options: ReadOptions = ReadOptions()
) -> tuple[Trace, Tally]:
    """The whole trace in memory, and what was left out of it. TraceError as `open_trace`."""
    file = Source(path, source)
    with open_trace(file, options) as opened:
        return to_trace(opened.batches(), name or stem(path.name)), opened.tally


def to_trace(batches: Iterator[pa.RecordBatch], name: str) -> Trace:
    """Batches with COLUMNS, in order of arrival, as one Trace."""
    columns: dict[str, Any] = {key: array("q") for key in WHOLE}
    columns["arrival_s"] = array("d")
    for batch in batches:
        for key, column in columns.items():
            column.frombytes(batch[key].to_numpy().tobytes())
    return Trace(name=name, **columns)


def stem(filename: str) -> str:
    """A file's name without the endings of trace files."""
    while (suffix := Path(filename).suffix) in SUFFIXES:
        filename = filename.removesuffix(suffix)
    return filename
