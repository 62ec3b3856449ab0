"""The planner: says which runs are wanted next, and what was found. It implements `sweep.planner.base.Planning`.

Each space has a search of its own, which is repeated over what is known whenever it may have got further. What is
needed for certain goes first, over all searches in turn; then what the searches would want next if their guesses hold.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import chain, zip_longest
from math import ceil

from sweep.experiment.point import Outcome, Point
from sweep.experiment.question import Question
from sweep.planner.evidence import Enough, Evidence, Probe, Tables, View, Wanted
from sweep.planner.explain import Explained
from sweep.planner.space import Space
from sweep.tally import simulated_requests
from sync.analysis.found.texts import price
from sync.results.found import Found, Plan
from sync.results.slo import Slo

_SPARE = 8  # runs that a search is asked for beyond its part of the room


class Search:
    """The search over one space."""

    def __init__(self, question: Question, space: Space, slo: Slo, tables: Tables) -> None:
        self.space, self.evidence = space, Evidence(space, slo, tables)
        self.is_done = False
        self._question = question
        self._open: dict[tuple[Probe, int], Wanted] = {}
        self._is_stale = True
        self._view = View(self.evidence, 0)
        self.found: Found = Explained(self._view, question).start()

    def wanted(self, room: int) -> list[Wanted]:
        """The runs that are wanted now, the most urgent first."""
        has_certain = any(wanted.is_certain for wanted in self._open.values())
        if not self.is_done and self._is_stale and (not has_certain or len(self._open) < room):
            self._pass(room)
        return list(self._open.values())

    def took(self, probe: Probe, seed: int, outcome: Outcome) -> None:
        """Take the outcome of a run."""
        self.evidence.add(probe, seed, outcome)
        self._open.pop((probe, seed), None)
        self._is_stale = True

    def used(self) -> frozenset[tuple[Probe, int]]:
        """The runs that the answer rests on."""
        return frozenset(self._view.used)

    def bracket(self) -> str:
        """`splitwise-ha conv: 140 to 152 requests/s`, `splitwise-ha conv: up to $1,520.48 an hour`."""
        low, high = self._view.low, self._view.high
        if low is None and high is None:
            span = "looking for a first bracket"
        elif self._question.asks == "least":
            span = f"up to {price(high or 0.0, self._question.measure)}"
        else:
            span = f"at least {low:.4g} requests/s" if high is None else f"{low:.4g} to {high:.4g} requests/s"
        return f"{self.space.system} {self.space.workload}: {span}"

    def _pass(self, room: int) -> None:
        """Search again over what is known now."""
        self._view = view = View(self.evidence, room)
        explained = Explained(view, self._question)
        found: Found | None = None
        with suppress(Enough):
            found = explained.found()
        self.is_done = found is not None and view.is_certain
        self.found = found if found is not None and self.is_done else explained.start()
        self._open = {(wanted.probe, wanted.seed): wanted for wanted in view.wanted}
        self._is_stale = False


class Planner:
    """The searches over all spaces of an experiment."""

    def __init__(self, question: Question, spaces: Sequence[Space], slo: Slo, tables: Tables = lambda key: b"") -> None:
        """`tables` gives the table of requests of a run by its key, empty where there is none."""
        self._searches = [Search(question, space, slo, tables) for space in spaces]
        self._places: dict[str, list[tuple[Search, Probe, int]]] = {}  # by key
        self._points: dict[tuple[int, Probe, int], Point] = {}
        self._taken: dict[str, Outcome] = {}

    @property
    def is_done(self) -> bool:
        """See `Planning`."""
        return all(search.is_done for search in self._searches)

    def wanted(self, room: int) -> Sequence[Point]:
        """See `Planning`."""
        while True:
            points = self._wanted(room)
            if all(point.key not in self._taken for point in points):
                return points
            for point in points:  # known from another search, or from before the point was asked for
                if point.key in self._taken:
                    self._give(self._taken[point.key])

    def took(self, outcome: Outcome) -> None:
        """See `Planning`."""
        self._taken[outcome.key] = replace(outcome, requests_parquet=b"", config_yaml="")
        self._give(self._taken[outcome.key])

    def brackets(self) -> Sequence[str]:
        """See `Planning`."""
        return [search.bracket() for search in self._searches if not search.is_done]

    def plan(self) -> Plan:
        """See `Planning`."""
        used = {
            self._points[number, probe, seed].key
            for number, search in enumerate(self._searches)
            for probe, seed in search.used()
        }
        return Plan(
            found=tuple(search.found for search in self._searches),
            runs=len(self._taken),
            requests=sum(map(simulated_requests, self._taken.values())),
            wasted=len(self._taken.keys() - used) if self.is_done else 0,
            is_done=self.is_done,
        )

    def _give(self, outcome: Outcome) -> None:
        for search, probe, seed in self._places.get(outcome.key, ()):
            search.took(probe, seed, outcome)

    def _wanted(self, room: int) -> list[Point]:
        active = [(number, search) for number, search in enumerate(self._searches) if not search.is_done]
        share = ceil(room / max(1, len(active))) + _SPARE
        lists = [[(number, wanted) for wanted in search.wanted(share)] for number, search in active]
        certain = _in_turn([[item for item in items if item[1].is_certain] for items in lists])
        others = _in_turn([[item for item in items if not item[1].is_certain] for items in lists])
        points: dict[str, Point] = {}
        for number, wanted in chain(certain, others):
            if len(points) >= room and not wanted.is_certain:
                break
            point = self._point(number, wanted)
            points.setdefault(point.key, point)
        return list(points.values())

    def _point(self, number: int, wanted: Wanted) -> Point:
        """The point of a run; the same point may be wanted by several searches."""
        place = number, wanted.probe, wanted.seed
        if place not in self._points:
            search, probe = self._searches[number], wanted.probe
            point = search.space.point(probe.cluster, probe.rate, wanted.seed, probe.longer, wanted.why)
            self._points[place] = replace(point, index=len(self._points))
            self._places.setdefault(point.key, []).append((search, probe, wanted.seed))
        return self._points[place]


def _in_turn(lists: Sequence[Sequence[tuple[int, Wanted]]]) -> Iterator[tuple[int, Wanted]]:
    """The first items of all lists, then the second ones, and so on."""
    for items in zip_longest(*lists):
        yield from (item for item in items if item is not None)
