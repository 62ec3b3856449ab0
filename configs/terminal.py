"""Consoles and tables of all command lines: no word is broken, nothing is cut, no line is longer than the screen.

The width is that of COLUMNS where it is set, else that of the terminal, and 80 where the output is no terminal. A table
that is too wide first continues long cells in further lines, then leaves out columns that may be left out and says so,
then writes each row as a paragraph. Only a single word that is longer than the screen runs over its edge: a name or a
key stays whole, so that it can be copied.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from configs.wrapping import Cell, clean, in_one_line, joined, longest_line, longest_word, wrapped

PLAIN_WIDTH = 80  # characters in a line where neither COLUMNS nor a terminal says it
LEAST_WIDTH, MOST_WIDTH = 20, 10_000
_HEIGHT = 25  # lines; no more than progress bars need
_GAP = "  "  # between columns
_MOST_LINES = 3  # that a cell is continued over before columns are left out


def console(*, error: bool = False) -> Console:
    """Standard output, or the error stream, without colours for numbers, in the width that the module's text says."""
    made = Console(stderr=error, highlight=False, markup=False, emoji=False, width=PLAIN_WIDTH, height=_HEIGHT)
    columns = os.environ.get("COLUMNS", "")
    if columns.isascii() and columns.isdecimal() and len(columns) < 9 and int(columns) > 0:
        made.width = min(max(int(columns), LEAST_WIDTH), MOST_WIDTH)
    elif made.is_terminal:
        with suppress(OSError, ValueError):  # a terminal that does not tell its size
            made.width = max(os.get_terminal_size(made.file.fileno()).columns, LEAST_WIDTH)
    return made


def say(screen: Console, text: Cell, style: str = "") -> None:
    """Print sentences, continued in the next line between words."""
    words = prose(text, screen.width)
    words.stylize(style)
    screen.print(words, soft_wrap=True)


def tell(screen: Console, text: str, style: str = "") -> None:
    """Print a message: on a terminal it is continued between words, elsewhere, as in a log, it stays one line."""
    (say if screen.is_terminal else say_whole)(screen, text, style)


def say_whole(screen: Console, text: Cell, style: str = "") -> None:
    """Print a line that people copy, such as a command: however long it is, it stays one line."""
    line = clean(text)
    line.stylize(style)
    screen.print(line, soft_wrap=True)


def prose(text: Cell, width: int) -> Text:
    """Sentences in lines of at most `width` characters."""
    return joined(wrapped(clean(text), width))


def lines(*parts: Cell) -> Text:
    """A cell with a line for each part, escaped."""
    return joined([clean(part) for part in parts])


@dataclass(frozen=True)
class Column:
    """A column with the cells of all rows. A text is shown in one line, escaped; a rich Text may have lines of its own.

    `right`: figures, aligned to the right. `spare`: columns with a number above 0 may be left out where the screen is
    too narrow, those with the largest number first. `whole`: columns are left out before these cells are continued in
    a further line. `most`: cells that are longer are continued in any case.
    """

    head: Cell
    cells: Sequence[Cell]
    right: bool = False
    spare: int = 0
    whole: bool = False
    most: int = MOST_WIDTH

    @cached_property
    def texts(self) -> list[Text]:
        """The cells, clean of everything that a screen takes for a command."""
        return [clean(cell) for cell in self.cells]

    @cached_property
    def title(self) -> Text:
        """The head, clean as the cells are."""
        return clean(self.head)

    def in_words(self, row: int) -> str:
        """The cell of a row with the head in front of it, in one line."""
        return f"{in_one_line(self.title).plain}: {in_one_line(self.texts[row]).plain}"

    @cached_property
    def narrowest(self) -> int:
        """The width below which a word would break."""
        return max(map(longest_word, (self.title, *self.texts)))

    @cached_property
    def widest_cell(self) -> int:
        """The width in which no cell is continued in a further line, unless it is longer than `most`."""
        longest = max(map(longest_line, self.texts), default=0)
        return max(self.narrowest, min(longest, self.most))

    @cached_property
    def widest(self) -> int:
        """The width in which neither a cell nor the head is continued in a further line."""
        return max(longest_line(self.title), self.widest_cell)

    @cached_property
    def narrow(self) -> int:
        """A width in which no cell takes more than some lines."""
        return max(self.narrowest, math.ceil(self.widest_cell / _MOST_LINES))

    @cached_property
    def wished(self) -> int:
        """The width below which columns are left out first."""
        return self.widest_cell if self.whole else self.narrow


