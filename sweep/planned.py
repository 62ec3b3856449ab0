"""A sweep whose points are decided while it runs: a planner says after each outcome which points are wanted now.

Outcomes of earlier starts are given to the planner first, so that it is where it was; then the launcher runs what the
planner wants. When the planner is done, runs that were made ahead and are still under way are given up.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from typing import Protocol

from sweep.experiment.point import Outcome, Point, facts_of
from sweep.launch.backlog import Backlog
from sweep.planner.base import Planning
from sweep.progress import ProgressView
from sweep.service import EndedSweep, Sweeping, finished_before, read_again
from sweep.tally import PlannedTally, Tally
from sync.results.found import Plan
from sync.results.goodput import lacks_counts, with_counts
from sync.results.growing import Facts
from sync.results.inside import read_inside
from sync.results.journal import Journal, JournalError

# So many points a core the planner may fill up with likely ones: only cores that would be idle run points ahead. With 2
# or 3 a core needed points would wait behind them in Ray, and a sweep on 16 cores would take a sixth longer.
POINTS_A_CORE = 1
_KEEP_EVERY_S = 5.0  # at least, between two writes of what is known so far
_MOST_OF_TIME = 0.05  # that these writes may take


class Keeping(Protocol):
    """Keeps what readers want to know of a planned sweep, beside its outcomes."""

    def keep_points(self, points: Mapping[str, Facts], *, is_done: bool) -> None:
        """Keep which points are finished or wanted now, by key what the experiment says of each; see
        `sync.results.growing.GrowingSweep.write`."""

    def keep_found(self, plan: Plan) -> None:
        """Keep what was found so far."""


class EarlierOutcomes:
    """The outcomes of earlier starts in a journal, each with the present names of its point and with counts by its
    point's SLO. Failed ones count as missing with `retry_failed`."""

    def __init__(self, journal: Journal, *, retry_failed: bool) -> None:
        self._journal, self._retry_failed = journal, retry_failed
        self._points: dict[str, Point] = {}

    def read(self, point: Point) -> Outcome | None:
        """The outcome of a point without its table; None if it has to be run: also if its counts cannot be had."""
        self._points[point.key] = point
        for outcome in finished_before([point], self._journal, retry_failed=self._retry_failed):
            if not lacks_counts(outcome, point.slo):
                return outcome
            counted = with_counts(outcome, point.slo, self.table(point.key))
            return counted if counted.counts or point.horizon_s is None else None
        return None

    def table(self, key: str) -> bytes:
        """The table of requests of a run; empty where there is none."""
        file = self._journal.requests_file(key)
        return b"" if file is None else read_inside(file, "requests_bytes")

    def read_again(self, key: str) -> Outcome:
        """The outcome with its table of a point that `read` has been asked for, for the sink. Raises JournalError."""
        return read_again(self._journal, self._points[key])


def run_planned(
    sweeping: Sweeping,
    planner: Planning,
    read: Callable[[Point], Outcome | None],
    view: Callable[[Tally], ProgressView],
    keeping: Keeping,
    *,
    points_a_core: int = POINTS_A_CORE,
) -> EndedSweep:
    """Run what `planner` wants until it is done.

    `read` gives the outcome of an earlier start, None where there is none (`EarlierOutcomes.read`); it is asked once
    for each point. `points_a_core`: up to how many points a core, with those that run, the planner adds likely ones; 0:
    only points that are needed are run. Raises what `Sweeping.run` and the planner raise; whatever happens, finished
    points are kept, and readers count them. `missing` of the result counts points that are needed for certain.
    """
    return _PlannedRun(sweeping, planner, read, keeping, points_a_core).run(view)


