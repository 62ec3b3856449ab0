"""Times of day as text -> whole nanoseconds: exact, so that equal instants are equal, and fast."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from traces.cells import BadCell
from traces.formats.base import NS_PER_S

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
    result = np.empty(len(cells), np.int64)
    lengths = np.fromiter(map(len, cells), np.int64, len(cells))
    for length in set(lengths.tolist()):
        places = np.flatnonzero(lengths == length)
        alike = list(cells) if len(places) == len(cells) else [cells[int(place)] for place in places]
        fast = _alike(alike, int(length))
        result[places] = [_one(cell, int(p)) for cell, p in zip(alike, places, strict=True)] if fast is None else fast
    return result


def _alike(cells: list[str], length: int) -> Any:
    """All of one length and layout, the first one's; None if they are not, or not times."""
    match = _TIME.fullmatch(cells[0])
    text = "".join(cells)
    if match is None or not text.isascii():
        return None
    letters = np.frombuffer(text.encode(), np.uint8).reshape(-1, length)
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
