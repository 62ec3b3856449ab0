"""The protocol between a planner and the sweep that runs its points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sweep.experiment.point import Outcome, Point
from sync.results.found import Plan


class Planning(Protocol):
    """Says which points are to run next. All methods are called by one thread. `sweep.planned` is the caller.

    What is found, and which points are needed for it, depends on the outcomes and not on their order: a planner that is
    given outcomes of an earlier start comes to where it was.
    """

    @property
    def is_done(self) -> bool:
        """Whether everything is found, and no more points are wanted."""

    def wanted(self, room: int) -> Sequence[Point]:
        """The points that are wanted now, the most urgent first: all that are needed for certain, then the likeliest
        next ones, until there are `room` (there may be fewer; 0: only those that are needed). Points that run belong to
        them, points whose outcome was taken do not. There is none exactly if `is_done`. Points that wait and are not
        among them are not run."""

    def took(self, outcome: Outcome) -> None:
        """Take the outcome of a point, wanted or not; it may have failed. Each is taken once."""

    def brackets(self) -> Sequence[str]:
        """A line for each search that is under way, such as `splitwise-ha conv: 140 to 152 requests/s`."""

    def plan(self) -> Plan:
        """What was found so far. `wasted` counts the outcomes that were taken and are not needed."""
