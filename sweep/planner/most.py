"""The search for the highest rate that a cluster of a space carries.

1. Coarse: the candidate whose tokens a second promise most is bracketed in growing steps, and the bracket is halved in
   the logarithm of the rate, with a few repetitions a rate. Each other candidate is tried a little above the best so
   far; if it is within the limits there, it is bracketed in turn and becomes the best.
2. The interval of the best: at L all limits are within, at U one is beyond, both by Student's t. The number of
   repetitions grows until U is as near as the width asks. Until then rates are judged only as far as they may make it
   so. Where the most repetitions do not, L is the greatest rate that is within, and U the least one that is beyond.
3. The certificate: each other candidate fails at U, or at a higher rate that the width still allows, which is the upper
   end then. One that does not fail gets an interval, and the answer spans both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count, pairwise
from math import exp, log

from sweep.experiment.question import Question
from sweep.planner.candidates import candidates_of
from sweep.planner.evidence import Probe, ProbeFailed, View
from sweep.planner.probing import Decision, coarse, decide, hopeless_by, tries
from sweep.planner.rates import HIGHEST, LOWEST, Rates
from sweep.planner.space import Cluster, Space
from sync.analysis.repetitions import Judgement

_UNIT = 8  # numbers of rates that a step is: those between are upper ends of intervals, as wide as they may be
_RACE_STEP = _UNIT // 2  # above the best so far, where other candidates are tried: an interval may end higher up
_NEXT_STEP = 2 * _UNIT  # of the rate, for a candidate that is better than the best so far
_CLOSE = 2 * _UNIT  # between a rate that is likely carried and one that is likely not, where the interval takes over
_NARROW = 2 * _UNIT  # below the rate that is likely carried, where the lower end of a narrow interval may be
_LEAST_REQUESTS = 20.0  # in the horizon: with fewer a rate says nothing


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


@dataclass(frozen=True)
class MostAnswer:
    """The best candidate's `capacity`, and the rate `high` that no candidate carries. `rivals` are other candidates
    that may carry as much, `decisions` rule the others out."""

    capacity: Capacity
    high: int | None
    rivals: tuple[Capacity, ...]
    decisions: tuple[Decision, ...]
    pruned: tuple[Cluster, ...]
    why_open: str = ""


class MostSearch:
    """The search over the clusters of a view's space. `run` returns the answer, or a provisional one where the view
    had to guess."""

    def __init__(self, view: View, question: Question) -> None:
        self._view, self._question = view, question
        self.rates = rates_of(question)
        self._known: dict[tuple[Cluster, int], set[int]] = {}  # the rates that were judged with so many seeds
        self._shares: dict[Probe, float] = {}  # logarithms, by coarse looks
        self._raced: dict[Cluster, int] = {}  # the rates at which candidates were held against the best one
        self._floor, self._ceiling = self._ends(view.evidence.space)

    def run(self) -> MostAnswer:
        """Search. A candidate of which a run failed is left out, and the answer is open."""
        candidates, pruned = candidates_of(self._view.evidence)
        failed: dict[Cluster, ProbeFailed] = {}
        while left := [candidate for candidate in candidates if candidate not in failed]:
            try:
                return self._without(failed, self._searched(left, pruned))
            except ProbeFailed as error:
                failed[error.probe.cluster] = error
                self._shares.clear()
                self._raced.clear()
                self._known.clear()
        nothing = Capacity(candidates[0], None, None, 0.0, 0)
        return self._without(failed, MostAnswer(nothing, None, (), (), tuple(pruned)))

    def _without(self, failed: Mapping[Cluster, ProbeFailed], answer: MostAnswer) -> MostAnswer:
        """The answer, with the candidates that are left out."""
        if not failed:
            return answer
        lines = [Decision(error.probe, "undecided", 0, None, failure=error.reason) for error in failed.values()]
        first = next(iter(failed.values()))
        why = f"a run of {len(failed)} of the clusters failed: {first.reason}"
        return replace(answer, decisions=(*answer.decisions, *lines), why_open=answer.why_open or why)

    def _searched(self, candidates: Sequence[Cluster], pruned: Sequence[Cluster]) -> MostAnswer:
        best, k = self._race(candidates)
        if k is None:
            return self._none(best, candidates, pruned)
        capacity = self._interval(best, k)
        rivals: list[Capacity] = []
        decisions: list[Decision] = []
        for other in (other for other in candidates if other != best):
            decision = self._against(other, capacity)
            if decision.state == "beyond":
                decisions.append(decision)
                continue
            k = self._likely(other, _whole(self.rates.number(decision.probe.rate or 1.0)))
            found = self._interval(other, self._floor if k is None else k)
            if found.carries_more_than(capacity):
                capacity, found = found, capacity
            rivals.append(found)
        return self._answer(capacity, rivals, decisions, pruned)

    # -- coarse --------------------------------------------------------------------------------------------------

    def _ends(self, space: Space) -> tuple[int, int]:
        """The lowest and the highest rate that are tried."""
        lowest = LOWEST if not space.horizon_s else max(LOWEST, _LEAST_REQUESTS / space.horizon_s)
        return _whole(self.rates.number(lowest)) + _UNIT, _whole(self.rates.number(HIGHEST))

    def _probe(self, cluster: Cluster, k: int) -> Probe:
        return Probe(cluster, self.rates[k])

    def _coarse(self, cluster: Cluster, k: int, why: str) -> bool:
        probe = self._probe(cluster, k)
        self._shares[probe] = coarse(self._view, probe, why)
        return self._shares[probe] <= 0.0

    def _race(self, candidates: Sequence[Cluster]) -> tuple[Cluster, int | None]:
        """The best candidate by coarse looks, and the greatest rate that it is likely to carry (None: none)."""
        best, *others = candidates
        k = self._first(best)
        for other in others:
            above = self._floor if k is None else min(k + _RACE_STEP, self._ceiling)
            self._raced[other] = above
            if self._coarse(other, above, "race"):
                below = _whole(above)  # takes less than that
                self._shares[self._probe(other, below)] = self._shares[self._probe(other, above)]
                best, k = other, self._climb(other, below, _NEXT_STEP)
                self._view.bracket(self.rates[k], None)
        return best, k

    def _first(self, cluster: Cluster) -> int | None:
        """The greatest rate that the first candidate is likely to carry; None if not even the lowest."""
        guess = self._view.evidence.guess_per_s(cluster) or 1.0
        return self._likely(cluster, min(max(_whole(self.rates.number(guess)), self._floor), self._ceiling))

    def _likely(self, cluster: Cluster, k: int) -> int | None:
        """The greatest rate that a cluster is likely to carry, looked for from `k`; None if not even the lowest."""
        if self._coarse(cluster, k, "bracket"):
            return self._climb(cluster, k, self.rates.first_step)
        step = self.rates.first_step
        fails = k
        while fails > self._floor:
            below = max(self._floor, fails - step)
            if self._coarse(cluster, below, "bracket"):
                return self._halve(cluster, below, fails)
            fails, step = below, 2 * step
        return None

    def _climb(self, cluster: Cluster, k: int, step: int) -> int:
        """The greatest rate that a cluster is likely to carry, `k` being one that it does."""
        while k < self._ceiling:
            above = min(self._ceiling, k + step)
            if not self._coarse(cluster, above, "bracket"):
                return self._halve(cluster, k, above)
            k, step = above, 2 * step
        return k

    def _halve(self, cluster: Cluster, carries: int, fails: int) -> int:
        while fails - carries > _CLOSE:
            self._view.bracket(self.rates[carries], self.rates[fails])
            middle = self._between(cluster, carries, fails)
            if self._coarse(cluster, middle, "bracket"):
                carries = middle
            else:
                fails = middle
        return carries

    def _between(self, cluster: Cluster, carries: int, fails: int) -> int:
        """Where the share is likely to cross the limit, kept off the ends of the bracket."""
        low, high = (self._shares[self._probe(cluster, k)] for k in (carries, fails))
        part = 0.5 if high <= low else min(max(-low / (high - low), 0.25), 0.75)
        middle = carries + _whole(round(part * (fails - carries)) + _UNIT // 2)
        return min(max(middle, carries + _UNIT), fails - _UNIT)

    # -- the interval --------------------------------------------------------------------------------------------

    def _interval(self, cluster: Cluster, k: int) -> Capacity:
        """The interval of the cluster's capacity, which is likely near `k`."""
        has_draws = self._view.evidence.space.has_draws
        counts = tries(self._question) if has_draws else ()
        seeds = counts[-1] if counts else 1
        low, high = None, None
        for number in counts:
            low, high = self._narrow(cluster, k, number)
            if low is not None and high is not None:
                seeds = number
                self._view.bracket(self.rates[low], self.rates[high])
                break
            k = self._crossing(cluster, number)
        else:
            low = self._greatest_within(cluster, k, seeds)
            high = self._least_beyond(cluster, self._floor if low is None else low + _UNIT, seeds)
        at_low = None if low is None else self._judge(cluster, low, seeds)
        at_high = None if high is None else self._judge(cluster, high, seeds)
        estimate = self._estimate(cluster, low, high, seeds)
        return Capacity(cluster, low, high, estimate, seeds, at_low, at_high)

    def _narrow(self, cluster: Cluster, k: int, seeds: int) -> tuple[int | None, int | None]:
        """An interval that is as narrow as asked, where `k` is the greatest rate that is likely carried. If so many
        seeds show none, it is (None, None); no other rates are judged then, since they would not show one."""
        lowest = max(self._floor, k - _NARROW)
        lows = (low for low in range(k, lowest - 1, -_UNIT) if self._judge(cluster, low, seeds).state == "within")
        low = next(lows, None)
        while low is not None:
            high = self._widest(low)
            if high > low and self._judge(cluster, high, seeds).state == "beyond":
                return low, high
            if low + _UNIT > self._ceiling or self._judge(cluster, low + _UNIT, seeds).state != "within":
                break
            low += _UNIT
        return None, None

    def _crossing(self, cluster: Cluster, seeds: int) -> int:
        """The greatest rate that is likely carried, by the rates that were judged with so many seeds."""
        shares = [(k, self._share(cluster, k, seeds)) for k in sorted(self._known[cluster, seeds])]
        for (k, share), (above, beyond) in pairwise(shares):
            if share <= 0.0 < beyond:
                return _whole(k + int((above - k) * -share / (beyond - share)))
        lowest, highest = shares[0], shares[-1]
        return _whole(highest[0]) if lowest[1] <= 0.0 else max(self._floor, _whole(lowest[0]) - _UNIT)

    def _share(self, cluster: Cluster, k: int, seeds: int) -> float:
        """The logarithm of what all repetitions take of the tightest limit."""
        return self._view.look(self._probe(cluster, k), seeds, "interval").together

    def _widest(self, low: int) -> int:
        """The highest rate that an interval with this lower end may have as its upper end."""
        return min(self.rates.number(self.rates[low] * (1.0 + self._question.width + 1e-9)), self._ceiling)

    def _is_narrow(self, low: int, high: int) -> bool:
        return high <= self._widest(low)

    def _judge(self, cluster: Cluster, k: int, seeds: int) -> Judgement:
        self._known.setdefault((cluster, seeds), set()).add(k)
        level = self._question.level
        return self._view.judge(self._probe(cluster, k), seeds, "interval", within=level, beyond=level)

    def _greatest_within(self, cluster: Cluster, k: int, seeds: int) -> int | None:
        """The greatest rate that is within the limits, as are those from the first such rate at or below `k`."""
        strides = _strides()
        while self._judge(cluster, k, seeds).state != "within":
            if k == self._floor:
                return None
            k = max(self._floor, k - next(strides))
        while k < self._ceiling and self._judge(cluster, k + _UNIT, seeds).state == "within":
            k += _UNIT
        return k

    def _least_beyond(self, cluster: Cluster, k: int, seeds: int) -> int | None:
        """The least rate from `k` on that is beyond the limits; after some rates, strides grow, and the least one is
        found by halving the last stride."""
        strides, before = _strides(), k - _UNIT
        while self._judge(cluster, k, seeds).state != "beyond":
            if k == self._ceiling:
                return None
            before, k = k, min(self._ceiling, k + next(strides))
        while k - before > _UNIT:
            middle = _whole((before + k) // 2)
            if self._judge(cluster, middle, seeds).state == "beyond":
                k = middle
            else:
                before = middle
        return k

    def _estimate(self, cluster: Cluster, low: int | None, high: int | None, seeds: int) -> float:
        """Where the share of all repetitions crosses the limit, between the ends of the interval."""
        if low is None:
            return 0.0
        known = sorted(k for k in self._known[cluster, seeds] if low <= k <= (low if high is None else high))
        pairs = [(self.rates[k], self._share(cluster, k, seeds)) for k in known]
        for (rate, share), (above, beyond) in pairwise(pairs):
            if share <= 0.0 < beyond:
                return rate * exp(log(above / rate) * -share / (beyond - share))
        return max((rate for rate, share in pairs if share <= 0.0), default=pairs[0][0])

    # -- the certificate -----------------------------------------------------------------------------------------

    def _against(self, other: Cluster, capacity: Capacity) -> Decision:
        """Whether a candidate fails at a rate that the interval may have as its upper end. One that is near the best
        one fails sooner at the highest of these rates."""
        high = self._ceiling if capacity.high is None else capacity.high
        k = self._raced.get(other, high)
        if k > high or not self._is_hopeless(other, k):
            k = high if capacity.low is None else max(high, self._widest(capacity.low))
        return self._certificate(other, k)

    def _certificate(self, cluster: Cluster, k: int) -> Decision:
        """The decision on a candidate at a rate. The answer claims that all candidates fail there, so it is wrong only
        if one that does not is said to fail: each is tested at the whole level."""
        return decide(self._view, self._probe(cluster, k), self._question, "certificate")

    def _is_hopeless(self, cluster: Cluster, k: int) -> bool:
        try:
            return hopeless_by(self._view, self._probe(cluster, k), self._question.level, "race") > 0
        except ProbeFailed:
            return False

    def _answer(
        self, capacity: Capacity, rivals: Sequence[Capacity], decisions: Sequence[Decision], pruned: Sequence[Cluster]
    ) -> MostAnswer:
        ends = [capacity.high, *(rival.high for rival in rivals)]
        ends += [self.rates.number(decision.probe.rate) for decision in decisions if decision.probe.rate]
        high = None if None in ends else max(end for end in ends if end is not None)
        why_open = ""
        if capacity.low is None:
            why_open = "no rate is within the limits for certain"
        elif high is None:
            why_open = f"no rate up to {self.rates[self._ceiling]:g} requests/s is too much"
        elif not self._is_narrow(capacity.low, high):
            why_open = f"no more than {self._question.seeds} seeds were asked for"
        return MostAnswer(capacity, high, tuple(rivals), tuple(decisions), tuple(pruned), why_open)

    def _none(self, best: Cluster, candidates: Sequence[Cluster], pruned: Sequence[Cluster]) -> MostAnswer:
        """The answer where no candidate is likely to carry even the lowest rate: each fails there, or it stays open."""
        decisions = [self._certificate(cluster, self._floor) for cluster in candidates]
        nothing = Capacity(best, None, self._floor, 0.0, 0)
        answer = MostAnswer(nothing, self._floor, (), tuple(decisions), tuple(pruned))
        if any(decision.state != "beyond" for decision in decisions):
            return replace(answer, why_open=f"the lowest rate, {self.rates[self._floor]:g} requests/s, is not decided")
        return answer


def rates_of(question: Question) -> Rates:
    """The rates that a search for an interval of the question's width numbers: whole steps, and those between."""
    return Rates(_UNIT * Rates.for_width(question.width).parts)


def _strides() -> Iterator[int]:
    """1, 1, 1, 1, 2, 4, 8, ... steps: where a limit is far, its rate is looked for in strides that grow."""
    yield from (_UNIT, _UNIT, _UNIT)
    yield from (_UNIT << n for n in count())


def _whole(k: int) -> int:
    """The number of the greatest rate up to `k` that is a whole step."""
    return k - k % _UNIT
