"""The layout that all tables of the command line have."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

PLAIN_WIDTH = 160  # characters in a line of output that goes to a file or a pipe


@dataclass(frozen=True)
class Column:
    """A column with the cells of all rows. `width`: longer cells continue in the next line; None: they never do."""

    header: str
    cells: Sequence[str | Text]
    right: bool = False
    width: int | None = None


def table_of(
    columns: Sequence[Column], *, ends: Collection[int] = (), dim: Collection[int] = (), gap: int = 0
) -> Table:
    """The columns side by side. A section ends after each row in `ends`, rows in `dim` are dim, `gap` lines are free
    between rows; rows are counted from 0."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0, leading=gap)
    for column in columns:
        wrapping = {"no_wrap": column.width is None, "max_width": column.width, "overflow": "fold"}
        table.add_column(column.header, justify="right" if column.right else "left", **wrapping)  # type: ignore[arg-type]
    for number, cells in enumerate(zip(*(column.cells for column in columns), strict=True)):
        table.add_row(*cells, end_section=number in ends, style="dim" if number in dim else "")
    return table


def table_of_rows(headers: str, rows: Sequence[Sequence[str]], widths: dict[str, int]) -> Table:
    """A table of texts. `headers` is separated by `|`; columns with a width are aligned left, the others right."""
    names = headers.split("|")
    cells = zip(*rows, strict=True) if rows else [()] * len(names)
    return table_of(
        [Column(name, values, name not in widths, widths.get(name)) for name, values in zip(names, cells, strict=True)]
    )


def output_console() -> Console:
    """Standard output; where it is no terminal, wide enough for the tables."""
    console = Console(highlight=False, soft_wrap=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)
