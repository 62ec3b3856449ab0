"""How far a sweep is: a bar on a terminal, now and then a line elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

_LINE_EVERY_S = 5.0
_PATIENCE_S = 1.0  # what is over sooner needs no word
_REDRAW_S = 0.1


class ProgressView(Protocol):
    """Shows counts. `failed` is a part of `done`."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def update(self, done: int, failed: int) -> None: ...


def make_progress(console: Console, total: int, running: Callable[[], int]) -> ProgressView:
    """The view that suits the console; `total` counts the points to run, `running` those under way just now."""
    return BarProgress(console, total, running) if console.is_terminal else LineProgress(console, total, running)


def rate_text(runs: int, seconds: float) -> str:
    """`2.4 runs/s`, or a minute's where that reads better."""
    if runs == 0 or seconds <= 0:
        return "- runs/s"
    per_s = runs / seconds
    return f"{per_s:.1f} runs/s" if per_s >= 1 else f"{per_s * 60:.1f} runs/min"


class Preparation:
    """How many points are prepared, once that takes longer than a second: beside a spinner on a terminal, now and
    then as a line elsewhere. Call it with the points that are ready and how many there will be."""

    def __init__(self, console: Console) -> None:
        self._console = console
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
        text = f"preparing points: {done} of {total}"
        if not self._console.is_terminal:
            self._console.print(text)
            self._next_s = now_s + _LINE_EVERY_S
            return
        self._status.update(text)
        if not self._shown:
            self._status.start()
            self._shown = True
        self._next_s = now_s + _REDRAW_S


class _Running(ProgressColumn):
    """Asks whenever the bar is drawn: a number that is told only when a run ends would be an old one."""

    def __init__(self, running: Callable[[], int]) -> None:
        super().__init__()
        self._running = running

    def render(self, task: Task) -> Text:
        return Text(f"{self._running()} running")


class BarProgress:
    """A bar that redraws itself."""

    def __init__(self, console: Console, total: int, running: Callable[[], int]) -> None:
        self._progress = Progress(
            TextColumn("runs"),
            BarColumn(),
            MofNCompleteColumn(),
            _Running(running),
            TextColumn("{task.fields[failed]} failed"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("", total=total, failed=0, rate=rate_text(0, 0))
        self._start_s = time.monotonic()

    def __enter__(self) -> Self:
        self._progress.start()
        self._start_s = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def update(self, done: int, failed: int) -> None:
        """See `ProgressView`."""
        rate = rate_text(done, time.monotonic() - self._start_s)
        self._progress.update(self._task, completed=done, failed=failed, rate=rate)


class LineProgress:
    """A line every few seconds, and one at the end."""

    def __init__(self, console: Console, total: int, running: Callable[[], int]) -> None:
        self._console, self._total, self._running = console, total, running
        self._start_s = self._said_s = time.monotonic()

    def __enter__(self) -> Self:
        self._start_s = self._said_s = time.monotonic()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing to put away."""

    def update(self, done: int, failed: int) -> None:
        """See `ProgressView`."""
        now_s = time.monotonic()
        if done < self._total and now_s - self._said_s < _LINE_EVERY_S:
            return
        self._said_s = now_s
        elapsed_s = now_s - self._start_s
        left = f", {(self._total - done) * elapsed_s / done:.0f} s left" if 0 < done < self._total else ""
        counts = f"runs {done}/{self._total} done, {self._running()} running, {failed} failed"
        self._console.print(f"{counts}, {rate_text(done, elapsed_s)}{left}", highlight=False)
