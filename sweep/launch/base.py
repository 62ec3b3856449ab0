"""How points are run: the one protocol that launchers follow."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from types import TracebackType
from typing import Protocol, Self

from sim_core.errors import SimError
from sweep.experiment.point import Outcome, Point
from sweep.launch.interrupt import Interrupts


class LauncherError(SimError):
    """What ran the points is gone, and not to be had back."""


class Launcher(Protocol):
    """Runs points and yields every outcome as soon as it is there, in any order.

    A point that fails, however it fails, is a failed outcome. `outcomes` ends early when an interrupt is requested.
    """

    @property
    def running(self) -> int:
        """Points being worked on at this moment."""

    def __enter__(self) -> Self:
        """Get ready. Raises SpecError when that is impossible, such as for an address nobody answers at."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop what still runs and let go of everything that `__enter__` took."""

    def outcomes(self, points: Sequence[Point], interrupts: Interrupts) -> Generator[Outcome, None, None]:
        """Run the points. Raises LauncherError when none can be run any more."""
