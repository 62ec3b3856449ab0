"""The interval of the rates that one cluster may carry.

At L all limits are within, at U one is beyond, both by Student's t. The number of repetitions grows until U is as near
as the width asks. Until then rates are judged only as far as they may make it so. Where the most repetitions do not, L
is the greatest rate that is within, and U the least one that is beyond.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count, pairwise
from math import exp, log

from sweep.experiment.question import Question
from sweep.planner.evidence import Probe, View
from sweep.planner.probing import tries
from sweep.planner.rates import UNIT, Rates, whole
from sweep.planner.space import Cluster
from sync.analysis.repetitions import Judgement

_NARROW = 2 * UNIT  # below the rate that is likely carried, where the lower end of a narrow interval may be
_WHY = "interval"  # what its runs are asked for


@dataclass(frozen=True)
class Capacity:
    """The interval of a cluster's rates, as numbers on the grid: it carries `low` (None: no rate), and not `high`
    (None: no rate is known that it does not carry). `estimate` is in requests a second. `at_low`, `at_high`: what is
    known there."""

    cluster: Cluster
    low: int | None
    high: int | None
    estimate: float
    seeds: int
    at_low: Judgement | None = None
    at_high: Judgement | None = None

    def carries_more_than(self, other: Capacity) -> bool:
        """Whether the lower end is higher; the number 0 stands for a rate as all others do."""
        return self.low is not None and (other.low is None or self.low > other.low)


class Intervals:
    """Finds the intervals of clusters of a view's space, between the rates with the numbers `floor` and `ceiling`."""

    def __init__(self, view: View, question: Question, rates: Rates, floor: int, ceiling: int) -> None:
        self._rates = rates
        self._view, self._question = view, question
        self._floor, self._ceiling = floor, ceiling
        self._known: dict[tuple[Cluster, int], set[int]] = {}  # the rates that were judged with so many seeds

    def of(self, cluster: Cluster, k: int) -> Capacity:
        """The interval of the cluster's capacity, which is likely near `k`."""
        has_draws = self._view.evidence.space.has_draws
        counts = tries(self._question) if has_draws else ()
        seeds = counts[-1] if counts else 1
        low: int | None
        high: int | None
        for number in counts:
            if (found := self._narrow(cluster, k, number)) is not None:
                low, high = found
                seeds = number
                self._view.bracket(self._rates[low], self._rates[high])
                break
            k = self._crossing(cluster, number)
        else:
            low = self._greatest_within(cluster, k, seeds)
            high = self._least_beyond(cluster, self._floor if low is None else low + UNIT, seeds)
        at_low = None if low is None else self._judge(cluster, low, seeds)
        at_high = None if high is None else self._judge(cluster, high, seeds)
        estimate = self._estimate(cluster, low, high, seeds)
        return Capacity(cluster, low, high, estimate, seeds, at_low, at_high)

    def widest(self, low: int) -> int:
        """The highest rate that an interval with this lower end may have as its upper end."""
        return min(self._rates.number(self._rates[low] * (1.0 + self._question.width + 1e-9)), self._ceiling)

    def is_narrow(self, low: int, high: int) -> bool:
        """Whether an interval is as narrow as asked."""
        return high <= self.widest(low)

    def _narrow(self, cluster: Cluster, k: int, seeds: int) -> tuple[int, int] | None:
        """An interval that is as narrow as asked, where `k` is the greatest rate that is likely carried. None if so
        many seeds show none; no other rates are judged then, since they would not show one."""
        lowest = max(self._floor, k - _NARROW)
        lows = (low for low in range(k, lowest - 1, -UNIT) if self._judge(cluster, low, seeds).state == "within")
        low = next(lows, None)
        while low is not None:
            high = self.widest(low)
            if high > low and self._judge(cluster, high, seeds).state == "beyond":
                return low, high
            if low + UNIT > self._ceiling or self._judge(cluster, low + UNIT, seeds).state != "within":
                break
            low += UNIT
        return None

    def _greatest_within(self, cluster: Cluster, k: int, seeds: int) -> int | None:
        """The greatest rate that is within the limits, as are those from the first such rate at or below `k`."""
        strides = _strides()
        while self._judge(cluster, k, seeds).state != "within":
            if k == self._floor:
                return None
            k = max(self._floor, k - next(strides))
        while k < self._ceiling and self._judge(cluster, k + UNIT, seeds).state == "within":
            k += UNIT
        return k

    def _least_beyond(self, cluster: Cluster, k: int, seeds: int) -> int | None:
        """The least rate from `k` on that is beyond the limits; after some rates, strides grow, and the least one is
        found by halving the last stride."""
        strides, before = _strides(), k - UNIT
        while self._judge(cluster, k, seeds).state != "beyond":
            if k == self._ceiling:
                return None
            before, k = k, min(self._ceiling, k + next(strides))
        while k - before > UNIT:
            middle = whole((before + k) // 2)
            if self._judge(cluster, middle, seeds).state == "beyond":
                k = middle
            else:
                before = middle
        return k

    def _judge(self, cluster: Cluster, k: int, seeds: int) -> Judgement:
        self._known.setdefault((cluster, seeds), set()).add(k)
        level = self._question.level
        return self._view.judge(self._probe(cluster, k), seeds, _WHY, within=level, beyond=level)

    def _crossing(self, cluster: Cluster, seeds: int) -> int:
        """The greatest rate that is likely carried, by the rates that were judged with so many seeds."""
        shares = self._shares(cluster, sorted(self._known[cluster, seeds]), seeds)
        if (found := _first_crossing(shares)) is not None:
            (k, share), (above, beyond) = found
            return whole(k + int((above - k) * -share / (beyond - share)))
        lowest, highest = shares[0], shares[-1]
        return whole(highest[0]) if lowest[1] <= 0.0 else max(self._floor, whole(lowest[0]) - UNIT)

    def _estimate(self, cluster: Cluster, low: int | None, high: int | None, seeds: int) -> float:
        """Where the share of all repetitions crosses the limit, between the ends of the interval."""
        if low is None:
            return 0.0
        known = sorted(k for k in self._known[cluster, seeds] if low <= k <= (low if high is None else high))
        shares = self._shares(cluster, known, seeds)
        if (found := _first_crossing(shares)) is not None:
            (k, share), (above, beyond) = found
            rate = self._rates[k]
            return rate * exp(log(self._rates[above] / rate) * -share / (beyond - share))
        return self._rates[max((k for k, share in shares if share <= 0.0), default=known[0])]

    def _shares(self, cluster: Cluster, numbers: Sequence[int], seeds: int) -> list[tuple[int, float]]:
        """For each of these rates the logarithm of what all repetitions take of the tightest limit."""
        return [(k, self._view.look(self._probe(cluster, k), seeds, _WHY).together) for k in numbers]

    def _probe(self, cluster: Cluster, k: int) -> Probe:
        return Probe(cluster, self._rates[k])


def _first_crossing(shares: Sequence[tuple[int, float]]) -> tuple[tuple[int, float], tuple[int, float]] | None:
    """The first two neighbours between which the logarithm of the share becomes positive."""
    return next((pair for pair in pairwise(shares) if pair[0][1] <= 0.0 < pair[1][1]), None)


def _strides() -> Iterator[int]:
    """1, 1, 1, 1, 2, 4, 8, ... steps: where a limit is far, its rate is looked for in strides that grow."""
    yield from (UNIT, UNIT, UNIT)
    yield from (UNIT << n for n in count())
