"""Runs points one after the other in this process: for debugging, tests, and machines without Ray."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Self

from sweep.experiment.point import Outcome
from sweep.launch.backlog import Backlog
from sweep.launch.interrupt import Interrupts
from sweep.launch.worker import run_point

_WAIT_S = 0.25  # how long an interrupt may go unnoticed while no point waits


class SerialLauncher:
    """A `Launcher` without Ray. `root` is the folder in which files are looked up; a run may take `timeout_s`."""

    def __init__(self, root: Path, timeout_s: float | None = None) -> None:
        self._running = 0
        self._root = root
        self._timeout_s = timeout_s

    @property
    def running(self) -> int:
        """See `Launcher`."""
        return self._running

    @property
    def cores(self) -> int:
        """See `Launcher`."""
        return 1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._running = 0

    def outcomes(self, backlog: Backlog, interrupts: Interrupts) -> Generator[Outcome, None, None]:
        """See `Launcher`. Points run in the order in which they wait; an interrupt abandons the running one."""
        while not interrupts.requested and not backlog.ended:
            if (point := backlog.next_point()) is None:
                backlog.wait(_WAIT_S)
                continue
            self._running = 1
            try:
                with interrupts.at_once():
                    outcome = run_point(point, self._root, timeout_s=self._timeout_s)
            except KeyboardInterrupt:
                return
            self._running = 0
            yield outcome
