"""Texts of cells -> numbers. BadCell says what is wrong with a cell."""

from __future__ import annotations

from math import isfinite

from sim_core.limits import limits
from traces.time_unit import DECIMALS, NAMES

MAX_INT = 2**63 - 1
MAX_EXACT_FLOAT = 2**53  # beyond it a float no longer tells neighbouring whole numbers apart
# The least values of a trace's whole numbers, and the values of columns that are missing.
LEAST = {"request_id": 0, "application_id": 0, "batch_size": 1, "prompt_tokens": 1, "output_tokens": 1}
DEFAULT = {"application_id": 0, "batch_size": 1}
INEXACT = "is too large to be exact as a fraction; write it as a whole number"
QUOTE_LENGTH = 60  # characters of a value in a message


LATEST_S = 1e11  # the year 5138 in Unix time; a larger number is not in seconds


def too_late(first_s: float, last_s: float) -> str:
    """Why a trace cannot have its first and last arrival at these times; empty if it can."""
    if last_s > LATEST_S:
        reason = f"times start at {first_s:.4g} s" if first_s > LATEST_S else f"{last_s:.16g} s is too late"
        return f"{reason}, beyond the year 5000: say their unit, --time-unit ms (in a run: trace.time_unit=ms)"
    if last_s - first_s > limits().span_s:
        return limits().too_much("span_s", f"{last_s - first_s:,.0f}", "s after the first arrival")
    return ""


class BadCell(Exception):
    """A cell that cannot be used; the text is the reason and quotes the cell."""


def quoted(value: object) -> str:
    """The value as messages show it; a long one is cut."""
    text = repr(value)
    return text if len(text) <= QUOTE_LENGTH else f"{text[:QUOTE_LENGTH]}..."


def seconds(cell: str, unit: str = "s") -> float:
    """A time in `unit` as seconds, the float nearest to it; finite and not negative."""
    value = _float(cell, f"a time in {NAMES[unit]}")
    if value < 0.0:
        raise BadCell(f"{quoted(cell)} is negative; times are {NAMES[unit]} from 0 on")
    if unit == "s":
        return value
    from decimal import Decimal  # only other units need it

    return float(Decimal(cell.strip()).scaleb(-DECIMALS[unit]))


def integer(cell: str, least: int) -> int:
    """A whole number (32.0 is one, too) from `least` on."""
    try:
        number = int(cell) if _plain(cell) else None
    except ValueError:
        number = None
    if number is None:
        value = _float(cell, "a whole number")
        if not value.is_integer():
            raise BadCell(f"{quoted(cell)} is not a whole number")
        if abs(value) > MAX_EXACT_FLOAT:
            raise BadCell(f"{quoted(cell)} {INEXACT}")
        number = int(value)
    if number < least:
        raise BadCell(f"{quoted(cell)} must be {least} or more")
    if number > MAX_INT:
        raise BadCell(f"{quoted(cell)} is too large (at most {MAX_INT})")
    return number


def _float(cell: str, kind: str) -> float:
    if not cell.strip():
        raise BadCell(f"the cell is empty; it must be {kind}")
    try:
        value = float(cell) if _plain(cell) else None
    except ValueError:
        value = None
    if value is None:
        raise BadCell(f"{quoted(cell)} is not {kind}")
    if not isfinite(value):
        raise BadCell(f"{quoted(cell)} is not finite")
    return value


def _plain(cell: str) -> bool:
    # int() and float() also take 1_000 and digits of other scripts: in a data file these are mistakes.
    return cell.isascii() and "_" not in cell
