"""How far a sweep is: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, RenderableType
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
)
from rich.text import Text

from sweep.tally import Tally, duration_text

_LINE_EVERY_S = 5.0
_WORTH_A_WORD_S = 2.0
_PATIENCE_S = 1.0  # what is over sooner needs no word
_REDRAW_S = 0.1


class ProgressView(Protocol):
    """Shows how far a sweep is, each time it is told that the count has changed."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def update(self) -> None: ...


def make_progress(console: Console, tally: Tally, trouble: Callable[[], str] = str) -> ProgressView:
    """The view of `tally` that suits the console; `trouble` says what is in the way of delivering results, if anything
    is."""
    view = BarProgress if console.is_terminal else LineProgress
    return view(console, tally, trouble)


class Preparation:
    """How many points are prepared, once that takes longer than a second: beside a spinner on a terminal, now and
    then as a line elsewhere. Call it with the points that are ready and how many there will be."""

    def __init__(self, console: Console, doing: str = "preparing points") -> None:
        self._console, self._doing = console, doing
        self._status = console.status("")
        self._shown = False
        self._next_s = 0.0

    def __enter__(self) -> Self:
        self._next_s = time.monotonic() + _PATIENCE_S
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._shown:
            self._status.stop()

    def __call__(self, done: int, total: int) -> None:
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        text = f"{self._doing}: {done} of {total}"
        if not self._console.is_terminal:
            self._console.print(text)
            self._next_s = now_s + _LINE_EVERY_S
            return
        self._status.update(text)
        if not self._shown:
            self._status.start()
            self._shown = True
        self._next_s = now_s + _REDRAW_S


class _Text(ProgressColumn):
    """Asks whenever the bar is drawn: what is told only when a run ends would be old."""

    def __init__(self, text: Callable[[], str]) -> None:
        super().__init__()
        self._text = text

    def render(self, task: Task) -> Text:
        return Text(self._text())


class _Lines(Progress):
    """A bar, and below it lines that are cut where the screen ends."""

    def __init__(self, *columns: ProgressColumn, below: Callable[[], Sequence[str]], console: Console) -> None:
        self._below = below  # before the first drawing, which the next line does
        super().__init__(*columns, console=console, transient=True)

    def get_renderables(self) -> Iterable[RenderableType]:
        yield self.make_tasks_table(self.tasks)
        for line in self._below():
            yield Text(line, no_wrap=True, overflow="ellipsis")


class BarProgress:
    """A bar that redraws itself."""

    def __init__(self, console: Console, tally: Tally, trouble: Callable[[], str] = str) -> None:
        self._tally = tally
        columns = (TextColumn("runs"), BarColumn(bar_width=20), _Text(lambda: counts_text(tally)))
        self._progress = _Lines(*columns, below=lambda: self._below(trouble), console=console)
        self._task = self._progress.add_task("", total=tally.total)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self) -> None:
        """See `ProgressView`."""
        self._progress.update(self._task, completed=self._tally.done)

    def _below(self, trouble: Callable[[], str]) -> list[str]:
        tally = self._tally
        others = (slowest_text(tally), trouble_text(trouble))
        return [f"{tally.speed_text()}, {tally.left_text()}", *(text.lstrip(",; ") for text in others if text)]


class LineProgress:
    """A line every few seconds, and one at the end."""

    def __init__(self, console: Console, tally: Tally, trouble: Callable[[], str] = str) -> None:
        self._console, self._tally, self._trouble = console, tally, trouble
        self._said_s = time.monotonic()

    def __enter__(self) -> Self:
        self._said_s = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put away."""

    def update(self) -> None:
        """See `ProgressView`."""
        tally, now_s = self._tally, time.monotonic()
        if tally.left and now_s - self._said_s < _LINE_EVERY_S:
            return
        self._said_s = now_s
        line = f"runs {counts_text(tally)}, {tally.speed_text()}, {tally.left_text()}{slowest_text(tally)}"
        self._console.print(line + trouble_text(self._trouble), highlight=False, markup=False)


def counts_text(tally: Tally) -> str:
    """`30/240 done, 2 running, 0 failed`."""
    return f"{tally.done}/{tally.total} done, {tally.running} running, {tally.failed} failed"


def slowest_text(tally: Tally) -> str:
    """`, slowest 14 s: baseline-h100 8xH100 conv 32 rps`, where that is long enough to matter."""
    if not tally.slowest or tally.slowest[0][0] < _WORTH_A_WORD_S:
        return ""
    seconds, name = tally.slowest[0]
    return f", slowest {duration_text(seconds)}: {name}"


def trouble_text(trouble: Callable[[], str]) -> str:
    """`; 12 results wait: http://host does not answer`, while that is so."""
    told = trouble()
    return f"; {told}" if told else ""
