"""Our own Parquet: the columns of a trace under their own names, and what else was kept.

Layout: request_id, application_id, arrival_s (float64 seconds, kept as they are), batch_size, prompt_tokens,
output_tokens (int64); only the times and the sizes are required, so that other tools can write it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sim_core.errors import choices
from traces.cells import DEFAULT, LEAST
from traces.formats.base import WHOLE, About, selected, with_tokens
from traces.source import Source
from traces.tally import Tally

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
        zero_output="error",
    )
    arrival = "arrival_s"
    required = REQUIRED

    def sniff(self, head: bytes) -> bool:
        """By Parquet's first bytes: the columns are at the file's end."""
        return head.startswith(MAGIC)

    def read(self, source: Source, tally: Tally) -> Iterator[pa.RecordBatch]:
        """As TraceFormat."""
        with source.failures_explained():
            try:
                with pq.ParquetFile(_file(source)) as file:
                    _check_columns(file.schema_arrow, tally)
                    share = source.path.stat().st_size / max(1, file.metadata.num_rows)
                    for batch in file.iter_batches(BATCH_ROWS):
                        source.on_bytes(int(batch.num_rows * share))
                        yield _checked(batch, tally)
            except (pa.ArrowException, OSError) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                raise tally.error(f"is no sound Parquet file: {str(error).splitlines()[0]}") from error


def _file(source: Source) -> Any:
    if not source.packed():
        return source.path
    with source.open() as stream:  # the table of contents is at the end: all of it has to be unpacked
        return pa.BufferReader(stream.read())


def _check_columns(schema: pa.Schema, tally: Tally) -> None:
    for column in REQUIRED:
        if column not in schema.names:
            raise tally.error(f"column {column!r} is missing{choices(column, schema.names)}")
    for column in (*WHOLE, "arrival_s"):
        if schema.names.count(column) > 1:
            raise tally.error(f"column {column!r} is there twice")
        if column not in schema.names:
            continue
        kind = schema.field(column).type
        if not (pa.types.is_integer(kind) or (column == "arrival_s" and pa.types.is_floating(kind))):
            wanted = "numbers" if column == "arrival_s" else "whole numbers"
            raise tally.error(f"holds {kind}, not {wanted}", column=column)


def _checked(batch: pa.RecordBatch, tally: Tally) -> pa.RecordBatch:
    columns: dict[str, Any] = {"row": np.arange(tally.rows + 1, tally.rows + 1 + batch.num_rows)}
    tally.rows += batch.num_rows
    good = np.ones(batch.num_rows, bool)
    for name in batch.schema.names:
        if name in ("row", "arrival"):
            raise tally.error(f"column {name!r}: this name is taken; rename it")
        if name == "arrival_s":
            columns["arrival"] = _numbers(batch[name], name, 0, pa.float64(), good, tally, columns["row"])
        elif name in WHOLE:
            # what zero output means is decided below, for all of them
            zero_is_fine = name == "output_tokens" and tally.zero_output != "error"
            least = 0 if zero_is_fine else LEAST[name]
            columns[name] = _numbers(batch[name], name, least, pa.int64(), good, tally, columns["row"])
        else:
            columns[name] = batch[name]
    for name, number in DEFAULT.items():
        columns.setdefault(name, np.full(batch.num_rows, number, np.int64))
    if not good.all():
        columns = selected(columns, good)
    return pa.RecordBatch.from_pydict(with_tokens(columns, tally, "prompt_tokens"))


def _numbers(column: pa.Array, name: str, least: int, kind: pa.DataType, good: Any, tally: Tally, rows: Any) -> Any:
    wrong = column.is_null().to_numpy(zero_copy_only=False)
    try:
        values = pc.fill_null(column, least).cast(kind).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:  # unsigned numbers beyond int64
        raise tally.error("holds numbers that are too large", column=name) from None
    wrong = wrong | ~(values >= least)
    if kind == pa.float64():
        wrong |= np.isinf(values)
    for index in np.flatnonzero(wrong & good):
        value = column[int(index)].as_py()
        reason = "the cell is empty" if value is None else f"{value!r} must be {least} or more, and finite"
        tally.bad_row(int(rows[index]), reason, name)
        good[index] = False
    return values


FORMAT = ParquetFormat()
