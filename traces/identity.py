"""The identity of a trace file: a hash of everything that decides the trace read from it."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from sim_core.errors import TraceError
from sim_core.limits import limits
from sim_core.regular_file import open_regular
from traces.time_unit import AUTO
from traces.unreadable import packing, text_start

LEAST_BYTES = 64


def file_identity(path: Path, *, source: str = "", time_unit: str = AUTO) -> str:
    """SHA-256 in hex over the file's bytes, and over the unit of its times unless that is the format's own.

    Rows are read only to find out the unit. OSError when the file cannot be read; TraceError if it is not clear.
    """
    with open_regular(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > limits().trace_bytes:
            raise TraceError(limits().too_much("trace_bytes", size, "bytes"), source=source or str(path))
        head = file.read(LEAST_BYTES)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if time_unit == AUTO and not _may_vary(head):
        return digest
    from traces.reading import ReadOptions, unit_beside_format  # imports Arrow, which other traces do not need

    unit = unit_beside_format(path, source, ReadOptions(time_unit=time_unit))
    return hashlib.sha256(f"{digest} in {unit}".encode()).hexdigest() if unit else digest


def _may_vary(head: bytes) -> bool:
    """Whether a file with this beginning may be of a format published in several units: JSON or packed files."""
    return bool(packing(head)) or text_start(head).startswith(b"{")
