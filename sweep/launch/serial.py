"""Points one after the other, in this process: for debugging, tests, and machines without Ray."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from sweep.experiment.point import Outcome, Point
from sweep.launch.interrupt import Interrupts
from sweep.launch.worker import run_point


class SerialLauncher:
    """A `Launcher` without Ray. Files are looked up below `root`; a run may take `timeout_s`."""

    def __init__(self, root: Path, timeout_s: float | None = None) -> None:
        self._running = 0
        self._root = root
        self._timeout_s = timeout_s

    @property
    def running(self) -> int:
        """See `Launcher`."""
        return self._running

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running = 0

    def outcomes(self, points: Sequence[Point], interrupts: Interrupts) -> Generator[Outcome, None, None]:
        """See `Launcher`. A point under way when the interrupt comes is given up."""
        for point in points:
            if interrupts.requested:
                return
            self._running = 1
            try:
                with interrupts.at_once():
                    outcome = run_point(point, self._root, timeout_s=self._timeout_s)
            except KeyboardInterrupt:
                return
            self._running = 0
            yield outcome
