"""Reads trace files as traces: small ones quickly, all others by traces.reading."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from sim_core.trace import Trace
from traces.quick import read_small
from traces.time_unit import AUTO

if TYPE_CHECKING:
    from traces.read_counts import ReadCounts


class TraceWarning(UserWarning):
    """A trace had a fault that could be mended."""


class TraceNote(UserWarning):
    """A fact about a faultless trace that a user should know. Command lines print it as a note."""


def spoken(warning: Warning | str) -> str:
    """The line that command lines print for a warning."""
    return f"{'note' if isinstance(warning, TraceNote) else 'warning'}: {warning}"


def read_csv(path: Path, *, source: str = "", name: str = "", time_unit: str = AUTO) -> Trace:
    """A CSV file (also gzipped, with a BOM, with CRLF) with SplitwiseSim's columns; others are ignored.

    request_type, application_id and batch_size may be missing (2, 0, 1). Rows out of order are sorted by arrival,
    simultaneous ones keeping their order, with a TraceWarning. TraceError names file, row, column and value of what is
    wrong. `source` is the file's name in messages (its path if empty), `name` the trace's name (the file's stem if
    empty), `time_unit` the unit of its times (traces.time_unit).
    """
    return _read(path, source, name, "splitwise", time_unit)


def read_file(path: Path, *, source: str = "", name: str = "", time_unit: str = AUTO) -> Trace:
    """A file of any format of traces.formats, found by its content; otherwise as `read_csv`."""
    return _read(path, source, name, None, time_unit)


def _read(path: Path, source: str, name: str, format: str | None, time_unit: str) -> Trace:
    small = read_small(path, name or path.name.removesuffix(".csv")) if time_unit in (AUTO, "s") else None
    if small is not None:
        return small
    from traces.reading import ReadOptions, read_trace  # imports Arrow, a fifth of a second

    trace, counts = read_trace(path, source=source, name=name, options=ReadOptions(format, time_unit=time_unit))
    warn(counts)
    return trace


def warn(counts: ReadCounts, *, notes: bool = True) -> None:
    """Issues a TraceWarning for each fault that was mended and, with `notes`, a TraceNote for each fact."""
    for line in counts.lines():
        warnings.warn(line, TraceWarning, stacklevel=4)
    for line in counts.notes() if notes else ():
        warnings.warn(line, TraceNote, stacklevel=4)
