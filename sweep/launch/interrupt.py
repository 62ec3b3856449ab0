"""Ctrl-C: the first one asks a sweep to stop and keep its finished points, the second ends the process at once.

SIGTERM does the same: `ray job stop`, Kubernetes and batch systems send it.
"""

from __future__ import annotations

import os
import signal
import sys
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

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

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
        if self.requested:
            if sys.stderr.isatty():
                sys.stderr.write("\x1b[?25h\n")  # a progress bar hides the cursor
                sys.stderr.flush()
            os._exit(EXIT_INTERRUPTED)
        self.requested = True
        if self._breakable:
            raise KeyboardInterrupt
