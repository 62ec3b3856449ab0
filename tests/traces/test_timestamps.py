"""Times of day, exactly."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from traces.cells import BadCell
from traces.formats.timestamps import nanoseconds, nanoseconds_of
from traces.reading import exact_seconds

moments = st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1))
zones = st.sampled_from(["", "Z", "+00:00", "+05:30", "-08:00"])


def spelt(moment: datetime, digits: int, zone: str, separator: str) -> tuple[str, int]:
    """The text, and its nanoseconds by another way."""
    ns = moment.microsecond * 1000 + 7
    fraction = f"{ns:09}"[:digits]
    text = f"{moment:%Y-%m-%d}{separator}{moment:%H:%M:%S}" + (f".{fraction}" if digits else "") + zone
    sign = -1 if zone.startswith("-") else 1
    offset = timedelta(hours=int(zone[1:3]), minutes=int(zone[4:])) * sign if zone[1:] else timedelta()
    since = moment.replace(microsecond=0, tzinfo=timezone(offset)) - datetime(1970, 1, 1, tzinfo=UTC)
    whole_s = since.days * 86_400 + since.seconds
    return text, whole_s * 10**9 + int(fraction.ljust(9, "0") if digits else "0")


@given(st.lists(st.tuples(moments, st.integers(0, 9), zones, st.sampled_from(" T")), min_size=1, max_size=8))
def test_times_are_exact_in_any_mixture_of_spellings(parts: list[tuple[datetime, int, str, str]]) -> None:
    texts, wanted = zip(*(spelt(*part) for part in parts), strict=True)
    assert list(map(nanoseconds, texts)) == list(wanted)
    column = nanoseconds_of(pa.array(texts))  # a column has zones everywhere or nowhere
    mixed = len({bool(zone) for _, _, zone, _ in parts}) > 1
    assert column is None if mixed else column.tolist() == list(wanted)


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-29 00:00:00",
        "2023-13-01 00:00:00",
        "2023-00-01 00:00:00",
        "2023-01-01 24:00:00",
        "2023-01-01 00:60:00",
        "2023-01-01 00:00:60",
        "2023-01-01 00:00:00.",
        "2023-01-01 00:00:00.1234567890",
        "2023-01-01 00:00:00,5",
        "2023/01/01 00:00:00",
        "2023-01-01 00:00:00 UTC",
        "0001-01-01 00:00:00",
        "9999-01-01 00:00:00",
        "1700000000",
        "２０２３-01-01 00:00:00",
        "",
        "x",
    ],
)
def test_what_is_no_time_is_refused_alone_and_among_others(text: str) -> None:
    with pytest.raises(BadCell):
        nanoseconds(text)
    for good in ("2023-01-01 00:00:00.5", "2023-01-01 00:00:00"):
        assert nanoseconds_of(pa.array([good, text, good])) is None


def test_a_leap_day_is_a_day() -> None:
    first, second = map(nanoseconds, ["2024-02-29 00:00:00", "2024-03-01 00:00:00"])
    assert second - first == 86_400 * 10**9


@given(st.lists(st.integers(0, 2**63 - 1), min_size=1))
def test_seconds_are_the_nearest_floats(elapsed_ns: list[int]) -> None:
    seconds = exact_seconds(np.array(elapsed_ns, np.int64)).tolist()
    assert seconds == [float(Fraction(ns, 10**9)) for ns in elapsed_ns]
