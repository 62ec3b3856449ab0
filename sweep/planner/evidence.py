"""What is known of the clusters of a space by runs, and how a search asks for more.

A search is a plain function that asks a `View` for samples, as if all runs had been made:

    sample = view.sample(Probe(cluster, rate), seeds=8, why="interval")

Where runs are missing, the view notes them as wanted and goes on with a guess, so that one pass through the search
yields what is needed for certain, the likeliest next runs after that, and a provisional answer. The answer counts when
a pass needed no guess. So it does not depend on the order of outcomes, nor on how many runs are made at once, and a
search that was interrupted goes on by being repeated over the outcomes that are known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, log

import numpy as np
import numpy.typing as npt

from sweep.experiment.point import Outcome
from sweep.planner.frontier import Frontiers
from sweep.planner.space import Cluster, Space
from sync.analysis.repetitions import WINDOW, Judgement, Sample, allowed_share, judge_sample, sample_of
from sync.analysis.shortage import short_of
from sync.results.slo import Slo

Tables = Callable[[str], bytes]

_SLOPE = 10.0  # of log share against log rate, for guesses: 6 to 31 were measured
_OF_BALANCED = 0.75  # the share of the rate of `Space.balanced_per_s` that a cluster is guessed to carry
_FAR = log(8.0)  # guesses stay within this of the limit


@dataclass(frozen=True)
class Probe:
    """A cluster at a rate (None: at the given load), over `longer` times the horizon: runs of it differ by seed."""

    cluster: Cluster
    rate: float | None
    longer: int = 1


@dataclass(frozen=True)
class Wanted:
    """A run that is wanted. `why` says what for; `is_certain`: it is needed whatever other runs give."""

    probe: Probe
    seed: int
    why: str
    is_certain: bool


class ProbeFailed(Exception):
    """A run of a probe failed, so that its cluster cannot be judged. `reason` is the run's error."""

    def __init__(self, probe: Probe, reason: str) -> None:
        super().__init__(reason)
        self.probe, self.reason = probe, reason


class Enough(Exception):
    """As many runs are wanted as there is room for."""


@dataclass(frozen=True)
class Look:
    """The logarithm of what repetitions take of their tightest limit: of all `together`, and of `each`. `common` is
    what all of them take at least of one limit."""

    together: float
    each: tuple[float, ...]
    common: float

    @classmethod
    def at(cls, sample: Sample) -> Look:
        """The shares of a sample."""
        together = log_shares(sample.requests.sum(0), sample.beyond.sum(0), sample.allowed)
        each = log_shares(sample.requests, sample.beyond, sample.allowed)
        return cls(float(together.max()), tuple(map(float, each.max(1))), float(each.min(0).max()))

    @property
    def agrees(self) -> bool:
        """Whether all repetitions are on one side of the limit."""
        return all(share <= 0.0 for share in self.each) or all(share > 0.0 for share in self.each)


