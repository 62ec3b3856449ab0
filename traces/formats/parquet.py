"""This project's Parquet: the columns of a trace under their own names, and other columns that were kept.

Layout: request_id, application_id, arrival_s (float64 seconds, kept as they are), batch_size, prompt_tokens,
output_tokens (int64); only times and sizes are required, so that other tools can write it, too. As in text, whole
numbers may be written as floats (pandas does so in a column with a gap): 3.0 is 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sim_core.errors import choices
from traces.cells import DEFAULT, LEAST, MAX_EXACT_FLOAT, integer, seconds
from traces.formats.base import WHOLE, About, Assumed, Example, Kind, requests, seconds_column
from traces.formats.parquet_contents import check_contents, check_texts
from traces.read_counts import ReadCounts
from traces.room import Room
from traces.time_unit import Times
from traces.trace_file import TraceFile

BATCH_ROWS = 1 << 16
BLOCK_BYTES = 1 << 20
MAGIC = b"PAR1"
REQUIRED = ("arrival_s", "prompt_tokens", "output_tokens")


class ParquetFormat:
    """As TraceFormat."""

    about = About(
        name="parquet",
        title="Parquet of this project",
        publisher="this project (convert)",
        licence="your own, or the original's",
        recognised_by="Parquet with arrival_s, prompt_tokens, output_tokens",
        kept="all columns",
        own_times=True,
        times=Times("s", named=True),
        zero_output="error",
    )
    arrival = "arrival_s"
    sizes = ("prompt_tokens", "output_tokens")
    required = REQUIRED

    @property
    def example(self) -> Example:
        """As TraceFormat."""
        columns = {
            "request_id": [7, 3],
            "application_id": [0, 1],
            "arrival_s": [0.1, 1.7],
            "batch_size": [1, 2],
            "prompt_tokens": [10, 20],
            "output_tokens": [5, 6],
            "NumImages": [0, 4],
        }
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table(columns), sink)
        return Example(sink.getvalue().to_pybytes(), ((0.1, 10, 5), (1.7, 20, 6)), {"NumImages": [0, 4]})

    def sniff(self, head: bytes) -> bool:
        """By Parquet's first bytes: the columns are at the file's end."""
        return head.startswith(MAGIC)

    def read(self, source: TraceFile, counts: ReadCounts, assumed: Assumed) -> Iterator[pa.RecordBatch]:
        """As TraceFormat."""
        with source.open() as stream:
            # the table of contents is at the file's end: a packed file has to be unpacked whole
            file = stream if stream.seekable() else pa.BufferReader(_whole(stream))
            try:
                with pq.ParquetFile(file) as parquet:
                    _check_columns(parquet.schema_arrow, counts)
                    room = Room(source.label, source.path.stat().st_size)
                    if texts := check_contents(parquet.metadata, room, counts):
                        check_texts(file, texts, room)
                    for batch in parquet.iter_batches(BATCH_ROWS):
                        yield _checked(batch, counts)
            except (pa.ArrowException, OSError) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                raise counts.error(f"is no sound Parquet file: {str(error).splitlines()[0]}") from error


def _whole(stream: BinaryIO) -> bytes:
    """All bytes of a stream, in pieces: it ends as soon as there are too many of them."""
    content = bytearray()
    while block := stream.read(BLOCK_BYTES):
        content += block
    return bytes(content)


def _check_columns(schema: pa.Schema, counts: ReadCounts) -> None:
    for column in REQUIRED:
        if column not in schema.names:
            raise counts.error(f"column {column!r} is missing{choices(column, schema.names)}")
    for column in (*WHOLE, "arrival_s"):
        if schema.names.count(column) > 1:
            raise counts.error(f"column {column!r} is there twice")
        if column not in schema.names:
            continue
        kind = schema.field(column).type
        if not (pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind)):
            wanted = "numbers" if column == "arrival_s" else "whole numbers"
            raise counts.error(f"holds {kind}, not {wanted}", column=column)


def _checked(batch: pa.RecordBatch, counts: ReadCounts) -> pa.RecordBatch:
    rows = np.arange(counts.rows + 1, counts.rows + 1 + batch.num_rows)
    counts.rows += batch.num_rows
    columns: dict[str, Any] = {"row": rows}
    wrong: dict[int, tuple[str, str]] = {}
    for name in batch.schema.names:
        if name in ("row", "arrival"):
            raise counts.error(f"column {name!r}: this name is taken; rename it")
        if name != "arrival_s" and name not in WHOLE:
            columns[name] = batch[name]
            continue
        kind, target = (TIMES, "arrival") if name == "arrival_s" else (NUMBERS, name)
        zero_is_fine = name == "output_tokens" and counts.zero_output != "error"
        columns[target], reasons = kind.converted(batch[name], 0 if zero_is_fine else LEAST.get(name, 0))
        for place, reason in reasons.items():
            wrong.setdefault(int(rows[place]), (reason, name))
    for name, number in DEFAULT.items():
        columns.setdefault(name, np.full(batch.num_rows, number, np.int64))
    return requests(columns, wrong, counts, "prompt_tokens")


def _whole_column(cells: pa.Array, least: int) -> Any:
    """Numbers of any type as int64. None unless all are whole numbers of 64 bits."""
    try:
        numbers = pc.fill_null(cells.cast(pa.int64()), least - 1).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        return None
    too_large = pa.types.is_floating(cells.type) and numbers.max(initial=0) > MAX_EXACT_FLOAT
    return numbers if numbers.min(initial=least) >= least and not too_large else None


def _text(value: object) -> str:
    return "" if value is None else str(value)


NUMBERS = Kind(_whole_column, lambda value, least: integer(_text(value), least))
TIMES = Kind(seconds_column, lambda value, least: seconds(_text(value)))
FORMAT = ParquetFormat()
