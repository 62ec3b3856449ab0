"""Tables on the terminal."""

from __future__ import annotations

from rich import box
from rich.markup import escape
from rich.table import Table as RichTable

from sync.analysis.texts import Table


def rich_table(table: Table) -> RichTable:
    """The table without its title, as rich draws it: words to the left, figures to the right."""
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, head in enumerate(table.heads):
        drawn.add_column(escape(head), justify="left" if number in table.words else "right", overflow="fold")
    for number, row in enumerate(table.rows, 1):
        drawn.add_row(*map(escape, row), end_section=table.has_total and number == len(table.rows) - 1)
    return drawn
