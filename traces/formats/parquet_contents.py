"""What a Parquet file would become in memory, by its table of contents, before any of its rows is read.

A few bytes can stand for hundreds of millions of equal rows, a page for gigabytes of text, and a long text in a
dictionary for each of its rows.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sim_core.limits import limits
from traces.read_counts import ReadCounts
from traces.room import Room

NUMBER_BYTES = 8
TEXT_BATCH_ROWS = 1 << 16


def check_contents(contents: Any, room: Room, counts: ReadCounts) -> list[str]:
    """The columns that hold text, by their paths. TraceError for too many rows or columns, or for more bytes than there
    is room for."""
    bounds = limits()
    if contents.num_columns > bounds.columns:
        raise counts.error(bounds.too_much("columns", contents.num_columns, "columns"))
    if contents.num_rows > bounds.rows:
        raise counts.error(bounds.too_much("rows", contents.num_rows, "rows"))
    columns = [contents.schema.column(place) for place in range(contents.num_columns)]
    values = stored = 0
    for group in range(contents.num_row_groups):
        parts = [contents.row_group(group).column(place) for place in range(contents.num_columns)]
        values += sum(part.num_values for part in parts)
        stored += sum(part.total_uncompressed_size for part in parts)
    rows = f"of rows in memory ({contents.num_rows:,} rows)"
    room.check(max(contents.num_rows * len(columns), values) * NUMBER_BYTES, rows)
    room.check(stored, "when it is unpacked")
    return [column.path for column in columns if column.physical_type in ("BYTE_ARRAY", "FIXED_LEN_BYTE_ARRAY")]


def check_texts(file: Any, paths: list[str], room: Room) -> None:
    """TraceError if the texts in these columns need more memory than there is room for.

    They are read as dictionaries, in which a text that occurs in many rows is in memory once.
    """
    found = 0
    with pq.ParquetFile(file, read_dictionary=paths) as parquet:
        for batch in parquet.iter_batches(TEXT_BATCH_ROWS, columns=paths):
            found += sum(_text_bytes(column) for column in batch.columns)
            room.check(found, "of text in memory")


def _text_bytes(values: pa.Array) -> int:
    """The bytes of all texts in an array, each occurrence counted, also of those in lists and structures."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        lengths = pc.binary_length(values.dictionary)
        return int(pc.sum(lengths.cast(pa.int64()).take(values.indices)).as_py() or 0)
    if pa.types.is_struct(kind):
        return sum(map(_text_bytes, values.flatten()))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _text_bytes(values.flatten())
    if pa.types.is_map(kind):
        return _text_bytes(values.keys) + _text_bytes(values.items)
    return int(values.nbytes)
