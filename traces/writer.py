"""Writes SplitwiseSim's CSV, packed if the name ends in .gz or .zst.

A file appears under its name when it is complete.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from sim_core.errors import TraceError
from sim_core.prefixes import Prefixes
from sim_core.trace import Trace
from sim_core.whole_file import replacing

HEADER = "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n"
HEADER_WITH_RUNS = HEADER.replace("\n", ",block_tokens,prefix_runs\n")
GENERATIVE_LLM = 2  # the only request_type that is simulated


def csv_lines(trace: Trace) -> Iterator[str]:
    """Header and rows. Times have their shortest exact form, so that reading gives the same trace."""
    prefixes = trace.prefixes
    yield HEADER if prefixes is None else HEADER_WITH_RUNS
    columns: list[Iterable[Any]] = [
        *(trace.request_id, trace.application_id, trace.arrival_s),
        *(trace.batch_size, trace.prompt_tokens, trace.output_tokens),
    ]
    if prefixes is not None:
        columns += [[prefixes.block_tokens] * len(trace), (_runs(prefixes, row) for row in range(len(trace)))]
    yield from csv_rows(*columns)


def _runs(prefixes: Prefixes, row: int) -> str:
    """What a request has in common with others, as `traces.prefixes` reads it."""
    runs = range(prefixes.begins[row], prefixes.begins[row + 1])
    return " ".join(f"{prefixes.firsts[run]}+{prefixes.lengths[run]}" for run in runs)


def csv_rows(*columns: Iterable[Any]) -> Iterator[str]:
    """Rows from columns: request id, application id, arrival (s), batch size, prompt tokens, output tokens; perhaps
    others behind them."""
    for request_id, application_id, arrival_s, batch_size, prompt, output, *others in zip(*columns, strict=True):
        row = f"{request_id},{GENERATIVE_LLM},{application_id},{arrival_s!r},{batch_size},{prompt},{output}"
        yield ",".join([row, *map(str, others)]) + "\n" if others else f"{row}\n"


def write_csv(trace: Trace, path: Path) -> None:
    """Writes or replaces `path`. TraceError when that fails; then no half-written file stays."""
    with written(path) as file, packed(file, path) as stream:
        stream.writelines(line.encode() for line in csv_lines(trace))


@contextmanager
def written(path: Path) -> Iterator[BinaryIO]:
    """A file that replaces `path` when the block ends without an error. TraceError when it cannot be written."""
    try:
        with replacing(path) as file:
            yield file
    except OSError as error:
        raise TraceError(f"cannot be written: {error.strerror or error}", source=str(path)) from error


@contextmanager
def packed(file: BinaryIO, path: Path) -> Iterator[Any]:
    """A stream into `file`, packed as the ending of `path` says."""
    if path.suffix == ".gz":
        # no name and time in the header: the same trace gives the same bytes; level 9 takes twice as long for 1% less
        with gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=file, mtime=0) as stream:
            yield stream
    elif path.suffix == ".zst":
        import pyarrow as pa  # a fifth of a second, only for this ending

        descriptor = os.dup(file.fileno())  # Arrow closes its file at the end, `file` stays open
        with pa.CompressedOutputStream(os.fdopen(descriptor, "wb"), "zstd") as stream:
            yield stream
    else:
        yield file
