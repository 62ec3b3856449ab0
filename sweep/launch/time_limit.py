"""A time limit within one process: a signal interrupts pure Python at any instruction."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


class RunTimeout(TimeoutError):
    """A run took longer than its limit."""


@contextmanager
def time_limit(limit_s: float | None) -> Iterator[None]:
    """Raise RunTimeout in this block after `limit_s` seconds of wall time; None: never. Main thread only."""
    if limit_s is None:
        yield
        return

    def over(*_: object) -> None:
        raise RunTimeout(f"took longer than {limit_s:g} s (--timeout-per-run)")

    previous = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, previous)
