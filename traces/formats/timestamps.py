"""Times of day as text -> whole nanoseconds: exact, so that equal instants are equal, and fast."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from traces.cells import BadCell
from traces.arrivals.base import NS_PER_S

EXAMPLE = "2023-11-16 18:17:03.9799600"
_TIME = re.compile(
    r"(?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})[ T](?P<time>[0-9]{2}:[0-9]{2}:[0-9]{2})"
    r"(?:\.(?P<fraction>[0-9]{1,9}))?(?P<zone>Z|[+-][0-9]{2}:[0-9]{2})?"
)
_SEPARATORS = {4: "-", 7: "-", 13: ":", 16: ":"}
_DIGITS = [0, 1, 2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18]


def nanoseconds(cells: Sequence[str]) -> Any:
    """Since 1970 in UTC (which also stands for a zone that is missing), int64, up to nine fractional digits.

    BadCell for what is no such time, a day that does not exist included.
    """
    text = pa.array(cells, pa.string())
    result = nanoseconds_of(text)
    return np.array([_one(cell, index) for index, cell in enumerate(cells)], np.int64) if result is None else result


def nanoseconds_of(text: pa.Array) -> Any:
    """The same of an Arrow array of strings, quickly; None if some are not all of one layout for each length."""
    result = np.empty(len(text), np.int64)
    lengths = pc.binary_length(text).to_numpy()
    for length in np.unique(lengths).tolist():
        places = np.flatnonzero(lengths == length)
        # taken, they lie one behind the other
        alike = text.take(pa.array(places))
        found = _alike(alike, length)
        if found is None:
            return None
        result[places] = found
    return result


def _alike(cells: pa.Array, length: int) -> Any:
    """All of one length and layout, the first one's; None if they are not, or not times."""
    match = _TIME.fullmatch(cells[0].as_py())
    if match is None or cells.offset:
        return None
    letters = np.frombuffer(cells.buffers()[2], np.uint8, len(cells) * length).reshape(-1, length)
    rest = letters[:, 19 + (len(match["fraction"]) + 1 if match["fraction"] else 0) :]
    if not (rest == rest[0]).all() or not (letters[:, 10] == letters[0, 10]).all():
        return None
    if any((letters[:, place] != ord(sign)).any() for place, sign in _SEPARATORS.items()):
        return None
    numbers = letters.astype(np.int64) - ord("0")
    places = _DIGITS + list(range(20, 20 + len(match["fraction"] or "")))
    if match["fraction"] and (letters[:, 19] != ord(".")).any():
        return None
    digits = numbers[:, places]
    if ((digits < 0) | (digits > 9)).any():
        return None
    return _assembled(digits, _zone_s(match["zone"]))


def _assembled(digits: Any, zone_s: int) -> Any:
    def number(start: int, stop: int) -> Any:
        return digits[:, start:stop] @ 10 ** np.arange(stop - start - 1, -1, -1)

    year, month, day = number(0, 4), number(4, 6), number(6, 8)
    hour, minute, second = number(8, 10), number(10, 12), number(12, 14)
    months = ((year - 1970) * 12 + month - 1).astype("M8[M]")
    first = months.astype("M8[D]").astype(np.int64)
    length = (months + 1).astype("M8[D]").astype(np.int64) - first
    right = (month >= 1) & (month <= 12) & (day >= 1) & (day <= length) & (hour < 24) & (minute < 60) & (second < 60)
    if not (right & (year >= 1678) & (year <= 2261)).all():  # what 64 bits hold
        return None
    whole_s = (first + day - 1) * 86_400 + hour * 3_600 + minute * 60 + second - zone_s
    count = digits.shape[1] - 14
    fraction_ns = number(14, 14 + count) * 10 ** (9 - count) if count else 0
    return whole_s * NS_PER_S + fraction_ns


def _zone_s(zone: str | None) -> int:
    if zone is None or zone == "Z":
        return 0
    sign = -1 if zone[0] == "-" else 1
    return sign * (int(zone[1:3]) * 3_600 + int(zone[4:6]) * 60)


def _one(cell: str, index: int) -> int:
    match = _TIME.fullmatch(cell.strip())
    try:
        if match is None or not 1678 <= int(cell.strip()[:4]) <= 2261:
            raise ValueError
        moment = datetime.fromisoformat(f"{match['day']} {match['time']}").replace(tzinfo=UTC)
    except ValueError:
        reason = f"{cell!r} is not a time such as {EXAMPLE}" if cell.strip() else "the cell is empty; it must be a time"
        raise BadCell(index, reason) from None
    whole_s = int(moment.timestamp()) - _zone_s(match["zone"])
    return whole_s * NS_PER_S + int((match["fraction"] or "0").ljust(9, "0"))
