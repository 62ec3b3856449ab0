"""From the answer of a search to what is told of it: the cluster, what stops the next smaller one, the longer horizon,
what a tenth more load costs, and the certificate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import inf
from typing import Any

from sim_core.errors import SimError
from sweep.experiment.question import Question
from sweep.planner.evidence import Probe, ProbeFailed, View
from sweep.planner.interval import Capacity
from sweep.planner.least import LeastSearch
from sweep.planner.most import MostSearch
from sweep.planner.probing import Decision, audited, checked, coarse, explained, facts_of, finite
from sweep.planner.rates import DIGITS
from sweep.tally import simulated_requests
from sync.analysis.repetitions import LAST_THIRD, State, judge_sample
from sync.results.found import Checked, Found, Longer, More, Rate

LONGER = 6  # times the horizon: ten minutes become an hour
_LONGER_SEEDS = (2, 4)  # more where the first two do not agree
_MORE = 1.1  # times the load
_MORE_REACH = 0.35  # how unlike the answer the cluster for a tenth more load may be, as a logarithm of a ratio
_CLUSTER_FACTS = ("design", "machines", "roles", "cost", "power", "watts")


@dataclass
class Explained:
    """The answer of one pass of a search, as it is told."""

    view: View
    question: Question

    def found(self) -> Found:
        """Search, and tell what was found. It counts if the view is certain after it."""
        return self._most() if self.question.asks == "most" else self._least()

    def start(self) -> Found:
        """What is told before anything is found."""
        space = self.view.evidence.space
        return Found(
            system=space.system,
            workload=space.workload,
            asks=self.question.asks,
            measure=self.question.measure,
            confidence=self.question.confidence,
            width=self.question.width,
            load=space.load,
            horizon_s=space.horizon_s,
            low=self.view.low,
            high=self.view.high,
            why_open="the search is under way",
        )

    # -- the highest rate ----------------------------------------------------------------------------------------

    def _most(self) -> Found:
        search = MostSearch(self.view, self.question)
        answer = search.run()
        capacity, rates = answer.capacity, search.rates
        found = replace(
            self.start(),
            certificate=tuple(checked(self.view, decision) for decision in answer.decisions)
            + tuple(self._rival(rival, search) for rival in answer.rivals),
            why_open=answer.why_open or self._without_draws(),
        )
        if capacity.low is None:
            limits = [d.judgement.limit for d in answer.decisions if d.judgement and d.judgement.limit]
            high = None if answer.high is None else rates[answer.high]
            own = Rate(0.0, 0.0, high)
            found = replace(found, none=not answer.why_open, rate=own, binding=limits[0].told() if limits else "")
            return self._counted(replace(found, decided=not found.why_open))
        low, high = rates[capacity.low], None if answer.high is None else rates[answer.high]
        probe = Probe(capacity.cluster, low)
        found = replace(found, **self._cluster(probe), rate=Rate(low, capacity.estimate, high), seeds=capacity.seeds)
        next_up = self._beyond(capacity, search)
        found = replace(
            found,
            share=None if capacity.at_low is None else capacity.at_low.share,
            next=next_up,
            binding=next_up[0].limit if next_up else "",
            short_of=next_up[0].short_of if next_up else "",
            more=More(_tenth_more(low), _MORE * found.cost, found.design, 0, is_in_proportion=True),
            audit=audited(self.view, answer.pruned, low if high is None else high),
        )
        if found.audit is not None and found.audit.violations:
            found = replace(found, why_open="a smaller cluster, which was taken to carry less, carries more")
        longer = self._longer(probe)
        found = replace(found, longer=longer, holds_longer=None if longer is None else longer.holds)
        return self._counted(replace(found, low=low, high=high, decided=not found.why_open))

    def _rival(self, rival: Capacity, search: MostSearch) -> Checked:
        """A candidate that may carry as much as the best one."""
        k = rival.high if rival.high is not None else rival.low or 0
        decision = Decision(Probe(rival.cluster, search.rates[k]), "undecided", rival.seeds, rival.at_high)
        low = "no rate" if rival.low is None else f"{search.rates[rival.low]:g}"
        return replace(checked(self.view, decision), verdict="undecided", below="", limit=f"carries {low}, too")

    def _beyond(self, capacity: Capacity, search: MostSearch) -> tuple[Checked, ...]:
        """What stops the best candidate at the next rate."""
        if capacity.high is None:
            return ()
        probe = Probe(capacity.cluster, search.rates[capacity.high])
        return (explained(self.view, Decision(probe, "beyond", capacity.seeds, capacity.at_high)),)

    # -- the least price -----------------------------------------------------------------------------------------

    def _least(self) -> Found:
        search = LeastSearch(self.view, self.question)
        answer = search.run()
        found = replace(
            self.start(),
            certificate=tuple(checked(self.view, decision) for decision in answer.decisions),
            undecided=tuple(checked(self.view, decision) for decision in answer.undecided),
            audit=answer.audit,
            why_open=answer.why_open or self._without_draws(),
        )
        if answer.winner is None:
            judged = [d.judgement for d in answer.decisions if d.judgement]
            limits = [judgement.limit.told() for judgement in judged if judgement.limit]
            found = replace(found, none=not answer.undecided, binding=limits[0] if limits else "")
            return self._counted(replace(found, decided=not found.why_open and not found.undecided))
        probe = answer.winner.probe
        found = replace(found, **self._cluster(probe), seeds=answer.winner.seeds)
        value = probe.cluster.price(self.question.measure)
        judgement = answer.winner.judgement
        smaller = self._smaller(probe)
        nearest = min(smaller, key=lambda line: line.share if line.share is not None else inf, default=None)
        own = "" if judgement is None or judgement.limit is None else judgement.limit.told()
        found = replace(
            found,
            value=value,
            high=value,
            share=None if judgement is None else judgement.share,
            next=smaller,
            binding=nearest.limit if nearest else own,
            short_of=nearest.short_of if nearest else "",
            more=self._more(probe),
        )
        longer = self._longer(probe)
        found = replace(found, longer=longer, holds_longer=None if longer is None else longer.holds)
        least = min([value, *(d.probe.cluster.price(self.question.measure) for d in answer.undecided)])
        return self._counted(replace(found, low=least, decided=not found.why_open and not found.undecided))

    def _smaller(self, probe: Probe) -> tuple[Checked, ...]:
        """The clusters with one machine fewer in a role, and what stops them."""
        found = []
        for cluster in self.view.evidence.frontiers.predecessors(probe.cluster):
            smaller = replace(probe, cluster=cluster)
            try:
                coarse(self.view, smaller, "next smaller")
                judgement = self.view.judge(smaller, self.view.seeds_used(smaller) or 2, "next smaller")
            except ProbeFailed:
                continue
            state: State = "beyond" if judgement.share > 1.0 or judgement.state == "beyond" else "undecided"
            found.append(explained(self.view, Decision(smaller, state, judgement.seeds, judgement)))
        return tuple(found)

    def _more(self, probe: Probe) -> More | None:
        """What a tenth more load costs, by a few repetitions; None where the workload has no other rate."""
        space = self.view.evidence.space
        if space.load is None:
            return None
        rate = _tenth_more(space.load)
        try:
            space.point(probe.cluster, rate, 0)
            search = LeastSearch(self.view, self.question, rate, _MORE_REACH)
            cluster = search.likely_from(probe.cluster)
        except SimError:
            return None
        if cluster is None:
            return None
        probe = Probe(cluster, rate)
        facts = facts_of(self.view, probe)
        return More(rate, facts["cost"], facts["design"], self.view.seeds_used(probe))

    # -- both ----------------------------------------------------------------------------------------------------

    def _cluster(self, probe: Probe) -> dict[str, Any]:
        facts = facts_of(self.view, probe)
        return {name: facts[name] for name in _CLUSTER_FACTS}

    def _without_draws(self) -> str:
        if self.view.evidence.space.has_draws:
            return ""
        return "the workload is one written trace, the same with all seeds: its answer has no interval"

    def _longer(self, probe: Probe) -> Longer | None:
        """The answer over a longer horizon; None where the workload cannot be longer, or a run failed."""
        space = self.view.evidence.space
        if not space.can_last_longer() or space.horizon_s is None:
            return None
        probe = replace(probe, longer=LONGER)
        try:
            few, more = _LONGER_SEEDS
            seeds = few if self.view.look(probe, few, "longer horizon", LAST_THIRD).agrees else more
            sample = self.view.sample(probe, seeds, "longer horizon", LAST_THIRD)
        except ProbeFailed:
            return None
        judgement = judge_sample(sample)
        limit = "" if judgement.limit is None else judgement.limit.told()
        holds = judgement.share <= 1.0 and not judgement.unserved
        return Longer(LONGER * space.horizon_s, len(sample), finite(judgement.share), limit, holds)

    def _counted(self, found: Found) -> Found:
        """The answer with the number of probes, runs and requests that it rests on."""
        runs = [self.view.evidence.runs(probe)[seed] for probe, seed in self.view.used]
        probes = len({probe for probe, _ in self.view.used})
        return replace(found, probes=probes, runs=len(runs), requests=sum(map(simulated_requests, runs)))


def _tenth_more(rate: float) -> float:
    return float(f"{_MORE * rate:.{DIGITS}g}")
