"""Checks of the values in files of results, which may come from anybody: types, ranges, forms and known names.

Each check takes the key of a value and the value, and raises `BadField`, which names both and says what is expected.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from functools import lru_cache
from math import inf, nan
from typing import Any

from sim_core.errors import SpecError, choices, shown

Check = Callable[[str, object], object]

MOST_COUNT = 2**53  # every whole number up to here is a float, too
MOST_S = 1e12  # 30,000 years: no simulated or measured time is longer
MOST_FIGURE = 1e18  # of any other figure
LEAST_S = -1e-6  # rounding may put the end of a time before its beginning
MOST_TEXT = 1 << 20  # characters of a text
MOST_NAME = 10_000  # characters of a name, which may be made of several values
_MOST_FIGURES = 10_000  # of one summary
NON_FINITE = {"nan": nan, "inf": inf, "-inf": -inf}  # as JSON holds them
_COUNTS = (
    *("run/completed", "run/rejected", "run/unfinished", "run/events", "run/not_arrived"),
    *("run/standstill_requests", "measured/iterations_beyond"),
    *(f"cache/{name}_tokens" for name in ("prompt", "hit", "bound", "recomputed")),
    *("cache/evicted_blocks", "cache/preemptions"),
)
_COMMANDS = (["python", "-m", "sweep"], ["python", "-m", "sim_core"])
_SHARE = re.compile(
    r"goodput/(\w+_)?attainment|utilisation/.+|memory/peak_fraction|links/busiest_share|cache/\w+_rate|provenance/\w+"
)
_OF_AN_APPLICATION = re.compile(r"application_\d+/")
_PERCENTILES = tuple(
    (f"{metric}/{lower}_{unit}", f"{metric}/{higher}_{unit}")
    for metric in ("ttft", "tbt", "e2e")
    for unit in ("s", "slowdown")
    for lower, higher in (("p50", "p90"), ("p90", "p99"))
)
_MOST_SHARE = 1.01  # rounding, and the shares that former versions counted otherwise


class BadField(SpecError, ValueError):
    """A value in a file of results is not what is written there."""


def whole(low: int, high: int) -> Check:
    """A whole number from `low` to `high`."""

    def check(key: str, value: object) -> None:
        if type(value) is not int or not low <= value <= high:
            raise BadField(f"must be a whole number from {low:,} to {high:,}", key=key, value=_told(value))

    return check


def number(low: float, high: float) -> Check:
    """A finite number from `low` to `high`."""

    def check(key: str, value: object) -> None:
        if type(value) not in (int, float) or not low <= value <= high:  # type: ignore[operator]
            raise BadField(f"must be a number from {low:g} to {high:g}", key=key, value=_told(value))

    return check


def truth(key: str, value: object) -> None:
    """True or False."""
    if type(value) is not bool:
        raise BadField("must be true or false", key=key, value=_told(value))


def text(least: int = 0, most: int = MOST_TEXT) -> Check:
    """A text of `least` to `most` characters."""

    def check(key: str, value: object) -> None:
        if type(value) is not str:
            raise BadField("must be a text", key=key, value=_told(value))
        if not least <= len(value) <= most:
            raise BadField(f"must have {least:,} to {most:,} characters, not {len(value):,}", key=key)
        if not value.isprintable() and not _can_be_shown(value):
            raise BadField("holds a character that no text has (a zero byte, or half of a pair)", key=key)

    return check


def form(pattern: str, what: str) -> Check:
    """A text of the form of a regular expression; `what` describes it."""
    expression = re.compile(pattern, re.DOTALL)

    def check(key: str, value: object) -> None:
        if type(value) is not str or not expression.fullmatch(value):
            raise BadField(f"must be {what}", key=key, value=_told(value))

    return check


def one_of(*names: str) -> Check:
    """One of the names."""

    def check(key: str, value: object) -> None:
        if value not in names:
            raise BadField(f"unknown{choices(value, names)}", key=key, value=_told(value))

    return check


def optional(check: Check) -> Check:
    """None, or what `check` lets pass."""
    return lambda key, value: None if value is None else check(key, value)


def each(item: Check) -> Check:
    """A list whose items pass `item`."""

    def check(key: str, value: object) -> None:
        if type(value) is not list and type(value) is not tuple:
            raise BadField("must be a list", key=key, value=_told(value))
        parts: Iterable[object] = value
        place = 0
        try:
            for part in parts:
                item("", part)
                place += 1
        except BadField as error:
            raise _within(f"{key}[{place}]", error) from error

    return check


def mapping(name: Check, item: Check) -> Check:
    """`name: value` pairs whose names pass `name`, and whose values pass `item`."""

    def check(key: str, value: object) -> None:
        for own, part in pairs(key, value):
            try:
                name("", own)
                item("", part)
            except BadField as error:
                raise _within(f"{key}.{own}" if key else str(own), error) from error

    return check


def _within(place: str, error: BadField) -> BadField:
    """The error at a place that was not worked out before: that would take more time than the check itself."""
    inside = error.key.lstrip(".")
    dot = "." if inside and not inside.startswith("[") else ""
    return BadField(error.reason, key=f"{place}{dot}{inside}", value=error.value)


def pairs(key: str, value: object) -> Iterable[tuple[Any, Any]]:
    """The pairs of a mapping. Raises BadField for anything else."""
    if type(value) is not dict and not isinstance(value, Mapping):
        raise BadField("must be `name: value` pairs", key=key, value=_told(value))
    return value.items()


def moment(key: str, value: object) -> None:
    """A time in ISO 8601 since 1970, or an empty text."""
    try:
        if value == "" or (type(value) is str and datetime.fromisoformat(value).year >= 1970):
            return
    except ValueError:
        pass
    raise BadField("must be a time such as 2026-01-31T12:00:00+00:00", key=key, value=_told(value))


def command(key: str, value: object) -> None:
    """A command line of this project, or an empty text: readers see it beside the words "how it was made"."""
    _any_text(key, value)
    try:
        words = shlex.split(str(value))
    except ValueError as error:
        raise BadField(f"is no command line: {error}", key=key, value=value) from error
    if not any(words[:3] == own[: len(words)] for own in _COMMANDS):
        raise BadField("must be a command of this project, `python -m sweep ...`", key=key, value=value)


def plain(key: str, value: object) -> None:
    """A text, a finite number, a truth value or nothing, or a list or mapping of these."""
    if value is None or type(value) is bool:
        return
    if type(value) is str:
        _any_text(key, value)
    elif type(value) in (int, float):
        _any_number(key, value)
    elif isinstance(value, list | tuple):
        _any_list(key, value)
    else:
        _any_mapping(key, value)


def scalar(key: str, value: object) -> None:
    """A text, a finite number, a truth value or nothing."""
    if isinstance(value, list | tuple | dict):
        raise BadField("must be a single value", key=key, value=_told(value))
    plain(key, value)


def figures(key: str, values: object) -> dict[str, float]:
    """The figures of a run by name as numbers, each within the range that its name has; those of a verdict, which
    former versions kept, are left out."""
    found: dict[str, float] = {}
    for name, value in pairs(key, values):
        low, high, is_count = _range(name)
        if type(value) is float and low <= value <= high and not (is_count and value % 1):
            found[name] = value
        elif name[:4] != "slo/":
            found[name] = _figure(f"{key}.{name}", value, low, high, is_count)
    if len(found) > _MOST_FIGURES:
        raise BadField(f"has {len(found):,} figures, more than {_MOST_FIGURES:,}", key=key)
    _check_order(key, found)
    return found


def check_fields(values: object, checks: Mapping[str, Check], *, may_have_others: bool = False) -> None:
    """Check each of the values by its name. Raises BadField, also for a name without a check."""
    for name, value in pairs("it", values):
        check = checks.get(name)
        if check is not None:
            check(name, value)
        elif not may_have_others:
            raise BadField(f"unknown field{choices(name, checks)}", key=shown(name))


def _figure(key: str, value: object, low: float, high: float, is_count: bool) -> float:
    """A figure that is a whole number, or `nan`, `inf` or `-inf`, which no count is. Raises BadField for another."""
    if type(value) is int and low <= value <= high:
        return float(value)
    if not is_count and type(value) is str and value in NON_FINITE and _may_be(value, key, low, high):
        return NON_FINITE[value]
    what = f"a count, up to {high:,}" if is_count else f"a number from {low:g} to {high:g}"
    raise BadField(f"must be {what}", key=key, value=_told(value))


def _may_be(value: str, key: str, low: float, high: float) -> bool:
    """Whether a figure can be `nan` (of no requests), `inf` or `-inf`; those of the run itself are always known."""
    if key.startswith("summary.run/"):
        return False
    return value == "nan" or (high > _MOST_SHARE if value == "inf" else low < LEAST_S)


def _check_order(key: str, found: Mapping[str, float]) -> None:
    """Raise BadField where a percentile is below one of fewer requests."""
    for lower, higher in _PERCENTILES:
        if found.get(higher, inf) < found.get(lower, -inf) * (1 - 1e-9) - 1e-9:  # rounding may part equal ones
            raise BadField(f"is below {lower}={found[lower]:g}", key=f"{key}.{higher}", value=found[higher])


@lru_cache(maxsize=4096)
def _range(name: str) -> tuple[float, float, bool]:
    """The least and the largest value of the figure of a name, and whether it is a count."""
    _any_name("a name in summary", name)
    name = _OF_AN_APPLICATION.sub("", name, count=1)
    if name.startswith("slo/"):
        return inf, -inf, False  # of a verdict: no figure, `figures` leaves it out
    if name in _COUNTS:
        return 0, MOST_COUNT, True
    if name == "run/stable":
        return 0, 1, True
    if _SHARE.fullmatch(name):
        return 0.0, _MOST_SHARE, False
    if name.endswith("_s") and not name.endswith("_per_s"):
        return LEAST_S, MOST_S, False
    if name.startswith(("throughput/", "goodput/", "batch/")) or name.endswith("_slowdown"):
        return LEAST_S, MOST_FIGURE, False
    return -MOST_FIGURE, MOST_FIGURE, False  # such as run/backlog_growth_per_s


def _can_be_shown(value: str) -> bool:
    """Whether the text has neither a zero byte nor half of a surrogate pair, which cannot be written as UTF-8."""
    if "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _told(value: object) -> object:
    """The value as a message can show it; a missing value is None, which would be left out."""
    return _Null() if value is None else value


class _Null:
    def __repr__(self) -> str:
        return "null"


_any_text, _any_name = text(), text(1, MOST_NAME)
_any_number = number(-MOST_FIGURE, MOST_FIGURE)
_any_list, _any_mapping = each(plain), mapping(_any_name, plain)