class _PlannedRun:
    """See `run_planned`."""

    def __init__(
        self,
        sweeping: Sweeping,
        planner: Planning,
        read: Callable[[Point], Outcome | None],
        keeping: Keeping,
        points_a_core: int,
    ) -> None:
        self._sweeping, self._planner, self._read, self._keeping = sweeping, planner, read, keeping
        self._points_a_core = points_a_core
        self._points: dict[str, Point] = {}  # that were wanted and have no outcome
        self._wanted: list[Point] = []  # of these the points that are wanted now
        self._is_read: set[str] = set()  # keys that `read` was asked for
        self._outcomes: dict[str, Outcome] = {}
        self._facts: dict[str, Facts] = {}  # of the points with outcomes
        self._tally = PlannedTally(lambda: sweeping.launcher.running)
        self._keep_at_s = 0.0

    def run(self, view: Callable[[Tally], ProgressView]) -> EndedSweep:
        """See `run_planned`."""
        sweeping, cut_off = self._sweeping, 0
        try:
            self._settle(room=0)
            self._keep()
            with_launcher = not self._planner.is_done and not sweeping.interrupts.requested
            with sweeping.started(with_launcher=with_launcher):
                if with_launcher:
                    self._run(view)
                    cut_off = sweeping.launcher.running if self._planner.is_done else 0
        except BaseException:
            with suppress(JournalError):  # the first error is the one to tell
                self._keep_points()
            raise
        self._wanted = [point for point in self._planner.wanted(0) if point.key not in self._outcomes]
        self._keep()
        outcomes = sorted(self._outcomes.values(), key=lambda outcome: (outcome.index, outcome.key))
        given_up = sweeping.has_too_many(self._tally) and not self._planner.is_done
        return EndedSweep(
            outcomes=tuple(outcomes),
            reused=self._tally.reused,
            missing=len(self._wanted),
            interrupted=sweeping.interrupts.requested,
            given_up=given_up,
            cut_off=cut_off,
        )

    def _run(self, view: Callable[[Tally], ProgressView]) -> None:
        """Run points until the planner is done, or the sweep is interrupted or given up."""
        backlog = Backlog()
        self._offer(backlog)
        with closing(self._sweeping.outcomes(backlog, self._tally, view)) as outcomes:
            for outcome in outcomes:
                self._take(outcome)
                self._offer(backlog)
                if time.monotonic() >= self._keep_at_s:
                    self._keep()

    def _offer(self, backlog: Backlog) -> None:
        """Let those points wait that the planner wants now; close the backlog when it is done."""
        self._settle(self._points_a_core * self._sweeping.launcher.cores)
        backlog.offer(self._wanted)
        if self._planner.is_done:
            backlog.close()

    def _settle(self, room: int) -> None:
        """Ask the planner what it wants, and give it the outcomes of earlier starts until it wants none of these."""
        earlier = True
        while earlier and not self._planner.is_done and not self._sweeping.interrupts.requested:
            wanted = self._planner.wanted(room)
            self._wanted = [point for point in wanted if point.key not in self._outcomes]
            if self._planner.is_done:
                break
            if not self._wanted:
                raise RuntimeError("the planner is not done, and wants no point that has no outcome")
            self._points.update((point.key, point) for point in self._wanted)
            earlier = self._take_earlier()
        if self._planner.is_done:  # no point waits any more
            self._wanted = []
        self._tally.searches, self._tally.is_done = self._planner.brackets(), self._planner.is_done

    def _take_earlier(self) -> bool:
        """Give the planner the outcomes of earlier starts that it wants; returns whether there were any."""
        unread = [point for point in self._wanted if point.key not in self._is_read]
        self._is_read.update(point.key for point in unread)
        earlier = [outcome for point in unread if (outcome := self._read(point)) is not None]
        for outcome in earlier:
            self._tally.reused += 1
            self._sweeping.writer.submit_key(outcome.key)
            self._take(outcome)
        return bool(earlier)

    def _take(self, outcome: Outcome) -> None:
        self._facts[outcome.key] = facts_of(self._points.pop(outcome.key))
        self._outcomes[outcome.key] = outcome
        self._planner.took(outcome)

    def _keep(self) -> None:
        """Keep what is known, and note when to do it again."""
        begun_s = time.monotonic()
        self._keep_points()
        plan = self._planner.plan()
        self._keeping.keep_found(plan)
        self._tally.unneeded = plan.wasted
        ended_s = time.monotonic()
        self._keep_at_s = ended_s + max(_KEEP_EVERY_S, (ended_s - begun_s) / _MOST_OF_TIME)

    def _keep_points(self) -> None:
        wanted = {point.key: facts_of(point) for point in self._wanted if point.key not in self._facts}
        self._keeping.keep_points(self._facts | wanted, is_done=self._planner.is_done)
