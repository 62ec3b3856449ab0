"""The search for the highest rate that a cluster of a space carries.

1. Coarse: the candidate whose tokens a second promise most is bracketed in growing steps, and the bracket is halved in
   the logarithm of the rate, with a few repetitions a rate. Each other candidate is tried a little above the best so
   far; if it is within the limits there, it is bracketed in turn and becomes the best.
2. The interval of the best, from L to U: see `sweep.planner.interval`.
3. The certificate: each other candidate fails at U, or at a higher rate that the width still allows, which is the upper
   end then. One that does not fail gets an interval, and the answer spans both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sweep.experiment.question import Question
from sweep.planner.candidates import candidates_of
from sweep.planner.evidence import Probe, ProbeFailed, View
from sweep.planner.interval import Capacity, Intervals
from sweep.planner.probing import Decision, coarse, decide, hopeless_by
from sweep.planner.rates import HIGHEST, LOWEST, UNIT, rates_of, whole
from sweep.planner.space import Cluster, Space

_RACE_STEP = UNIT // 2  # above the best so far, where other candidates are tried: an interval may end higher up
_NEXT_STEP = 2 * UNIT  # of the rate, for a candidate that is better than the best so far
_CLOSE = 2 * UNIT  # between a rate that is likely carried and one that is likely not, where the interval takes over
_LEAST_REQUESTS = 20.0  # in the horizon: with fewer a rate says nothing


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
        self.rates = rates_of(question.width)
        self._floor, self._ceiling = self._ends(view.evidence.space)
        self._start()

    def _start(self) -> None:
        self._intervals = Intervals(self._view, self._question, self.rates, self._floor, self._ceiling)
        self._shares: dict[Probe, float] = {}  # logarithms, by coarse looks
        self._raced: dict[Cluster, int] = {}  # the rates at which candidates were held against the best one

    def run(self) -> MostAnswer:
        """Search. A candidate of which a run failed is left out, and the answer is open."""
        candidates, pruned = candidates_of(self._view.evidence)
        failed: dict[Cluster, ProbeFailed] = {}
        while left := [candidate for candidate in candidates if candidate not in failed]:
            try:
                return self._without(failed, self._searched(left, pruned))
            except ProbeFailed as error:
                failed[error.probe.cluster] = error
                self._start()
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
        capacity = self._intervals.of(best, k)
        rivals: list[Capacity] = []
        decisions: list[Decision] = []
        for other in (other for other in candidates if other != best):
            decision = self._against(other, capacity)
            if decision.state == "beyond":
                decisions.append(decision)
                continue
            k = self._likely(other, whole(self.rates.number(decision.probe.rate or 1.0)))
            found = self._intervals.of(other, self._floor if k is None else k)
            if found.carries_more_than(capacity):
                capacity, found = found, capacity
            rivals.append(found)
        return self._answer(capacity, rivals, decisions, pruned)

    # -- coarse --------------------------------------------------------------------------------------------------

    def _ends(self, space: Space) -> tuple[int, int]:
        """The lowest and the highest rate that are tried."""
        lowest = LOWEST if not space.horizon_s else max(LOWEST, _LEAST_REQUESTS / space.horizon_s)
        return whole(self.rates.number(lowest)) + UNIT, whole(self.rates.number(HIGHEST))

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
                below = whole(above)  # takes less than that
                self._shares[self._probe(other, below)] = self._shares[self._probe(other, above)]
                best, k = other, self._climb(other, below, _NEXT_STEP)
                self._view.bracket(self.rates[k], None)
        return best, k

    def _first(self, cluster: Cluster) -> int | None:
        """The greatest rate that the first candidate is likely to carry; None if not even the lowest."""
        guess = self._view.evidence.guess_per_s(cluster) or 1.0
        return self._likely(cluster, min(max(whole(self.rates.number(guess)), self._floor), self._ceiling))

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
        middle = carries + whole(round(part * (fails - carries)) + UNIT // 2)
        return min(max(middle, carries + UNIT), fails - UNIT)

    # -- the certificate -----------------------------------------------------------------------------------------

    def _against(self, other: Cluster, capacity: Capacity) -> Decision:
        """Whether a candidate fails at a rate that the interval may have as its upper end. One that is near the best
        one fails sooner at the highest of these rates."""
        high = self._ceiling if capacity.high is None else capacity.high
        k = self._raced.get(other, high)
        if k > high or not self._is_hopeless(other, k):
            k = high if capacity.low is None else max(high, self._intervals.widest(capacity.low))
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
        elif not self._intervals.is_narrow(capacity.low, high):
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
