"""Writes record batches as a trace file, in the format that its name says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sim_core.errors import TraceError
from sim_core.trace import Trace
from traces.prefixes import BLOCK, RUNS, columns_of, text_of
from traces.reading import COLUMNS
from traces.writer import HEADER, HEADER_WITH_RUNS, csv_rows, packed, written

ENDINGS = (".parquet", ".csv", ".csv.gz", ".csv.zst")
NOTHING = "no request is left, nothing was written"
ROW_GROUP_ROWS = 1 << 18
# Ids ascend by one and times share their leading bytes: written so, a row takes about half as much.
ENCODINGS = {"request_id": "DELTA_BINARY_PACKED", "arrival_s": "BYTE_STREAM_SPLIT"}


def check_ending(path: Path) -> None:
    """TraceError unless the name ends as a format that can be written."""
    if not path.name.endswith(ENDINGS):
        raise TraceError(f"the name must end in one of {', '.join(ENDINGS)}", source=str(path))


def write_batches(batches: Iterable[pa.RecordBatch], path: Path) -> int:
    """Writes or replaces `path` and returns the number of rows. Memory holds one row group.

    Batches have reading.COLUMNS in order of arrival. Their other columns are written to Parquet, not to CSV, which has
    SplitwiseSim's columns and, where there are any, those of traces.prefixes. TraceError when the file cannot be
    written; then no half-written file stays.
    """
    check_ending(path)
    with written(path) as file:
        if path.suffix == ".parquet":
            return _write_parquet(batches, pa.PythonFile(file, mode="w"))
        rows = 0
        with packed(file, path) as stream:
            for batch in batches:
                has_runs = RUNS in batch.schema.names
                if not rows:
                    stream.write((HEADER_WITH_RUNS if has_runs else HEADER).encode())
                columns = [batch[name].to_pylist() for name in COLUMNS]
                if has_runs:
                    columns += [batch[BLOCK].to_pylist(), map(text_of, batch[RUNS].to_pylist())]
                stream.write("".join(csv_rows(*columns)).encode())
                rows += batch.num_rows
        if not rows:
            raise TraceError(NOTHING)
    return rows


def write_trace(trace: Trace, path: Path) -> None:
    """Writes a whole trace, in the format that the name says. TraceError as `write_batches`."""
    write_batches([trace_batch(trace)], path)


def trace_batch(trace: Trace) -> pa.RecordBatch:
    """A trace as one batch with reading.COLUMNS, and those of traces.prefixes where it has prefixes."""
    columns = {
        name: pa.Array.from_buffers(
            pa.float64() if name == "arrival_s" else pa.int64(),
            len(trace),
            [None, pa.py_buffer(getattr(trace, name))],
        )
        for name in COLUMNS
    }
    return pa.RecordBatch.from_pydict(columns | (columns_of(trace.prefixes) if trace.prefixes else {}))


def _write_parquet(batches: Iterable[pa.RecordBatch], file: pa.PythonFile) -> int:
    rows, writer = 0, None
    for table in _row_groups(batches):
        if writer is None:
            dictionaries = [name for name in table.schema.names if name not in ENCODINGS]
            writer = pq.ParquetWriter(
                file, table.schema, compression="zstd", use_dictionary=dictionaries, column_encoding=ENCODINGS
            )
        writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        rows += table.num_rows
    if writer is None:
        raise TraceError(NOTHING)
    writer.close()
    return rows


def _row_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Tables of ROW_GROUP_ROWS rows, however many the batches have; the last one may be shorter."""
    parts: list[pa.RecordBatch] = []
    count = 0
    for batch in batches:
        while count + batch.num_rows >= ROW_GROUP_ROWS:
            missing = ROW_GROUP_ROWS - count
            yield pa.Table.from_batches([*parts, batch.slice(0, missing)])
            parts, count, batch = [], 0, batch.slice(missing)
        if batch.num_rows:
            parts.append(batch)
            count += batch.num_rows
    if parts:
        yield pa.Table.from_batches(parts)
