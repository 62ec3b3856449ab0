"""This project's Parquet: the columns of a trace under their own names, and other columns that were kept.

Layout: request_id, application_id, arrival_s (float64 seconds, kept as they are), batch_size, prompt_tokens,
output_tokens (int64); only times and sizes are required, so that other tools can write it, too. As in text, whole
numbers may be written as floats (pandas does so in a column with a gap): 3.0 is 3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sim_core.errors import choices
from traces.cells import DEFAULT, INEXACT, LEAST, MAX_EXACT_FLOAT, MAX_INT
from traces.formats.base import WHOLE, About, Assumed, Example, selected, with_tokens
from traces.read_counts import ReadCounts
from traces.time_unit import Times
from traces.trace_file import TraceFile

BATCH_ROWS = 1 << 16
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
            file = stream if stream.seekable() else pa.BufferReader(stream.read())
            try:
                with pq.ParquetFile(file) as parquet:
                    _check_columns(parquet.schema_arrow, counts)
                    for batch in parquet.iter_batches(BATCH_ROWS):
                        yield _checked(batch, counts)
            except (pa.ArrowException, OSError) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                raise counts.error(f"is no sound Parquet file: {str(error).splitlines()[0]}") from error


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
    columns: dict[str, Any] = {"row": np.arange(counts.rows + 1, counts.rows + 1 + batch.num_rows)}
    counts.rows += batch.num_rows
    good = np.ones(batch.num_rows, bool)
    for name in batch.schema.names:
        if name in ("row", "arrival"):
            raise counts.error(f"column {name!r}: this name is taken; rename it")
        if name == "arrival_s":
            columns["arrival"] = _numbers(_Cells(batch[name], name, 0, columns["row"]), pa.float64(), good, counts)
        elif name in WHOLE:
            # requests without output are handled below, for the whole batch
            zero_is_fine = name == "output_tokens" and counts.zero_output != "error"
            cells = _Cells(batch[name], name, 0 if zero_is_fine else LEAST[name], columns["row"])
            columns[name] = _numbers(cells, pa.int64(), good, counts)
        else:
            columns[name] = batch[name]
    for name, number in DEFAULT.items():
        columns.setdefault(name, np.full(batch.num_rows, number, np.int64))
    if not good.all():
        columns = selected(columns, good)
    return pa.RecordBatch.from_pydict(with_tokens(columns, counts, "prompt_tokens"))


@dataclass(frozen=True, slots=True)
class _Cells:
    """A column of numbers, their least value, and the numbers of their rows."""

    values: pa.Array
    name: str
    least: int
    rows: Any


def _numbers(cells: _Cells, kind: pa.DataType, good: Any, counts: ReadCounts) -> Any:
    """The column as int64 or float64. Wrong cells are reported and become False in `good`."""
    numbers, wrong = _whole(cells.values) if kind == pa.int64() else _times(cells.values)
    wrong = wrong | ~(numbers >= cells.least)
    for index in np.flatnonzero(wrong & good):
        counts.bad_row(int(cells.rows[index]), _reason(cells, int(index), kind), cells.name)
        good[index] = False
    return numbers


def _times(values: pa.Array) -> tuple[Any, Any]:
    """Numbers as float64, and a mask of those that are missing or not finite."""
    floats = values.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)  # an empty cell is NaN
    return floats, ~np.isfinite(floats)


def _whole(values: pa.Array) -> tuple[Any, Any]:
    """Numbers as int64, and a mask of those that are no whole numbers of 64 bits (replaced by 1)."""
    if pa.types.is_floating(values.type):
        floats, _ = _times(values)
        whole = (np.abs(floats) <= MAX_EXACT_FLOAT) & (floats == np.floor(floats))
        return np.where(whole, floats, 1).astype(np.int64), ~whole
    empty = values.is_null().to_numpy(zero_copy_only=False)
    try:
        return pc.fill_null(values.cast(pa.int64()), 1).to_numpy(zero_copy_only=False), empty
    except pa.ArrowInvalid:  # unsigned numbers beyond int64, decimals with a fraction
        exact = [1 if number is None else number for number in values.to_pylist()]
    fits = [number == int(number) and abs(number) <= MAX_INT for number in exact]
    numbers = [int(number) if fit else 1 for number, fit in zip(exact, fits, strict=True)]
    return np.array(numbers, np.int64), ~np.array(fits) | empty


def _reason(cells: _Cells, index: int, kind: pa.DataType) -> str:
    value = cells.values[index].as_py()
    if value is None:
        return "the cell is empty"
    shown = str(value)
    if kind == pa.int64() and value == value and abs(value) != inf:
        if value != int(value):
            return f"{shown} is not a whole number"
        if isinstance(value, float) and abs(value) > MAX_EXACT_FLOAT:
            return f"{shown} {INEXACT}"
        if value > MAX_INT:
            return f"{shown} is too large (at most {MAX_INT})"
    return f"{shown} must be {cells.least} or more, and finite"


FORMAT = ParquetFormat()
