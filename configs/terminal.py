"""Consoles and tables of all command lines: no word is broken, nothing is cut, no line is longer than the screen.

The width is that of COLUMNS where it is set, else that of the terminal, and 80 where the output is no terminal. A table
that is too wide first continues long cells in further lines, then leaves out columns that may be left out and says so,
then writes each row as a paragraph. Only a single word that is longer than the screen runs over its edge: a name or a
key stays whole, so that it can be copied.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from sim_core.errors import shown

PLAIN_WIDTH = 80  # characters in a line where neither COLUMNS nor a terminal says it
LEAST_WIDTH, MOST_WIDTH = 20, 10_000
_GAP = "  "  # between columns
_MOST_LINES = 3  # that a cell is continued over before columns are left out
_UNKNOWN = "-"

Cell: TypeAlias = str | Text


def console(*, error: bool = False) -> Console:
    """Standard output, or the error stream, without colours for numbers, in the width that the module's text says."""
    made = Console(stderr=error, highlight=False, markup=False, emoji=False)
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdecimal() and len(columns) < 9 and int(columns) > 0:
        made.width = min(max(int(columns), LEAST_WIDTH), MOST_WIDTH)
    elif not made.is_terminal:
        made.width = PLAIN_WIDTH
    return made


def say(screen: Console, text: Cell, style: str = "") -> None:
    """Print sentences, continued in the next line between words."""
    words = _clean(text)
    words.stylize(style)
    screen.print(_joined(_wrapped(words, screen.width)), soft_wrap=True)


def say_whole(screen: Console, text: Cell, style: str = "") -> None:
    """Print a line that people copy, such as a command: however long it is, it stays one line."""
    line = _clean(text)
    line.stylize(style)
    screen.print(line, soft_wrap=True)


def figure(value: float | None, unit: str = "") -> str:
    """A measured number with three significant digits, in plain notation: `0.0123`, `12.3`, `1,234`; `-` for None and
    NaN. `unit` follows a number."""
    if value is None or math.isnan(value):
        return _UNKNOWN
    if math.isinf(value) or value == 0.0:
        return f"{value:g}{unit}"
    rounded = float(f"{value:.3g}")
    if abs(rounded) >= 100.0:
        return f"{value:,.0f}{unit}"
    places = 2 - math.floor(math.log10(abs(rounded)))
    return f"{value:.{places}f}{unit}" if places <= 6 else f"{value:.3g}{unit}"


@dataclass(frozen=True)
class Column:
    """A column with the cells of all rows. A text is shown in one line, escaped; a rich Text may have lines of its own.

    `right`: figures, aligned to the right. `whole`: its cells are never continued in a further line. `spare`: columns
    with a number above 0 may be left out where the screen is too narrow, those with the largest number first.
    """

    head: str
    cells: Sequence[Cell]
    right: bool = False
    whole: bool = False
    spare: int = 0

    @cached_property
    def texts(self) -> list[Text]:
        """The cells, clean of everything that a screen takes for a command."""
        return [_clean(cell) for cell in self.cells]

    @cached_property
    def widest_cell(self) -> int:
        """The width in which no cell is continued in a further line."""
        return max(map(_longest_line, self.texts), default=0)

    @cached_property
    def widest(self) -> int:
        """The width in which neither a cell nor the head is continued in a further line."""
        return max(_longest_line(_clean(self.head)), self.widest_cell)

    @cached_property
    def narrowest(self) -> int:
        """The width below which a word would break."""
        cells = map(_longest_line if self.whole else _longest_word, self.texts)
        return max([_longest_word(_clean(self.head)), *cells])

    @cached_property
    def narrow(self) -> int:
        """A width in which no cell takes more than some lines."""
        return max(self.narrowest, math.ceil(self.widest_cell / _MOST_LINES))


