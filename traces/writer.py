"""Trace -> SplitwiseSim's CSV, compressed where the name ends in .gz or .zst.

A file appears under its name only when it is complete.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from sim_core.errors import TraceError
from sim_core.trace import Trace
from sim_core.whole_file import replacing

HEADER = "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n"
GENERATIVE_LLM = 2  # the one request_type there is


def csv_lines(trace: Trace) -> Iterator[str]:
    """Header and rows; times in their shortest exact form, so that reading gives back the same trace."""
    yield HEADER
    yield from csv_rows(
        trace.request_id,
        trace.application_id,
        trace.arrival_s,
        trace.batch_size,
        trace.prompt_tokens,
        trace.output_tokens,
    )


def csv_rows(*columns: Iterable[Any]) -> Iterator[str]:
    """Rows of request id, application id, arrival (s), batch size, prompt, output (tokens), in Python's own numbers."""
    for request_id, application_id, arrival_s, batch_size, prompt, output in zip(*columns, strict=True):
        yield f"{request_id},{GENERATIVE_LLM},{application_id},{arrival_s!r},{batch_size},{prompt},{output}\n"


def write_csv(trace: Trace, path: Path) -> None:
    """Writes, or replaces, `path` at once. TraceError when that is not possible; nothing half-written stays."""
    with written(path) as file, packed(file, path) as stream:
        stream.writelines(line.encode() for line in csv_lines(trace))


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` when the block ends well. TraceError when it cannot be written."""
    try:
        with replacing(path) as file:
            yield file
    except OSError as error:
        raise TraceError(f"cannot be written: {error.strerror or error}", source=str(path)) from error


@contextmanager
def packed(file: BinaryIO, path: Path) -> Iterator[Any]:
    """A stream into `file` that compresses as the name of `path` says; its end writes the compression's end."""
    if path.suffix == ".gz":
        # without a name and a time in its header, one trace gives one file; level 9 takes twice as long for 1% less
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as stream:
            yield stream
    elif path.suffix == ".zst":
        import pyarrow as pa  # a fifth of a second, for this alone

        with pa.CompressedOutputStream(pa.PythonFile(_Kept(file), mode="w"), "zstd") as stream:
            yield stream
    else:
        yield file


class _Kept:
    """A file that stays open when Arrow closes it."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        self.closed = True