class Evidence:
    """The outcomes of the probes of a space, by seed, each with counts by `slo`."""

    def __init__(self, space: Space, slo: Slo, tables: Tables = lambda key: b"") -> None:
        """`tables` gives the table of requests of a run by its key, empty where there is none."""
        self.space, self.slo, self.frontiers = space, slo, Frontiers(space)
        self._tables = tables
        self._shortages: dict[tuple[str, str], str] = {}  # by key and metric
        self._runs: dict[Probe, dict[int, Outcome]] = {}
        self._probes: dict[Cluster, list[Probe]] = {}  # over the horizon itself, of which there is an outcome
        self._samples: dict[tuple[Probe, int, tuple[int, int]], Sample | None] = {}
        self._guesses: dict[Cluster, float | None] = {}
        self._bounds: dict[Cluster, float | None] = {}
        self._looks: dict[tuple[Probe, int, tuple[int, int]], Look] = {}
        self._judged: dict[tuple[Probe, int, float | None, float | None], Judgement] = {}

    def add(self, probe: Probe, seed: int, outcome: Outcome) -> None:
        """Take the outcome of a run."""
        if probe not in self._runs and probe.longer == 1:
            self._probes.setdefault(probe.cluster, []).append(probe)
        self._runs.setdefault(probe, {})[seed] = outcome

    def runs(self, probe: Probe) -> Mapping[int, Outcome]:
        """The outcomes of a probe by seed."""
        return self._runs.get(probe, {})

    def shortage(self, probe: Probe, metric: str) -> str:
        """What the cluster of a probe lacks where a limit on `metric` is exceeded, by its first repetition."""
        run = self.runs(probe).get(0)
        if run is None or run.status == "failed":
            return ""
        if (run.key, metric) not in self._shortages:
            self._shortages[run.key, metric] = short_of(run, metric, self._tables(run.key))
        return self._shortages[run.key, metric]

    def bound_per_s(self, cluster: Cluster) -> float | None:
        """The bound of `Space.bound_per_s`, worked out once."""
        if cluster not in self._bounds:
            self._bounds[cluster] = self.space.bound_per_s(cluster)
        return self._bounds[cluster]

    def guess_per_s(self, cluster: Cluster) -> float | None:
        """A first guess at the rate that a cluster carries, worked out once; None: there is none."""
        if cluster not in self._guesses:
            balanced = self.space.balanced_per_s(cluster)
            self._guesses[cluster] = None if balanced is None else _OF_BALANCED * balanced
        return self._guesses[cluster]

    def known(self, cluster: Cluster) -> Sequence[Probe]:
        """The probes of a cluster of which there is an outcome, over the horizon itself."""
        return self._probes.get(cluster, ())

    def sample(self, probe: Probe, seeds: int, window: tuple[int, int] = WINDOW) -> Sample | None:
        """The counts of the first seeds of a probe; None unless all of them are known."""
        cache_key = probe, seeds, window
        if cache_key not in self._samples:
            runs = self.runs(probe)
            if any(seed not in runs for seed in range(seeds)):
                return None
            self._samples[cache_key] = sample_of([runs[seed] for seed in range(seeds)], self.slo, window)
        return self._samples[cache_key]

    def look(self, probe: Probe, sample: Sample, window: tuple[int, int]) -> Look:
        """The shares of a known sample of a probe, worked out once."""
        cache_key = probe, len(sample), window
        if cache_key not in self._looks:
            self._looks[cache_key] = Look.at(sample)
        return self._looks[cache_key]

    def judge(self, probe: Probe, sample: Sample, within: float | None, beyond: float | None) -> Judgement:
        """`judge_sample` of a known sample of a probe, worked out once."""
        cache_key = probe, len(sample), within, beyond
        if cache_key not in self._judged:
            self._judged[cache_key] = judge_sample(sample, within=within, beyond=beyond)
        return self._judged[cache_key]


