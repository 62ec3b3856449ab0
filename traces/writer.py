"""Trace -> SplitwiseSim's CSV, compressed where the name ends in .gz.

A file appears under its name only when it is complete.
"""

from __future__ import annotations

import gzip
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from sim_core.errors import TraceError
from sim_core.trace import Trace

HEADER = "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size\n"
REQUEST_TYPE = 2  # generative LLM


def csv_lines(trace: Trace) -> Iterator[str]:
    """Header and rows; times in their shortest exact form, so that reading gives back the same trace."""
    yield HEADER
    columns = (trace.request_id, trace.application_id, trace.arrival_s, trace.batch_size)
    sizes = (trace.prompt_tokens, trace.output_tokens)
    for request_id, application_id, arrival_s, batch_size, prompt, output in zip(*columns, *sizes, strict=True):
        yield f"{request_id},{REQUEST_TYPE},{application_id},{arrival_s!r},{batch_size},{prompt},{output}\n"


def write_csv(trace: Trace, path: Path) -> None:
    """Writes, or replaces, `path` at once. TraceError when that is not possible; nothing half-written stays."""
    partial = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        try:
            with partial.open("xb") as file:
                _write_durably(trace, file, compressed=path.suffix == ".gz")
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise TraceError(f"cannot be written: {error.strerror or error}", source=str(path)) from error


def _write_durably(trace: Trace, file: BinaryIO, *, compressed: bool) -> None:
    lines = (line.encode() for line in csv_lines(trace))
    if compressed:
        # without a name and a time in its header, one trace gives one file
        with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:
            packed.writelines(lines)
    else:
        file.writelines(lines)
    file.flush()
    os.fsync(file.fileno())
