"""Counts the outcomes of a running sweep: how many are done, how fast, and when the sweep will end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sweep.experiment.point import Outcome, Point
from sweep.launch.backlog import expected_s

SLOWEST = 3  # how many of the slowest points are kept
MOST_SEARCHES = 6  # that are shown


class Tally:
    """Counts the outcomes of `points`. `running` tells how many points are being run at this moment."""

    total: int | None  # of the points; None: it is not known

    def __init__(
        self, points: Sequence[Point], running: Callable[[], int], now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self.total = self._count = len(points)
        self.done = self.failed = 0
        self.slowest: list[tuple[float, str]] = []  # seconds and name, the slowest first
        self._running, self._now_s = running, now_s
        self._requests = 0
        self._expected_s = {point.key: expected_s(point) for point in points}
        self._all_s, self._done_s = sum(self._expected_s.values()), 0.0
        self._start_s = now_s()

    def add(self, outcome: Outcome) -> None:
        """Count an outcome."""
        self.done += 1
        self.failed += outcome.status == "failed"
        self._requests += simulated_requests(outcome)
        self._done_s += self._expected_s.get(outcome.key, 0.0)
        self.slowest = sorted([*self.slowest, (outcome.wall_s, outcome.name)], reverse=True)[:SLOWEST]

    @property
    def running(self) -> int:
        """Points that are being run."""
        return min(self._running(), self.left)

    @property
    def left(self) -> int:
        """Points without an outcome."""
        return self._count - self.done

    @property
    def has_ended(self) -> bool:
        """Whether no more outcomes are to come."""
        return self.left == 0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the count began."""
        return max(self._now_s() - self._start_s, 1e-9)

    @property
    def left_s(self) -> float | None:
        """Estimated seconds until the end, from the expected times of the points; None before the first outcome."""
        return None if self._done_s == 0.0 else self.elapsed_s * (self._all_s - self._done_s) / self._done_s

    def counts_text(self) -> str:
        """`30/240 done, 2 running, 0 failed`."""
        return f"{self.done}/{self._count} done, {self.running} running, {self.failed} failed"

    def speed_text(self) -> str:
        """`120 runs/min, 91,000 requests/s`."""
        if self.done == 0:
            return "- runs/min"
        runs = self.done * 60.0 / self.elapsed_s
        return f"{runs:,.{0 if runs >= 10 else 1}f} runs/min, {self._requests / self.elapsed_s:,.0f} requests/s"

    def left_text(self) -> str:
        """`left 240, until about 14:05:30 (2:10 h)`, in local time."""
        if self.left_s is None or self.left == 0:
            return f"left {self.left}"
        end = datetime.now().astimezone() + timedelta(seconds=self.left_s)
        return f"left {self.left}, until about {end:%H:%M:%S} ({duration_text(self.left_s)})"

    def parts(self) -> list[str]:
        """What there is to say of the sweep: the counts, then how fast it is and what is left."""
        return [self.counts_text(), f"{self.speed_text()}, {self.left_text()}"]

    def status(self) -> dict[str, Any]:
        """Plain values for `Journal.note_status`."""
        return {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "elapsed_s": round(self.elapsed_s, 1),
            "left_s": None if self.left_s is None else round(self.left_s, 1),
            "left": self.left,
            "running": self.running,
            "speed": self.speed_text(),
        }


class PlannedTally(Tally):
    """Counts outcomes of points that a planner wants one after the other: how many there will be is not known.

    Its attributes are set from outside, after each outcome. `reused` counts outcomes of earlier starts, `unneeded` runs
    that were made ahead and then not needed. `searches` has a line for each search that is under way.
    """

    def __init__(self, running: Callable[[], int], now_s: Callable[[], float] = time.monotonic) -> None:
        super().__init__((), running, now_s)
        self.total = None
        self.reused = self.unneeded = 0
        self.searches: Sequence[str] = ()
        self.is_done = False

    @property
    def running(self) -> int:
        """See `Tally`."""
        return self._running()

    @property
    def left(self) -> int:
        """Not known: 0."""
        return 0

    @property
    def has_ended(self) -> bool:
        """See `Tally`."""
        return self.is_done

    def counts_text(self) -> str:
        """`30 done, 2 running, 0 failed`; what earlier starts did and what was not needed is said where it happened."""
        reused = f" and {self.reused} before" if self.reused else ""
        unneeded = f", {self.unneeded} not needed" if self.unneeded else ""
        return f"{self.done} done{reused}, {self.running} running, {self.failed} failed{unneeded}"

    def parts(self) -> list[str]:
        """See `Tally`; below it the searches."""
        more = len(self.searches) - MOST_SEARCHES
        others = [f"and {more} more searches"] if more > 0 else []
        return [self.counts_text(), self.speed_text(), *self.searches[:MOST_SEARCHES], *others]

    def status(self) -> dict[str, Any]:
        """See `Tally`."""
        unknown = {"left": None, "left_s": None}
        return super().status() | unknown | {"searches": list(self.searches[:MOST_SEARCHES])}


def simulated_requests(outcome: Outcome) -> int:
    """How many requests a run has dealt with. A run that was stopped has not dealt with its unfinished requests."""
    ends = ("completed", "rejected", "unfinished") if outcome.status == "completed" else ("completed", "rejected")
    return int(sum(outcome.summary.get(f"run/{end}", 0.0) for end in ends))


def duration_text(seconds: float) -> str:
    """`45 s`, `12:30 min`, `3:05 h`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60}:{whole % 60:02d} min" if whole < 3600 else f"{whole // 3600}:{whole % 3600 // 60:02d} h"
