"""SplitwiseSim's trace CSV -> Trace."""

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
    """A trace was not as it should be, but could be put right."""


class TraceNote(UserWarning):
    """What a user should know of a trace that is as it should be. Command lines print it as a note."""


def spoken(warning: Warning | str) -> str:
    """A warning as command lines print it."""
    return f"{'note' if isinstance(warning, TraceNote) else 'warning'}: {warning}"


def read_csv(path: Path, *, source: str = "", name: str = "", time_unit: str = AUTO) -> Trace:
    """A CSV file (also gzipped, with a BOM, with CRLF) with SplitwiseSim's columns; others are ignored.

    request_type, application_id and batch_size may be missing (2, 0, 1). Rows out of order are sorted by arrival,
    equal ones staying as they were, with a TraceWarning. TraceError names file, row, column and value of what is
    wrong. `source` is how messages call the file (its path if empty), `name` the trace's name (the file's stem),
    `time_unit` the unit of its times (traces.time_unit).
    """
    return _read(path, source, name, "splitwise", time_unit)


def read_file(path: Path, *, source: str = "", name: str = "", time_unit: str = AUTO) -> Trace:
    """A file of any format of traces.formats, found by its content; otherwise as `read_csv`."""
    return _read(path, source, name, None, time_unit)


def _read(path: Path, source: str, name: str, format: str | None, time_unit: str) -> Trace:
    small = read_small(path, name or path.name.removesuffix(".csv")) if time_unit in (AUTO, "s") else None
    if small is not None:
        return small
    from traces.reading import ReadOptions, read_trace  # Arrow takes a fifth of a second; named workloads need none

    trace, counts = read_trace(path, source=source, name=name, options=ReadOptions(format, time_unit=time_unit))
    warn(counts)
    return trace


def warn(counts: ReadCounts, *, notes: bool = True) -> None:
    """A TraceWarning for each thing that was put right, a TraceNote for each that a user should know."""
    for line in counts.lines():
        warnings.warn(line, TraceWarning, stacklevel=4)
    for line in counts.notes() if notes else ():
        warnings.warn(line, TraceNote, stacklevel=4)
