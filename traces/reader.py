"""SplitwiseSim's trace CSV -> Trace."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from sim_core.trace import Trace
from traces.quick import read_small

if TYPE_CHECKING:
    from traces.tally import Tally


class TraceWarning(UserWarning):
    """A trace was not as it should be, but could be put right."""


def read_csv(path: Path, *, source: str = "", name: str = "") -> Trace:
    """A CSV file (also gzipped, with a BOM, with CRLF) with SplitwiseSim's columns; others are ignored.

    request_type, application_id and batch_size may be missing (2, 0, 1). Rows out of order are sorted by arrival,
    equal ones staying as they were, with a TraceWarning. TraceError names file, row, column and value of what is
    wrong. `source` is how messages call the file (its path if empty), `name` the trace's name (the file's stem).
    """
    return _read(path, source, name, "splitwise")


def read_file(path: Path, *, source: str = "", name: str = "") -> Trace:
    """A file of any format of traces.formats, found by its content; otherwise as `read_csv`."""
    return _read(path, source, name, None)


def _read(path: Path, source: str, name: str, format: str | None) -> Trace:
    small = read_small(path, name or path.name.removesuffix(".csv"))
    if small is not None:
        return small
    from traces.reading import ReadOptions, read_trace  # Arrow takes a fifth of a second; named workloads need none

    trace, tally = read_trace(path, source=source, name=name, options=ReadOptions(format))
    warn(tally)
    return trace


def warn(tally: Tally) -> None:
    """A TraceWarning for each thing that was put right."""
    for line in tally.lines():
        warnings.warn(line, TraceWarning, stacklevel=4)
