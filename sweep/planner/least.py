"""The search for the cluster of a space that carries the load for the least price.

1. Coarse, with a few repetitions a probe: larger clusters are tried until one is likely to carry the load, and its
   numbers of machines are lowered in turn. Then each cheaper cluster that no other cheaper one exceeds (the frontier)
   is tried; one that carries the load is lowered in turn, and its price is the new one.
2. The decision: the cheapest that is likely to carry the load has to pass by Student's t; else the next one by price.
3. The certificate: every cluster of the frontier below the price fails. What lies below a failing cluster is taken to
   fail, too. A cluster that is not decided is named, and those just below it are tried in its place.
4. The audit: a part of the clusters that were taken to fail is probed after all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf, log

from sweep.experiment.question import Measure, Question
from sweep.planner.evidence import Probe, ProbeFailed, View
from sweep.planner.frontier import Frontiers, maximal
from sweep.planner.probing import LEAST_BEFORE_FUTILE, Decision, audited, coarse, decide
from sweep.planner.space import Cluster
from sync.results.found import Audit

_AT_BOUND = 0.75  # the share of its bound that a first cluster is guessed to carry
_GROWTH = 1.3  # of the first clusters that are tried
_GROWTH_STEP, _MOST_GROWN = 1.15, 6  # of clusters that are tried for a tenth more load


@dataclass(frozen=True)
class LeastAnswer:
    """`winner` is the decision on the cheapest cluster that carries the load (None: there is none that is known).
    `decisions` rule out cheaper ones, `undecided` are cheaper ones that are not decided. `audit`: what coarse looks at
    some of those that were taken to fail have shown."""

    winner: Decision | None
    decisions: tuple[Decision, ...]
    undecided: tuple[Decision, ...]
    audit: Audit | None = None
    why_open: str = ""


@dataclass
class LeastSearch:
    """The search over the clusters of a view's space, at the given load or at `rate`; with `reach` no cheaper clusters
    are tried that are less like the best one."""

    view: View
    question: Question
    rate: float | None = None
    reach: float = inf
    _coarse: dict[Cluster, bool] = field(default_factory=dict)
    _fails: list[Cluster] = field(default_factory=list)  # by coarse looks or decisions
    _decided: dict[Cluster, Decision] = field(default_factory=dict)

    def run(self) -> LeastAnswer:
        """Search."""
        price = self._price
        best = self._first()
        best = None if best is None else self._improved(best)
        winner = self._certified(self._winner(best))
        limit = None if winner is None else price(winner.probe.cluster)
        frontier = self._frontier_below(limit)
        failed = [d for d in self._decided.values() if d.state == "beyond" and _rules_out(d.probe.cluster, frontier)]
        left = [
            decision
            for cluster, decision in self._decided.items()
            if decision.state == "undecided" and (limit is None or price(cluster) < limit)
        ]
        audit = audited(self.view, self._inferred(limit, failed), self.rate)
        why = ""
        if winner is None and left:
            why = "no cluster passes for certain, and some do not fail for certain"
        if audit is not None and audit.violations:
            why = "a cluster that was taken to fail, since a larger one does, would carry the load"
        return LeastAnswer(winner, tuple(failed), tuple(left), audit, why)

    def likely_from(self, cluster: Cluster) -> Cluster | None:
        """The cheapest cluster that is likely to carry the load, looked for from a cluster that may be too small."""
        for _ in range(_MOST_GROWN):
            if self._carries(cluster, "a tenth more"):
                return self._improved(self._lowered(cluster))
            larger = self._frontiers.grown(cluster, _GROWTH_STEP)
            if larger == cluster:
                break
            cluster = larger
        return None

    # -- coarse --------------------------------------------------------------------------------------------------

    def _price(self, cluster: Cluster) -> float:
        return cluster.price(self.question.measure)

    def _below(self, price: float | None) -> tuple[Measure, float] | None:
        return None if price is None else (self.question.measure, price)

    @property
    def _frontiers(self) -> Frontiers:
        return self.view.evidence.frontiers

    def _probe(self, cluster: Cluster) -> Probe:
        return Probe(cluster, self.rate)

    def _carries(self, cluster: Cluster, why: str) -> bool:
        """Whether a cluster is likely to carry the load. One below a cluster that is not is taken not to, too."""
        if cluster not in self._coarse:
            if any(cluster.is_within(other) for other in self._fails):
                return False
            try:
                self._coarse[cluster] = coarse(self.view, self._probe(cluster), why) <= 0.0
            except ProbeFailed:
                self._coarse[cluster] = False
            if not self._coarse[cluster]:
                self._note_failing(cluster)
        return self._coarse[cluster]

    def _note_failing(self, cluster: Cluster) -> None:
        self._fails = [*(other for other in self._fails if not other.is_within(cluster)), cluster]

    def _first(self) -> Cluster | None:
        """A first cluster that is likely to carry the load; None where not even the largest ones do."""
        for family in self._frontiers.families:
            for cluster in self._growing(family):
                if self._carries(cluster, "bracket"):
                    return self._lowered(cluster)
        return None

    def _growing(self, family: int) -> Iterator[Cluster]:
        """Clusters of a family from a guess upwards to the largest; the parts of the roles stay alike."""
        space, bound_per_s = self.view.evidence.space, self.view.evidence.bound_per_s
        largest = self._frontiers.largest(family, None)
        load = self.rate if self.rate is not None else space.load
        top = max(largest, key=lambda cluster: (bound_per_s(cluster) or 0.0, -self._price(cluster)))
        bound = bound_per_s(top)
        part = load / (_AT_BOUND * bound) if bound and load else 1.0 / max(top.sizes, default=1)
        tried: set[tuple[int, ...]] = set()
        while part < 1.0:
            cluster = self._frontiers.part_of(top, part)
            if cluster.sizes not in tried:
                tried.add(cluster.sizes)
                yield cluster
            part *= _GROWTH
        yield from largest

    def _lowered(self, cluster: Cluster) -> Cluster:
        """The cluster with as few machines as it likely needs: each number in turn is lowered by halving."""
        counts = self.view.evidence.space.families[cluster.family].counts
        for place in reversed(range(len(cluster.sizes))):
            options = [count for count in counts[place] if count <= cluster.sizes[place]]
            fails, carries = -1, len(options) - 1
            while carries - fails > 1:
                middle = (fails + carries) // 2
                smaller = self._frontiers.with_count(cluster, place, options[middle])
                if smaller is not None and self._carries(smaller, "bracket"):
                    carries = middle
                else:
                    fails = middle
            cluster = self._frontiers.with_count(cluster, place, options[carries]) or cluster
            if self.rate is None:  # else it is the price of another load
                self.view.bracket(None, self._price(cluster))
        return cluster

    def _improved(self, best: Cluster) -> Cluster:
        """The cheapest cluster that is likely to carry the load."""
        while (cheaper := self._cheaper(best)) is not None:
            best = self._lowered(cheaper)
        return best

    def _cheaper(self, best: Cluster) -> Cluster | None:
        """A cheaper cluster that is likely to carry the load, those most like the best one first."""
        open_ones = self._open_frontier(self._price(best), lambda cluster: False)
        for cluster in sorted(open_ones, key=lambda cluster: _distance(cluster, best)):
            if _distance(cluster, best) <= self.reach and self._carries(cluster, "frontier"):
                return cluster
        return None

    def _frontier_below(self, price: float | None) -> list[Cluster]:
        families = self._frontiers.families
        return [cluster for family in families for cluster in self._frontiers.largest(family, self._below(price))]

    def _open_frontier(self, price: float | None, is_passed_over: Callable[[Cluster], bool]) -> list[Cluster]:
        """The clusters cheaper than `price` that no other such one exceeds, without those below one that fails."""
        found: list[Cluster] = []
        for family in self._frontiers.families:
            largest: Sequence[Cluster] = self._frontiers.largest(family, self._below(price))
            while any(map(is_passed_over, largest)):
                smaller = [p for c in largest if is_passed_over(c) for p in self._frontiers.predecessors(c)]
                kept = [cluster for cluster in largest if not is_passed_over(cluster)]
                largest = maximal([*kept, *smaller])
            found += [c for c in largest if not any(c.is_within(other) for other in self._fails)]
        return found

    # -- the decision --------------------------------------------------------------------------------------------

    def _decide(self, cluster: Cluster, why: str, *, is_to_pass: bool = False, most: int | None = None) -> Decision:
        """The decision on a cluster, kept unless it was given up because it is not to pass. One that does not pass is
        taken not to carry the load from now on. The answer claims that all cheaper ones fail, so it is wrong only if
        one that carries the load is said to fail: each is tested at the whole level."""
        if cluster not in self._decided:
            decision = decide(self.view, self._probe(cluster), self.question, why, is_to_pass=is_to_pass, most=most)
            if decision.state == "undecided" and is_to_pass:
                return decision
            self._decided[cluster] = decision
            self._coarse[cluster] = decision.state == "within"
            if decision.state == "beyond":
                self._note_failing(cluster)
        return self._decided[cluster]

    def _winner(self, best: Cluster | None) -> Decision | None:
        """The first cluster by price, from the likely best on, that passes. One that is not likely to is left to the
        certificate, which may need to know only that a larger one fails."""
        if best is None:
            return None
        for cluster in self._ascending(best):
            if not self._carries(cluster, "next by price"):
                continue
            decision = self._decide(cluster, "decision", is_to_pass=True)
            if decision.state == "within":
                return decision
        return None

    def _ascending(self, best: Cluster) -> Iterator[Cluster]:
        """The best cluster, then all that cost as much or more, by price; of one price those most like it first."""
        yield best

        def key(cluster: Cluster) -> tuple[float, ...]:
            return self._price(cluster), _distance(cluster, best)

        for cluster in self._frontiers.ascending((self.question.measure, self._price(best)), key):
            if cluster != best:
                yield cluster

    # -- the certificate -----------------------------------------------------------------------------------------

    def _certified(self, winner: Decision | None) -> Decision | None:
        """The cheapest cluster that passes: `winner`, or one below its price that turns out to pass after all. The
        frontier below it is decided then, and so is what is just below clusters that are not decided."""
        likely_fails, self._fails = self._fails, [c for c, d in self._decided.items() if d.state == "beyond"]

        def is_undecided(cluster: Cluster) -> bool:
            return cluster in self._decided and self._decided[cluster].state == "undecided"

        def next_ones() -> list[Cluster]:
            price = None if winner is None else self._price(winner.probe.cluster)
            found = self._open_frontier(price, is_undecided)
            return sorted(found, key=lambda c: (c in likely_fails, self._price(c), c.family, c.sizes))

        while likeliest := next_ones():
            for cluster in likeliest:
                self.view.need(self._probe(cluster), 1, "certificate")
            for cluster in likeliest:
                decision = self._decide(cluster, "certificate", most=self._most_seeds(cluster, winner))
                if decision.state == "within":
                    winner = decision
                    break
        return winner

    def _most_seeds(self, cluster: Cluster, winner: Decision | None) -> int | None:
        """The most seeds for a cluster that is cheaper than `winner`: few, if it is so by less than the width that was
        asked for."""
        if winner is None or self._price(cluster) < (1.0 - self.question.width) * self._price(winner.probe.cluster):
            return None
        return LEAST_BEFORE_FUTILE

    def _inferred(self, price: float | None, failed: Sequence[Decision]) -> list[Cluster]:
        """The clusters below a price that were taken to fail, since they are below one that fails."""
        tops = [decision.probe.cluster for decision in failed]
        return [
            cluster
            for family in self._frontiers.families
            for cluster in self._frontiers.members(family, self._below(price))
            if cluster not in self._decided and any(cluster.is_within(top) for top in tops)
        ]


def _rules_out(cluster: Cluster, frontier: Sequence[Cluster]) -> bool:
    """Whether it matters that a cluster fails: a cheaper one than the answer is as small, or smaller."""
    return any(other.is_within(cluster) or cluster.is_within(other) for other in frontier)


def _distance(cluster: Cluster, other: Cluster) -> float:
    """How unlike two clusters are: the largest ratio of their numbers of machines in a role."""
    if cluster.family != other.family:
        return log(1e6)
    return max((abs(log(a / b)) for a, b in zip(cluster.sizes, other.sizes, strict=True)), default=0.0)