def draw(
    columns: Sequence[Column],
    width: int,
    *,
    ends: Collection[int] = (),
    dim: Collection[int] = (),
    gap: int = 0,
    more: str = "",
) -> Text:
    """The columns side by side, as lines of at most `width` characters, with a line that names the columns for which
    there is no room. Rows count from 0: a line is free after those in `ends`, those in `dim` are dim, and `gap` lines
    are free between all. `more` says where the columns that were left out are to be had, too, as `--format csv`."""
    kept = list(range(len(columns)))
    while _total([columns[place].narrow for place in kept]) > width and any(columns[place].spare for place in kept):
        kept.remove(max(kept, key=lambda place: (columns[place].spare, place)))
    chosen = [columns[place] for place in kept]
    if _total([column.narrowest for column in chosen]) > width:
        return _joined(_paragraphs(columns, width))
    lines = _table(chosen, _widths(chosen, width), ends, dim, gap)
    left_out = [column.head for place, column in enumerate(columns) if place not in kept]
    if left_out:
        needed = _total([column.narrow for column in columns])
        also = f", as does {more}" if more else ""
        note = f"No room for: {', '.join(left_out)}. COLUMNS={needed} or a wider terminal shows all{also}."
        lines = [*lines, *_wrapped(_clean(note), width)]
    return _joined(lines)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """The width of each column: all that it asks for, else the least and a part of the room that is left, which goes
    to cells before heads."""
    widest = [column.widest for column in columns]
    if _total(widest) <= width:
        return widest
    least = [column.narrow for column in columns]
    if _total(least) > width:
        least = [column.narrowest for column in columns]
    asked = [max(0, column.widest_cell - low) for column, low in zip(columns, least, strict=True)]
    room = min(width - _total(least), sum(asked))
    return [low + room * more // max(1, sum(asked)) for low, more in zip(least, asked, strict=True)]


def _table(
    columns: Sequence[Column], widths: Sequence[int], ends: Collection[int], dim: Collection[int], gap: int
) -> list[Text]:
    heads = [_clean(column.head) for column in columns]
    lines = [*_row(heads, columns, widths, at_bottom=True), Text("─" * _total(widths))]
    count = len(columns[0].cells) if columns else 0
    for number in range(count):
        row = _row([column.texts[number] for column in columns], columns, widths)
        if number in dim:
            for line in row:
                line.stylize("dim")
        lines += row
        if number < count - 1:
            lines += [Text()] * max(gap, int(number in ends))
    return lines


def _row(
    cells: Sequence[Text], columns: Sequence[Column], widths: Sequence[int], *, at_bottom: bool = False
) -> list[Text]:
    """The lines of a row; cells of fewer lines stand at the top, or at the bottom."""
    wrapped = [_wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
    height = max(map(len, wrapped), default=0)
    lines = [Text() for _ in range(height)]
    for parts, column, width in zip(wrapped, columns, widths, strict=True):
        free = [Text()] * (height - len(parts))
        for line, part in zip(lines, [*free, *parts] if at_bottom else [*parts, *free], strict=True):
            if column is not columns[0]:
                line.append(_GAP)
            padding = " " * (width - cell_len(part.plain))
            line.append_text(Text(padding) + part if column.right else part + padding)
    for line in lines:
        line.rstrip()
    return lines


def _paragraphs(columns: Sequence[Column], width: int) -> list[Text]:
    """Each row as a paragraph, for screens that are too narrow for a table: its first cell, then the others, each with
    its head."""
    lines: list[Text] = []
    for cells in zip(*(column.texts for column in columns), strict=True):
        lines += _wrapped(_in_one_line(cells[0]), width)
        rest = [Text(f"{shown(column.head)}: ").append_text(_in_one_line(cell)) if column.head else _in_one_line(cell)
                for column, cell in zip(columns[1:], cells[1:], strict=True)]  # fmt: skip
        lines += [Text("  ") + line for line in _wrapped(Text("; ").join(rest), width - 2)]
    return lines


def _in_one_line(text: Text) -> Text:
    return Text(", ").join(line for line in text.split("\n") if line.plain.strip())


def _clean(cell: Cell) -> Text:
    """The cell as a Text of its own, which has no sign but those that a screen shows, and line breaks of ours."""
    if isinstance(cell, str):
        return Text(shown(cell))
    if cell.plain.replace("\n", "").isprintable():
        return cell.copy()
    return Text("\n".join(map(shown, cell.plain.split("\n"))), style=cell.style)


def _wrapped(text: Text, width: int) -> list[Text]:
    """The lines of a text, continued between words; a word that is longer than `width` has a line of its own."""
    lines: list[Text] = []
    for line in text.split("\n", allow_blank=True):
        if cell_len(line.plain) <= width:
            lines.append(line)
            continue
        breaks, start, used = [], 0, 0
        for word in _words(line.plain):
            size = cell_len(word.rstrip(" "))
            if used and used + size > width:
                breaks.append(start)
                used = 0
            used += cell_len(word)
            start += len(word)
        for part in line.divide(breaks):
            part.rstrip()
            lines.append(part)
    return lines


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


def _longest_line(text: Text) -> int:
    return max(map(cell_len, text.plain.split("\n")))


def _longest_word(text: Text) -> int:
    return max((cell_len(word) for word in text.plain.split()), default=0)


def _joined(lines: Sequence[Text]) -> Text:
    return Text("\n").join(lines)
