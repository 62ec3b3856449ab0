"""Texts of cells -> numbers: all at once where possible, one by one only to find the wrong one."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import isfinite
from typing import TypeVar

from traces.time_unit import DECIMALS, NAMES

MAX_INT = 2**63 - 1
MAX_EXACT_FLOAT = 2**53  # beyond it a float no longer tells neighbouring whole numbers apart
# The least values of a trace's whole numbers, and the values of columns that are missing.
LEAST = {"request_id": 0, "application_id": 0, "batch_size": 1, "prompt_tokens": 1, "output_tokens": 1}
DEFAULT = {"application_id": 0, "batch_size": 1}
INEXACT = "is too large to be exact as a fraction; write it as a whole number"
QUOTE_LENGTH = 60  # characters of a value in a message
Number = TypeVar("Number", int, float)


class BadCell(Exception):
    """`index` is the cell's place from 0 on; `reason` quotes the cell."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index, self.reason = index, reason


def quoted(value: object) -> str:
    """The value as messages show it; a long one is cut."""
    text = repr(value)
    return text if len(text) <= QUOTE_LENGTH else f"{text[:QUOTE_LENGTH]}..."


def integers(cells: Sequence[str], least: int) -> array[int]:
    """Whole numbers (32.0 is one, too) from `least` on. BadCell otherwise."""
    if _plain(cells):
        try:
            numbers = array("q", map(int, cells))
        except (ValueError, OverflowError):
            pass
        else:
            if min(numbers, default=least) >= least:
                return numbers
    return array("q", _one_by_one(cells, lambda cell: _integer(cell, least)))


def times(cells: Sequence[str], unit: str = "s") -> array[float]:
    """Times in `unit` as seconds, each the float nearest to it; finite and not negative. BadCell otherwise."""
    if unit != "s":
        from decimal import Decimal  # only other units need it

        def seconds(cell: str) -> float:
            _time(cell, unit)
            return float(Decimal(cell.strip()).scaleb(-DECIMALS[unit]))

        return array("d", _one_by_one(cells, seconds))
    if _plain(cells):
        try:
            numbers = array("d", map(float, cells))
        except ValueError:
            pass
        else:
            # The sum is finite only if each is; a sum that overflows is sorted out cell by cell.
            if isfinite(sum(numbers)) and min(numbers, default=0.0) >= 0.0:
                return numbers
    return array("d", _one_by_one(cells, partial(_time, unit=unit)))


def _plain(cells: Sequence[str]) -> bool:
    # int() and float() also take 1_000 and digits of other scripts: in a data file these are mistakes.
    text = "".join(cells)
    return text.isascii() and "_" not in text


def _one_by_one(cells: Sequence[str], convert: Callable[[str], Number]) -> Iterator[Number]:
    for index, cell in enumerate(cells):
        try:
            yield convert(cell)
        except ValueError as error:
            raise BadCell(index, str(error)) from None


def _float(cell: str, kind: str) -> float:
    if not cell.strip():
        raise ValueError(f"the cell is empty; it must be {kind}")
    try:
        value = float(cell) if _plain(cell) else None
    except ValueError:
        value = None
    if value is None:
        raise ValueError(f"{quoted(cell)} is not {kind}")
    if not isfinite(value):
        raise ValueError(f"{quoted(cell)} is not finite")
    return value


def _time(cell: str, unit: str) -> float:
    value = _float(cell, f"a time in {NAMES[unit]}")
    if value < 0.0:
        raise ValueError(f"{quoted(cell)} is negative; times are {NAMES[unit]} from 0 on")
    return value


def _integer(cell: str, least: int) -> int:
    try:
        number = int(cell) if _plain(cell) else None
    except ValueError:
        number = None
    if number is None:
        value = _float(cell, "a whole number")
        if not value.is_integer():
            raise ValueError(f"{quoted(cell)} is not a whole number")
        if abs(value) > MAX_EXACT_FLOAT:
            raise ValueError(f"{quoted(cell)} {INEXACT}")
        number = int(value)
    if number < least:
        raise ValueError(f"{quoted(cell)} must be {least} or more")
    if number > MAX_INT:
        raise ValueError(f"{quoted(cell)} is too large (at most {MAX_INT})")
    return number
