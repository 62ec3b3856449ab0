"""Rows of any number, sorted by arrival in bounded memory: sorted runs, merged where they overlap.

Runs are kept in memory, or in files without a name, which vanish with the process however it ends.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa

RUN_ROWS = 1 << 20
RUN_BYTES = 1 << 27  # rows with lists in them are large
BATCH_ROWS = 1 << 16
Key = tuple[float, int]  # arrival (ticks or seconds), row: no two rows have one


@dataclass(slots=True)
class _Run:
    first: Key
    last: Key
    batches: list[pa.RecordBatch] | None  # in memory,
    file: IO[bytes] | None  # or here

    def read(self) -> Iterator[pa.RecordBatch]:
        if self.file is None:
            yield from self.batches or []
        else:
            self.file.seek(0)
            with pa.ipc.open_stream(self.file) as reader:
                yield from reader


class Spool:
    """Takes record batches with columns `arrival` (no NaN) and `row` (ascending), gives them back by (arrival, row).

    `folder` is where runs are kept (None: in memory). OSError when it is full.
    """

    def __init__(self, folder: Path | None, run_rows: int = RUN_ROWS) -> None:
        self._folder, self._run_rows = folder, run_rows
        self._held: list[pa.RecordBatch] = []
        self._held_rows = self._held_bytes = 0
        self._runs: list[_Run] = []
        self.rows = 0

    @property
    def first(self) -> float:
        """The earliest arrival (ticks or seconds); only after `finish`, and of a spool with rows."""
        return min(run.first for run in self._runs)[0]

    @property
    def last(self) -> float:
        """The latest arrival, likewise."""
        return max(run.last for run in self._runs)[0]

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes the next rows of the file."""
        self._held.append(batch)
        self._held_rows += batch.num_rows
        self._held_bytes += batch.nbytes
        self.rows += batch.num_rows
        if self._held_rows >= self._run_rows or self._held_bytes >= RUN_BYTES:
            self._seal(self._folder)

    def finish(self) -> None:
        """Nothing is added any more. The last run, of a short trace the only one, stays in memory."""
        self._seal(None)

    def _seal(self, folder: Path | None) -> None:
        held, self._held, self._held_rows, self._held_bytes = self._held, [], 0, 0
        table = pa.Table.from_batches(held) if held else None
        if table is None or not table.num_rows:
            return
        table = _sorted(table)
        self._runs.append(_stored(table.combine_chunks().to_batches(BATCH_ROWS), folder))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """All rows in order."""
        for runs in _overlapping(self._runs):
            yield from runs[0].read() if len(runs) == 1 else _merged([run.read() for run in runs])

    def close(self) -> None:
        """Frees disk and memory."""
        for run in self._runs:
            if run.file is not None:
                run.file.close()
        self._runs = []


def _stored(batches: list[pa.RecordBatch], folder: Path | None) -> _Run:
    first, last = _key(batches[0], 0), _key(batches[-1], -1)
    if folder is None:
        return _Run(first, last, batches, None)
    file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  closed with the spool
    try:
        with pa.ipc.new_stream(file, batches[0].schema) as writer:
            for batch in batches:
                writer.write_batch(batch)
        file.flush()
    except BaseException:
        with suppress(OSError):  # what could not be written cannot be written now either
            file.close()
        raise
    return _Run(first, last, None, file)


def _sorted(table: pa.Table) -> pa.Table:
    arrivals, rows = table["arrival"].to_numpy(), table["row"].to_numpy()
    ascend = (arrivals[1:] > arrivals[:-1]) | ((arrivals[1:] == arrivals[:-1]) & (rows[1:] > rows[:-1]))
    return table if ascend.all() else table.take(pa.array(np.lexsort((rows, arrivals))))


def _key(batch: pa.RecordBatch, index: int) -> Key:
    return batch["arrival"][index].as_py(), batch["row"][index].as_py()


def _overlapping(runs: list[_Run]) -> Iterable[list[_Run]]:
    """Groups of runs; all of a group comes before all of the next."""
    group: list[_Run] = []
    for run in sorted(runs, key=lambda run: run.first):
        if group and run.first > max(member.last for member in group):
            yield group
            group = []
        group.append(run)
    if group:
        yield group


def _merged(streams: list[Iterator[pa.RecordBatch]]) -> Iterator[pa.RecordBatch]:
    """Several sorted streams as one; holds a batch of each."""
    heads: list[tuple[Iterator[pa.RecordBatch], pa.RecordBatch]] = []
    for stream in streams:
        if (batch := next(stream, None)) is not None:
            heads.append((stream, batch))
    while heads:
        # Up to the earliest end of a head, every row is at hand.
        bound = min(_key(batch, -1) for _, batch in heads)
        ready, rest = [], []
        for stream, batch in heads:
            count = _rows_up_to(batch, bound)
            ready.append(batch.slice(0, count))
            left: Any = batch.slice(count) if count < batch.num_rows else next(stream, None)
            if left is not None:
                rest.append((stream, left))
        heads = rest
        yield from _sorted(pa.Table.from_batches(ready)).combine_chunks().to_batches(BATCH_ROWS)


def _rows_up_to(batch: pa.RecordBatch, bound: Key) -> int:
    arrivals, rows = batch["arrival"].to_numpy(), batch["row"].to_numpy()
    return int(((arrivals < bound[0]) | ((arrivals == bound[0]) & (rows <= bound[1]))).sum())
