"""Ctrl-C: the first one asks a sweep to stop and keep its finished points, the second ends the process at once.

SIGTERM does the same: `ray job stop`, Kubernetes and batch systems send it.

Python runs a handler only between two steps of the main thread, which the start of Ray keeps in C++ code for seconds,
and runs it once for two signals that came meanwhile. So a thread of its own counts the signals and ends the process.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Self

EXIT_INTERRUPTED = 130  # what shells report for a process ended by SIGINT
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Handles both signals while entered, in the main thread. The journal is whole whenever the process ends."""

    def __init__(self) -> None:
        self.requested = False
        self._breakable = False
        self._previous: dict[signal.Signals, Any] = {}
        self._previous_wakeup = -1
        self._written = -1  # the end of a pipe to which Python writes the number of each signal as it comes
        self._counting: threading.Thread

    def __enter__(self) -> Self:
        read, self._written = os.pipe()
        os.set_blocking(self._written, False)
        self._counting = threading.Thread(target=_end_at_the_second, args=(read,), name="interrupts", daemon=True)
        self._counting.start()
        self._previous_wakeup = signal.set_wakeup_fd(self._written, warn_on_full_buffer=False)
        self._previous = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._previous_wakeup)
        os.close(self._written)  # the thread reads the end of the pipe, and ends
        self._counting.join()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within this block the first Ctrl-C raises KeyboardInterrupt; elsewhere it only sets `requested`."""
        self._breakable = True
        try:
            if self.requested:
                raise KeyboardInterrupt
            yield
        finally:
            self._breakable = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        if self._breakable:
            raise KeyboardInterrupt


def _end_at_the_second(pipe: int) -> None:
    """End the process when the second signal has come through the pipe; return when the pipe is closed."""
    count = 0
    with open(pipe, "rb", buffering=0) as numbers:
        while number := numbers.read(1):
            count += number[0] in _SIGNALS
            if count == 2:
                shown = b"\x1b[?25h\n" if os.isatty(2) else b""  # a progress bar hides the cursor
                os.write(2, shown + b"interrupted; finished points are kept, and the same command goes on from there\n")
                os._exit(EXIT_INTERRUPTED)
