"""Texts in lines of a given width: signs that a screen takes for commands are escaped, and no word is broken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias

from rich.cells import cell_len
from rich.text import Text

from sim_core.errors import shown

Cell: TypeAlias = str | Text  # a text is escaped and in one line; a rich Text may have line breaks of its own


def in_one_line(text: Text) -> Text:
    """The lines of a text beside each other."""
    return Text(" ").join(line for line in text.split("\n") if line.plain.strip())


def clean(cell: Cell) -> Text:
    """The cell as a Text of its own, which has no sign but those that a screen shows, and line breaks of ours."""
    if isinstance(cell, str):
        return Text(shown(cell))
    if cell.plain.replace("\n", "").isprintable():
        return cell.copy()
    return Text("\n".join(map(shown, cell.plain.split("\n"))), style=cell.style)


def wrapped(text: Text, width: int) -> list[Text]:
    """The lines of a text, continued between words; a word that is longer than `width` has a line of its own."""
    drawn: list[Text] = []
    for line in text.split("\n", allow_blank=True):
        breaks, start, used = [], 0, 0
        for word in _words(line.plain):
            if used and used + cell_len(word.rstrip(" ")) > width:
                breaks.append(start)
                used = 0
            used += cell_len(word)
            start += len(word)
        drawn += line.divide(breaks)
    for line in drawn:
        line.rstrip()
    return drawn


def _words(line: str) -> Iterator[str]:
    """The words, each with the spaces behind it; spaces in front belong to the first."""
    start = end = 0
    while end < len(line):
        while end < len(line) and line[end] == " ":
            end += 1
        while end < len(line) and line[end] != " ":
            end += 1
        while end < len(line) and line[end] == " ":
            end += 1
        yield line[start:end]
        start = end


def longest_line(text: Text) -> int:
    """The width of the longest line."""
    return max(map(cell_len, text.plain.split("\n")))


def longest_word(text: Text) -> int:
    """The width of the longest word."""
    return max((cell_len(word) for word in text.plain.split()), default=0)


def joined(drawn: Sequence[Text]) -> Text:
    """The lines as one text."""
    return Text("\n").join(drawn)
