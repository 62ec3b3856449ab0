"""How often the planner's intervals hold: `python benchmarks/planner_coverage.py --cache FILE [--searches N]`.

Each of three small clusters is run with many seeds at rates around its capacity. The share of all of these runs says
where the capacity is. Then the search of the project is repeated, each time with seeds drawn with replacement from
these runs, the same ones at all rates, and its intervals are held against that capacity. A second table has decisions
at a rate that is exactly the capacity: the counts beyond the limits are scaled so that the tightest share is 1.

Two tables in Markdown are printed. The first start takes some 20 CPU minutes; runs are kept in the cache file.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from math import exp, log
from pathlib import Path
from random import Random
from statistics import fmean

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.cases import ROOT
from benchmarks.planner_runs import Runs
from sweep.experiment.file import parse_experiment
from sweep.experiment.point import Outcome
from sweep.experiment.question import Question
from sweep.planner.evidence import Enough, Evidence, Probe, View
from sweep.planner.most import MostAnswer, MostSearch
from sweep.planner.probing import decide
from sweep.planner.rates import Rates, rates_of
from sweep.planner.space import Cluster, Space
from sweep.planner.spaces import spaces
from sync.analysis.repetitions import WINDOW, Sample, sample_of
from sync.results.slo import PAPER

DESIGNS = {
    "baseline-h100 3, conv": ("conv", "{baseline: dgx-h100}, axes: {machines: 3}"),
    "splitwise-hh 2+1, conv": (
        "conv",
        "{prompt: dgx-h100, token: dgx-h100}, axes: {prompt_machines: 2, token_machines: 1}",
    ),
    "splitwise-ha 3+2, code": (
        "code",
        "{prompt: dgx-h100, token: dgx-a100}, axes: {prompt_machines: 3, token_machines: 2}",
    ),
}
EXPERIMENT = """\
name: coverage
find: {most: rate}
overrides: {performance_model: db, trace.filename: "rr_%s_${rate}_%ds"}
systems: {cluster: {design: %s}}
"""
_ROOM = 256  # runs that a pass of a search may want


class Pool:
    """All runs of one cluster, by rate and seed. `seeds` is how many there are to draw from."""

    def __init__(self, space: Space, seeds: int, runs: Runs) -> None:
        self.space, self.seeds = space, seeds
        (family,) = space.families
        self.cluster: Cluster = space.cluster(0, next(family.sizes()))
        self._runs = runs
        self._outcomes: dict[float, dict[int, Outcome]] = {}
        self._samples: dict[tuple[float, tuple[int, ...]], Sample] = {}

    def make(self, wanted: set[tuple[float, int]]) -> None:
        """Run seeds at rates, unless they are known."""
        points = {place: self.space.point(self.cluster, *place) for place in sorted(wanted)}
        outcomes = self._runs.of(points.values())
        for (rate, seed), point in points.items():
            if outcomes[point.key].status == "failed":
                raise RuntimeError(outcomes[point.key].error)
            self._outcomes.setdefault(rate, {})[seed] = outcomes[point.key]

    def at(self, rate: float) -> Mapping[int, Outcome]:
        """The outcomes at a rate, by seed."""
        return self._outcomes.get(rate, {})

    def rates(self) -> list[float]:
        """The rates of which there are runs."""
        return sorted(self._outcomes)

    def sample(self, rate: float, seeds: Sequence[int]) -> Sample:
        """The counts of some seeds at a rate, which may occur more than once."""
        known = self.at(rate)
        key = rate, tuple(sorted(known))
        if key not in self._samples:
            found = sample_of([known[seed] for seed in key[1]], PAPER)
            assert found is not None
            self._samples[key] = found
        whole, rows = self._samples[key], np.searchsorted(key[1], seeds)
        return Sample(whole.limits, whole.requests[rows], whole.beyond[rows], 0)


class Drawn(Evidence):
    """The evidence of one search: its repetitions are the seeds `drawn` from a pool. `scale` multiplies the requests
    beyond limits."""

    def __init__(self, pool: Pool, drawn: Sequence[int], scale: float = 1.0) -> None:
        super().__init__(pool.space, PAPER)
        self._pool, self._drawn, self._scale = pool, drawn, scale
        self._found: dict[tuple[Probe, int], Sample] = {}

    def seed(self, repetition: int) -> int:
        """The seed of the pool that stands for a repetition."""
        return self._drawn[repetition]

    def runs(self, probe: Probe) -> Mapping[int, Outcome]:
        known = self._pool.at(probe.rate or 0.0)
        return {place: known[seed] for place, seed in enumerate(self._drawn) if seed in known}

    def known(self, cluster: Cluster) -> list[Probe]:
        return [Probe(cluster, rate) for rate in self._pool.rates()]

    def sample(self, probe: Probe, seeds: int, window: tuple[int, int] = WINDOW) -> Sample | None:
        if (probe, seeds) not in self._found:
            rate, drawn = probe.rate or 0.0, self._drawn[:seeds]
            if any(seed not in self._pool.at(rate) for seed in drawn):
                return None
            sample = self._pool.sample(rate, drawn)
            self._found[probe, seeds] = replace(sample, beyond=sample.beyond * self._scale)
        return self._found[probe, seeds]


@dataclass(frozen=True)
class Done:
    """A search that came to its end: its answer, and the number of runs that it rests on."""

    answer: MostAnswer
    runs: int


def searches(pool: Pool, question: Question, draws: Sequence[Sequence[int]]) -> list[Done]:
    """A search for each of `draws`, the seeds of its repetitions. Searches go on together: all runs that are wanted
    for certain are made before the next pass."""
    done: dict[int, Done] = {}
    under_way = {number: Drawn(pool, drawn) for number, drawn in enumerate(draws)}
    while under_way:
        wanted: set[tuple[float, int]] = set()
        for number, evidence in list(under_way.items()):
            view = View(evidence, _ROOM)
            with suppress(Enough):
                answer = MostSearch(view, question).run()
                if view.is_certain:
                    done[number] = Done(answer, len(view.used))
                    del under_way[number]
                    continue
            wanted |= {(run.probe.rate or 0.0, evidence.seed(run.seed)) for run in view.wanted if run.is_certain}
        if wanted:
            pool.make(wanted)
    return [done[number] for number in range(len(draws))]


def true_capacity(pool: Pool, rates: Sequence[float]) -> float:
    """Where the share of all seeds first crosses 1, on a line between the logarithms."""
    shares = [(rate, log(float(pool.sample(rate, range(pool.seeds)).shares().max()))) for rate in rates]
    for (rate, share), (above, beyond) in pairwise(shares):
        if share <= 0.0 < beyond:
            return rate * exp(log(above / rate) * -share / (beyond - share))
    raise RuntimeError(f"the share does not cross 1 from {rates[0]:g} to {rates[-1]:g} requests/s: {shares}")


def around(pool: Pool, question: Question, steps: int) -> list[float]:
    """The rates of the grid around the capacity, of which all seeds are run."""
    rates = Rates.for_width(question.width)
    (found,) = searches(pool, question, [[place % pool.seeds for place in range(question.seeds)]])
    middle = rates.number(found.answer.capacity.estimate)
    chosen = [rates[k] for k in range(middle - steps, middle + steps + 1)]
    pool.make({(rate, seed) for rate in chosen for seed in range(pool.seeds)})
    return chosen


def drawn_seeds(random: Random, pool: Pool, question: Question, count: int) -> list[list[int]]:
    """For each of `count` searches its seeds, drawn with replacement."""
    return [[random.randrange(pool.seeds) for _ in range(question.seeds)] for _ in range(count)]


def coverage_row(pool: Pool, question: Question, capacity: float, draws: Sequence[Sequence[int]]) -> Iterator[str]:
    """The cells of a cluster: how the intervals of the searches lie to the capacity."""
    rates, done = rates_of(question.width), searches(pool, question, draws)
    ends = [(end.answer.capacity.low, end.answer.high, end) for end in done]
    found = [(rates[low], rates[high], end) for low, high, end in ends if low is not None and high is not None]
    yield f"{capacity:.4g}"
    yield f"{sum(low > capacity for low, _, _ in found) / len(done):.1%}"
    yield f"{sum(high < capacity for _, high, _ in found) / len(done):.1%}"
    yield f"{sum(low <= capacity <= high for low, high, _ in found) / len(done):.1%}"
    yield f"{fmean(high / low - 1.0 for low, high, _ in found):.1%}" if found else "-"
    yield f"{fmean(end.answer.capacity.seeds for end in done):.0f}"
    yield f"{fmean(end.runs for end in done):.0f}"
    yield str(len(done) - len(found))


def decision_row(pool: Pool, question: Question, capacity: float, draws: Sequence[Sequence[int]]) -> Iterator[str]:
    """The cells of a cluster: what is decided at a rate of which the share is 1."""
    rates = Rates.for_width(question.width)
    rate = rates[rates.number(capacity)]
    scale = 1.0 / float(pool.sample(rate, range(pool.seeds)).shares().max())
    states, seeds = [], []
    for drawn in draws:
        view = View(Drawn(pool, drawn, scale), 0)
        probe = Probe(pool.cluster, rate)
        decision = decide(view, probe, question, "decision")
        states.append(decision.state)
        seeds.append(decision.seeds)
    yield f"{rate:g}"
    for state in ("within", "beyond", "undecided"):
        yield f"{states.count(state) / len(states):.1%}"
    yield f"{fmean(seeds):.0f}"


COVERAGE = ("capacity", "L too high", "U too low", "covers", "mean width", "mean seeds", "mean runs", "no interval")
DECISIONS = ("rate", "false pass", "false fail", "undecided", "mean seeds")


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=Path, metavar="FILE", required=True, help="where runs are kept")
    parser.add_argument("--clusters", nargs="*", choices=DESIGNS, default=list(DESIGNS), metavar="CLUSTER")
    parser.add_argument("--pool", type=int, default=70, help="seeds to draw from; default: %(default)s")
    parser.add_argument("--steps", type=int, default=8, help="rates of the grid to each side of the capacity")
    parser.add_argument("--searches", type=int, default=300, help="searches a cluster; default: %(default)s")
    parser.add_argument("--seconds", type=int, default=600, help="of traffic; default: %(default)s")
    parser.add_argument("--width", type=float, default=0.03, help="of an interval; default: %(default)s")
    parser.add_argument("--seeds", type=int, default=64, help="of a search at most; default: %(default)s")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    options = parser.parse_args()
    question = Question("most", "rate", width=options.width, seeds=options.seeds)
    tables: dict[tuple[str, ...], list[tuple[str, ...]]] = {COVERAGE: [], DECISIONS: []}
    with Runs(options.cache, options.processes) as runs:
        for name in options.clusters:
            workload, design = DESIGNS[name]
            experiment = parse_experiment(EXPERIMENT % (workload, options.seconds, design), "coverage.yaml")
            pool = Pool(spaces(experiment, (), ROOT)[0], options.pool, runs)
            capacity = true_capacity(pool, around(pool, question, options.steps))
            draws = drawn_seeds(Random(name), pool, question, options.searches)
            tables[COVERAGE].append((name, *coverage_row(pool, question, capacity, draws)))
            tables[DECISIONS].append((name, *decision_row(pool, question, capacity, draws)))
    for heads, rows in tables.items():
        print(f"\n| cluster | {' | '.join(heads)} |\n|{'---|' * (len(heads) + 1)}")
        for row in rows:
            print(f"| {' | '.join(row)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
