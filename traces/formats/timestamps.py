"""Times of day as text, such as 2023-11-16 18:17:03.9799600, converted exactly to whole nanoseconds by Arrow."""

from __future__ import annotations

from collections.abc import Sequence
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


def nanoseconds(cells: Sequence[str], least: int = 0) -> Any:
    """The same of texts, each with or without a zone. BadCell for one that is no time, or a day that does not exist."""
    numbers = []
    for index, cell in enumerate(cells):
        found = nanoseconds_of(pa.array([cell.strip()], pa.string()))
        if found is None:
            empty = "the cell is empty; it must be a time"
            raise BadCell(index, f"{quoted(cell)} is not a time such as {EXAMPLE}" if cell.strip() else empty)
        numbers.append(found[0])
    return np.array(numbers, np.int64)
