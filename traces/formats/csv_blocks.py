"""The rows of a CSV file as Arrow reads them: typed columns, a block of bytes at a time."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.csv


class Watched:
    """A stream that notices hexadecimal numbers: Arrow takes them, though in a data file they are mistakes."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self._last, self.closed = stream, b"", False
        self.hexadecimal = False

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
        both = (self._last + data[:1]).lower()
        self.hexadecimal = self.hexadecimal or b"0x" in data or b"0X" in data or b"0x" in both
        self._last = data[-1:]
        return data

    def close(self) -> None:
        self.closed = True


def blocks(stream: Watched, width: int, kinds: dict[int, pa.DataType], size: int) -> Iterator[pa.RecordBatch]:
    """The rows behind the header, from blocks of `size` bytes; columns are named by their places.

    ArrowInvalid for what is not as it should be.
    """
    names = [str(place) for place in range(width)]
    reader = pa.csv.open_csv(
        pa.PythonFile(stream, mode="r"),
        read_options=pa.csv.ReadOptions(use_threads=False, block_size=size, column_names=names, skip_rows=1),
        # a blank line has one cell: it is amiss, so that rows keep their numbers
        parse_options=pa.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
        convert_options=pa.csv.ConvertOptions(
            column_types={str(place): kind for place, kind in kinds.items()},
            include_columns=[str(place) for place in kinds],
            null_values=[],
            strings_can_be_null=False,
        ),
    )
    with reader:
        yield from reader
