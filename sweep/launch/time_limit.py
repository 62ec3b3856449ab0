"""Ends what takes too long, from within: pure Python can be interrupted at any instruction."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class RunTimeout(Exception):
    """A run took longer than it may."""


@contextmanager
def time_limit(limit_s: float | None) -> Iterator[None]:
    """Raise RunTimeout in this block once it has taken `limit_s` on the wall; None: never. Main thread only."""
    if limit_s is None:
        yield
        return

    def over(number: int, frame: FrameType | None) -> None:
        raise RunTimeout(f"took longer than {limit_s:g} s (--timeout-per-run)")

    before = signal.signal(signal.SIGALRM, over)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
