"""The protocol of launchers: they run the points of a backlog."""

from __future__ import annotations

from collections.abc import Generator
from typing import Protocol, Self

from sim_core.errors import SimError
from sweep.experiment.point import Outcome
from sweep.launch.backlog import Backlog
from sweep.launch.interrupt import Interrupts


class LauncherError(SimError):
    """The execution backend was lost; no point can be run any more."""


class Launcher(Protocol):
    """Runs points. Enter it before the first call of `outcomes`."""

    @property
    def running(self) -> int:
        """How many points are being run at this moment."""

    @property
    def cores(self) -> int:
        """How many points can be run at once; may change while points are run."""

    def __enter__(self) -> Self:
        """Start the backend. Raises SpecError when that is impossible, such as for an address that nobody answers."""

    def __exit__(self, *error: object) -> None:
        """Stop what still runs and release everything that `__enter__` took."""

    def outcomes(self, backlog: Backlog, interrupts: Interrupts) -> Generator[Outcome, None, None]:
        """Run the points of `backlog` until it is closed and empty; yield each outcome as soon as it is known.

        Points that are added meanwhile are run too. Each point has one outcome, in no particular order; a point that
        fails, for whatever reason, has a failed one. Ends early when an interrupt is requested. Raises LauncherError.
        """
