"""Shows how far a sweep is: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Self, TypeVar

from rich.console import Console, Group
from rich.live import Live
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sim_core.errors import shown
from sweep.tally import Tally, duration_text

T = TypeVar("T")

_LINE_EVERY_S = 5.0
_WORTH_A_WORD_S = 2.0  # the slowest point is named if it took this long
_PATIENCE_S = 1.0  # a preparation that ends sooner is not shown


class ProgressView:
    """Shows `tally` while entered. `trouble` tells why results cannot be delivered, and is empty if they can."""

    def __init__(self, console: Console, tally: Tally, trouble: Callable[[], str] = str) -> None:
        self._console, self._tally, self._trouble = console, tally, trouble
        self._printed_s = time.monotonic()
        self._live: Live | None = None  # draws anew several times a second: times go on between two outcomes
        if console.is_terminal:
            self._live = Live(console=console, transient=True, get_renderable=self._drawing)

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._live:
            self._live.stop()

    def update(self) -> None:
        """Call this when the tally has changed: without a terminal it prints a line if the last one is old enough."""
        now_s = time.monotonic()
        if self._live is None and (self._tally.has_ended or now_s - self._printed_s >= _LINE_EVERY_S):
            self._printed_s = now_s
            self._console.print(f"runs {', '.join(self._parts())}", highlight=False, markup=False)

    def _parts(self) -> list[str]:
        tally = self._tally
        parts = [shown(part) for part in tally.parts()]
        if tally.slowest and tally.slowest[0][0] >= _WORTH_A_WORD_S:
            seconds, name = tally.slowest[0]
            parts.append(f"slowest {duration_text(seconds)}: {shown(name)}")
        return [*parts, shown(trouble)] if (trouble := self._trouble()) else parts

    def _drawing(self) -> Group:
        """A bar with the counts, and below it one line for each other part, cut where the screen ends."""
        counts, *others = self._parts()
        bar = Table.grid(padding=(0, 1))
        bar.add_row("runs", ProgressBar(self._tally.total, self._tally.done, width=20), counts)
        return Group(bar, *(Text(part, no_wrap=True, overflow="ellipsis") for part in others))


class Preparation:
    """Shows how many items are ready, if that takes long: a spinner on a terminal, a line every few seconds elsewhere.

    Iterate with `over`, or call it with the number of items that are ready and the number of all.
    """

    def __init__(self, console: Console, doing: str = "preparing points") -> None:
        self._console, self._doing = console, doing
        columns = (SpinnerColumn(), TextColumn(f"{doing}:"), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._bar.add_task(doing, total=None)
        self._show_s = float("inf")

    def __enter__(self) -> Self:
        self._show_s = time.monotonic() + (_PATIENCE_S if self._console.is_terminal else _LINE_EVERY_S)
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar.live.is_started:
            self._bar.stop()

    def over(self, items: Sequence[T]) -> Iterator[T]:
        """The items, each shown as ready when the next one is asked for."""
        for ready, item in enumerate(items):
            self(ready, len(items))
            yield item

    def __call__(self, ready: int, total: int) -> None:
        now_s = time.monotonic()
        if self._console.is_terminal:
            self._bar.update(self._task, completed=ready, total=total)
            if now_s >= self._show_s:
                self._bar.start()
        elif now_s >= self._show_s:
            self._show_s = now_s + _LINE_EVERY_S
            self._console.print(f"{self._doing}: {ready} of {total}")
