"""Tables as texts, one description for the terminal, Markdown and HTML, and what sentences and tables share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table of texts. Columns whose index is in `words` hold words and are aligned to the left, the others figures.
    With `has_total` the last row sums up the others. `spare` are the columns that a screen may leave out which has no
    room for all, the first to go first. `names` are the columns of names that people copy: they stay in one line."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: frozenset[int] = frozenset({0})
    has_total: bool = False
    spare: tuple[int, ...] = ()
    names: frozenset[int] = frozenset()

    def spare_rank(self, place: int) -> int:
        """0 for a column that is always shown, else the higher the sooner it may be left out."""
        return len(self.spare) - self.spare.index(place) if place in self.spare else 0

    def known(self) -> Table:
        """The table without the columns of figures of which no row has any."""
        figures = (n for n in range(len(self.heads)) if n not in self.words)
        return self.without(*(n for n in figures if all(row[n] == "-" for row in self.rows)))

    def without(self, *columns: int) -> Table:
        """The table without these columns."""
        kept = [n for n in range(len(self.heads)) if n not in columns]
        words = frozenset(place for place, number in enumerate(kept) if number in self.words)
        rows = tuple(tuple(row[n] for n in kept) for row in self.rows)
        spare = tuple(kept.index(number) for number in self.spare if number in kept)
        names = frozenset(kept.index(number) for number in self.names if number in kept)
        return Table(self.title, tuple(self.heads[n] for n in kept), rows, words, self.has_total, spare, names)

    def markdown(self) -> str:
        """The title and the table in Markdown."""
        sides = tuple(":---" if number in self.words else "---:" for number in range(len(self.heads)))
        lines = [self.heads, sides, *(tuple(cell.replace("|", "\\|") for cell in row) for row in self.rows)]
        return f"{self.title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines)


def joined(parts: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(parts[:-1]), *parts[-1:])))


def number(value: float | None, form: str, none: str = "-") -> str:
    """The value in a format such as `{:.2f}×`; `none` where it is not known."""
    return none if value is None else form.format(value)