def fits(columns: Sequence[Column], width: int) -> bool:
    """Whether there is room for all columns without continuing a cell or a head in a further line."""
    return room(columns) <= width


def room(columns: Sequence[Column]) -> int:
    """The width in which no cell and no head of a table is continued in a further line."""
    return _total([column.widest for column in columns])


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
    for asked in (attrgetter("wished"), attrgetter("narrow")):
        kept = list(range(len(columns)))
        while _total([asked(columns[place]) for place in kept]) > width and any(columns[p].spare for p in kept):
            kept.remove(max(kept, key=lambda place: (columns[place].spare, place)))
        if _total([asked(columns[place]) for place in kept]) <= width:
            break
    chosen = [columns[place] for place in kept]
    if _total([column.narrowest for column in chosen]) > width:
        return joined(_paragraphs(columns, width))
    drawn = _table(chosen, _widths(chosen, width), ends, dim, gap)
    if left_out := [in_one_line(column.title).plain for place, column in enumerate(columns) if place not in kept]:
        needed = _total([column.wished for column in columns])
        also = f", as does {more}" if more else ""
        note = f"No room for: {', '.join(left_out)}. COLUMNS={needed} or a wider terminal shows all{also}."
        drawn += wrapped(clean(note), width)
    return joined(drawn)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + len(_GAP) * (len(widths) - 1)


def _widths(columns: Sequence[Column], width: int) -> list[int]:
    """The width of each column: all that it asks for, else the least and a part of the room that is left, which goes
    to cells before heads."""
    widest = [column.widest for column in columns]
    if _total(widest) <= width:
        return widest
    least = next(
        (sizes for name in ("wished", "narrow") if _total(sizes := [getattr(c, name) for c in columns]) <= width),
        [column.narrowest for column in columns],
    )
    asked = [max(0, column.widest_cell - low) for column, low in zip(columns, least, strict=True)]
    room = min(width - _total(least), sum(asked))
    return [low + room * more // max(1, sum(asked)) for low, more in zip(least, asked, strict=True)]


def _table(
    columns: Sequence[Column], widths: Sequence[int], ends: Collection[int], dim: Collection[int], gap: int
) -> list[Text]:
    heads = _row([column.title for column in columns], columns, widths, at_bottom=True)
    drawn = [*heads, Text("─" * _total(widths))]
    count = len(columns[0].cells) if columns else 0
    for number in range(count):
        row = _row([column.texts[number] for column in columns], columns, widths)
        if number in dim:
            for line in row:
                line.stylize("dim")
        drawn += row
        if number < count - 1:
            drawn += [Text()] * max(gap, int(number in ends))
    return drawn


def _row(
    cells: Sequence[Text], columns: Sequence[Column], widths: Sequence[int], *, at_bottom: bool = False
) -> list[Text]:
    """The lines of a row; cells of fewer lines stand at the top, or at the bottom."""
    parts_of_cells = [wrapped(cell, width) for cell, width in zip(cells, widths, strict=True)]
    height = max(map(len, parts_of_cells), default=0)
    drawn = [Text() for _ in range(height)]
    for parts, column, width in zip(parts_of_cells, columns, widths, strict=True):
        free = [Text()] * (height - len(parts))
        for line, part in zip(drawn, [*free, *parts] if at_bottom else [*parts, *free], strict=True):
            if column is not columns[0]:
                line.append(_GAP)
            padding = Text(" " * (width - cell_len(part.plain)))
            line.append_text(padding + part if column.right else part + padding)
    for line in drawn:
        line.rstrip()
    return drawn


def _paragraphs(columns: Sequence[Column], width: int) -> list[Text]:
    """Each row as a paragraph, for screens that are too narrow for a table: its first cell, then the others, each with
    its head."""
    drawn: list[Text] = []
    for cells in zip(*(column.texts for column in columns), strict=True):
        drawn += wrapped(in_one_line(cells[0]), width)
        parts = []
        for column, cell in zip(columns[1:], cells[1:], strict=True):
            head = in_one_line(column.title)
            parts.append(Text(": ").join([head, in_one_line(cell)]) if head else in_one_line(cell))
        drawn += [Text("  ") + line for line in wrapped(Text("; ").join(parts), width - 2)]
    return drawn
