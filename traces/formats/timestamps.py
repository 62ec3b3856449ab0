"""Times of day as text, such as 2023-11-16 18:17:03.9799600, converted exactly to whole nanoseconds by Arrow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from traces.cells import BadCell, quoted

EXAMPLE = "2023-11-16 18:17:03.9799600"
SHORTEST = len("2023-11-16 18:17:03")  # Arrow would take a day alone, too


def has_zone(text: str) -> bool:
    """Whether a time ends in a zone (Z or +00:00)."""
    return text.endswith("Z") or "+" in text or "-" in text[10:]


def nanoseconds_of(cells: pa.Array, least: int = 0) -> Any:
    """Since 1970 in UTC (also for times without a zone), int64. None unless all are such times, with or without zones.

    Times may have nine fractional digits. `least` is not used: these times have no lower limit.
    """
    if not len(cells):
        return np.zeros(0, np.int64)
    if pc.min(pc.binary_length(cells)).as_py() < SHORTEST:
        return None
    kind = pa.timestamp("ns", "UTC" if has_zone(cells[0].as_py()) else None)
    try:
        return cells.cast(kind).cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid:
        return None


def nanoseconds(cell: str, least: int = 0) -> int:
    """The same of one text. BadCell if it is no time, or a day that does not exist."""
    if not cell.strip():
        raise BadCell("the cell is empty; it must be a time")
    found = nanoseconds_of(pa.array([cell.strip()], pa.string()))
    if found is None:
        raise BadCell(f"{quoted(cell)} is not a time such as {EXAMPLE}")
    return int(found[0])