@dataclass
class View:
    """One pass of a search over evidence. After the pass: `wanted` are the runs that were missing, `used` the runs
    that it rests on, `is_certain` is true if nothing was guessed, `low` and `high` are the bracket so far."""

    evidence: Evidence
    room: int
    wanted: list[Wanted] = field(default_factory=list)
    used: set[tuple[Probe, int]] = field(default_factory=set)
    is_certain: bool = True
    low: float | None = None
    high: float | None = None
    _asked: set[tuple[Probe, int]] = field(default_factory=set)

    def sample(self, probe: Probe, seeds: int, why: str, window: tuple[int, int] = WINDOW) -> Sample:
        """The counts of the first `seeds` repetitions of a probe; guessed, and noted as wanted, where runs are missing.

        A workload that is the same with all seeds has one repetition. Raises ProbeFailed where a run failed."""
        seeds = seeds if self.evidence.space.has_draws else 1
        runs = self.evidence.runs(probe)
        for seed in range(seeds):
            if seed in runs and runs[seed].status == "failed":
                raise ProbeFailed(probe, (runs[seed].error or "no reason given").splitlines()[0])
        sample = self.evidence.sample(probe, seeds, window)
        if sample is not None:
            self.used.update((probe, seed) for seed in range(seeds))
            return sample
        if all(seed in runs for seed in range(seeds)):
            raise ProbeFailed(probe, "the run did not count requests beyond the limits")
        self.need(probe, seeds, why)
        self.is_certain = False
        return self._guess(probe, seeds)

    def need(self, probe: Probe, seeds: int, why: str) -> None:
        """Note that a sample will be asked for, whatever the samples that are asked for in between give. Raises Enough
        where there is no more room."""
        runs = self.evidence.runs(probe)
        for seed in range(seeds if self.evidence.space.has_draws else 1):
            if seed not in runs and (probe, seed) not in self._asked:
                if len(self.wanted) >= self.room:
                    raise Enough
                self._asked.add((probe, seed))
                self.wanted.append(Wanted(probe, seed, why, self.is_certain))

    def judge(
        self, probe: Probe, seeds: int, why: str, *, within: float | None = None, beyond: float | None = None
    ) -> Judgement:
        """What the first `seeds` repetitions of a probe say; see `judge_sample`."""
        sample = self.sample(probe, seeds, why)
        if self.evidence.sample(probe, len(sample)) is sample:
            return self.evidence.judge(probe, sample, within, beyond)
        return judge_sample(sample, within=within, beyond=beyond)

    def look(self, probe: Probe, seeds: int, why: str, window: tuple[int, int] = WINDOW) -> Look:
        """The shares of the first `seeds` repetitions of a probe; see `sample`."""
        sample = self.sample(probe, seeds, why, window)
        if self.evidence.sample(probe, len(sample), window) is sample:
            return self.evidence.look(probe, sample, window)
        return Look.at(sample)

    def seeds_used(self, probe: Probe) -> int:
        """How many repetitions of a probe this pass rests on so far."""
        return max((seed + 1 for used, seed in self.used if used == probe), default=0)

    def bracket(self, low: float | None, high: float | None) -> None:
        """Note the bracket of the answer, as far as it is known for certain."""
        if self.is_certain:
            self.low, self.high = low, high

    # -- guesses -----------------------------------------------------------------------------------------------

    def _guess(self, probe: Probe, seeds: int) -> Sample:
        """The known repetitions, and likely ones in place of the others."""
        limits = tuple(self.evidence.slo.limits())
        allowed = np.array([allowed_share(limit) for limit in limits])
        runs = self.evidence.runs(probe)
        known = [run for seed, run in sorted(runs.items()) if seed < seeds]
        sample = sample_of(known, self.evidence.slo) if known else None
        if sample is not None and len(sample.limits) == len(limits):
            requests, beyond = sample.requests.mean(0), sample.beyond.mean(0)
            rows = [(sample.requests[n], sample.beyond[n]) for n in range(len(sample))]
        else:
            requests = np.full(len(limits), 10_000.0)
            beyond, rows = allowed * requests * exp(self.guessed_log_share(probe)), []
        rows += [(requests, beyond)] * (seeds - len(rows))
        return Sample(limits, np.array([row[0] for row in rows]), np.array([row[1] for row in rows]))

    def guessed_log_share(self, probe: Probe) -> float:
        """A guess at the logarithm of the share of the tightest limit, from other probes of the cluster, or from the
        rate that its tokens a second allow."""
        known = sorted((other.rate or 0.0, share) for other in self.evidence.known(probe.cluster)
                       if (share := self._log_share(other)) is not None)  # fmt: skip
        rate = probe.rate if probe.rate is not None else self.evidence.space.load
        if known and rate is not None and known[0][0] > 0.0:
            return _interpolated(known, rate)
        if known:
            return known[0][1]
        guess = self.evidence.guess_per_s(probe.cluster)
        if guess is None or rate is None:
            return -0.1
        return max(-_FAR, min(_FAR, _SLOPE * log(rate / guess)))

    def _log_share(self, probe: Probe) -> float | None:
        runs = self.evidence.runs(probe)
        seeds = next((seed for seed in range(len(runs) + 1) if seed not in runs), 0)
        if not seeds or any(runs[seed].status == "failed" for seed in range(seeds)):
            return None
        sample = self.evidence.sample(probe, seeds)
        return None if sample is None else self.evidence.look(probe, sample, WINDOW).together


def log_shares(
    requests: npt.NDArray[np.float64], beyond: npt.NDArray[np.float64], allowed: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    """The logarithms of what requests take of each limit, the last axis; half a request more than none."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found: npt.NDArray[np.float64] = np.log((beyond + 0.5) / np.maximum(allowed * requests, 1e-9))
    return found


def _interpolated(known: Sequence[tuple[float, float]], rate: float) -> float:
    """The guess at `rate` from known rates, ascending, with the logarithms of their shares."""
    below = [pair for pair in known if pair[0] <= rate]
    above = [pair for pair in known if pair[0] >= rate]
    if below and above and below[-1][0] < above[0][0]:
        (rate_a, share_a), (rate_b, share_b) = below[-1], above[0]
        return share_a + (share_b - share_a) * log(rate / rate_a) / log(rate_b / rate_a)
    near = below[-1] if below else above[0]
    return max(-_FAR, min(_FAR, near[1])) + _SLOPE * log(rate / near[0])
