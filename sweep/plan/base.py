"""The protocol between a planner and the sweep that runs its points."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sweep.experiment.point import Outcome, Point
from sync.results.found import Plan


class Planning(Protocol):
    """Says which points are to run next. All methods are called by one thread."""

    @property
    def is_done(self) -> bool:
        """Whether everything is found, and no more points are wanted."""

    def wanted(self, room: int) -> Sequence[Point]:
        """The points that are wanted now, the most urgent first: all that are needed for certain, then the likeliest
        next ones, until there are `room` (there may be fewer; none only when `is_done`). Points that wait and are not
        among them need not run any more."""

    def took(self, outcome: Outcome) -> None:
        """Take the outcome of a point, wanted or not."""

    def outcome_wanted(self, key: str) -> bool:
        """Whether an outcome with this key is still to be awaited."""

    def brackets(self) -> Sequence[str]:
        """A line for each search that is under way, such as `splitwise-ha conv: 140 to 152 requests/s`."""

    def plan(self) -> Plan:
        """What was found so far."""
