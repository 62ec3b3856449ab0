"""Texts in CSV files, so that a spreadsheet shows a text that comes from a file and does not run it as a formula."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim_core.errors import one_line

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = frozenset("=+-@\t\r\n＝＋－＠")  # the last four are the wide forms, which some spreadsheets take as well
_QUOTE = "'"  # in front of a cell: what follows is text


def cell(value: object) -> object:
    """The value as a cell: a text that begins as a formula does has a quote in front of it, and signs that a screen
    takes for commands are escaped; a number stays a number, also one that is written as a text."""
    if not isinstance(value, str) or (value.isascii() and value.isalnum()) or not value:
        return value
    text = "\n".join(one_line(line, len(line)) for line in value.split("\n"))
    return f"{_QUOTE}{text}" if value[0] in _FORMULA and not _is_number(value) else text


def safe_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """The table with each text, also in its head, as a `cell`."""
    safe = frame.rename(columns=cell)
    for place, kind in enumerate(frame.dtypes):
        if kind.kind in "OTU":  # columns that may hold texts
            safe.isetitem(place, [cell(value) for value in frame.iloc[:, place]])
    return safe


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.strip() == text
