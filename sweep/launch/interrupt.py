"""Ctrl-C: the first asks a sweep to stop and keep what is finished, the second ends the process on the spot.

SIGTERM, by which `ray job stop`, Kubernetes and batch systems end things, does the same.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any, Self

EXIT_INTERRUPTED = 130  # what shells report for a process ended by SIGINT
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """Handles both signals while entered (in the main thread). The journal is safe at any moment: nothing is lost."""

    def __init__(self) -> None:
        self.requested = False
        self._breakable = False
        self._previous: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        self._previous = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within this block the first Ctrl-C raises KeyboardInterrupt instead of waiting to be noticed."""
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
