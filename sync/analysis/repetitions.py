"""What repetitions, runs that differ by their seed alone, say of an SLO together, and how sure that is.

A limit (x, q, v) allows a share 1 - q of requests beyond v. Of each repetition N requests have the figure and E are
beyond the limit; these arrive in `WINDOW` of the horizon. The question is whether E[E] <= (1 - q) E[N], which says that
the percentile over the requests of all possible repetitions is within the limit. Counts of independent runs have no
bias at any horizon, as percentiles have. With D = E - (1 - q) N, n repetitions, a = mean((1 - q) N) and s the standard
deviation of D:

    beyond the limit   t = mean(D) sqrt(n) / s
    within the limit   the same, times r = 1 + mean(D) / a, but at least 1/2 and at most 1: the spread of D grows with
                       its mean, so a plain t below the limit would promise too much

Measured coverage: docs/planning.md. From `FEW` repetitions on these tests keep their level; with fewer they promise
too much, and one repetition has no spread at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from math import inf, isfinite, nan, sqrt
from statistics import fmean, stdev
from typing import Literal

import numpy as np
import numpy.typing as npt

from sync.results.counts import BLOCKS, beyond_of, column_of
from sync.results.outcome import Outcome
from sync.results.slo import Limit, Slo

State = Literal["within", "beyond", "undecided"]

WINDOW = (BLOCKS // 10, BLOCKS - BLOCKS // 10)  # blocks of the horizon: 0.1 to 0.9 of it
LAST_THIRD = (BLOCKS - BLOCKS // 3, BLOCKS)
CONFIDENCE = 0.95
FEW = 8  # repetitions; with fewer an interval promises more than its confidence
_LEAST_SPREAD = 1e-9  # of counts that are all equal
_IN_PLAY = 0.5  # of what a limit allows: one that is taken of less cannot be found beyond, and shares no error


@dataclass(frozen=True)
class Sample:
    """Counts of repetitions: a row each, a column for each of `limits`. `requests` are those that have the figure,
    `beyond` those beyond the limit. `unserved` counts requests that were rejected or left unfinished."""

    limits: tuple[Limit, ...]
    requests: npt.NDArray[np.float64]
    beyond: npt.NDArray[np.float64]
    unserved: int = 0

    def __len__(self) -> int:
        """The number of repetitions."""
        return len(self.requests)

    @property
    def allowed(self) -> npt.NDArray[np.float64]:
        """The share of requests that may be beyond each limit."""
        return np.array([allowed_share(limit) for limit in self.limits])

    def shares(self) -> npt.NDArray[np.float64]:
        """Of each limit what the requests of all repetitions take of it: 1 is at the limit, NaN is not measured."""
        may_be = self.allowed * self.requests.sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            shares: npt.NDArray[np.float64] = self.beyond.sum(0) / may_be
        return shares


@dataclass(frozen=True)
class Judgement:
    """What a sample says. `share`: what the tightest limit, `limit`, is taken of; 1 is at the limit (inf: requests were
    not served, NaN: figures are missing). `low` and `high`: the interval of this share at the confidence asked for
    (None: one repetition has none). `t_within` is the largest over all limits of the statistic for "within", the more
    negative the surer; `t_beyond` the largest of that for "beyond"."""

    state: State
    seeds: int
    share: float
    limit: Limit | None
    low: float | None
    high: float | None
    t_within: float
    t_beyond: float
    unserved: int = 0

    @property
    def is_sure(self) -> bool:
        """Whether there are enough repetitions for the level that was asked for."""
        return self.seeds >= FEW


@dataclass(frozen=True)
class Interval:
    """A mean with its interval; `low` and `high` are None where one value has none."""

    mean: float
    low: float | None
    high: float | None
    count: int


def allowed_share(limit: Limit) -> float:
    """The share of requests that may be beyond a limit: 0.01 of p99."""
    return 1.0 - float(limit.percentile[1:]) / 100.0


def sample_of(runs: Sequence[Outcome], slo: Slo, window: tuple[int, int] = WINDOW) -> Sample | None:
    """The sample of runs that have counts by `slo` (`sync.results.goodput.with_counts`); None where one has none, and
    where the SLO has no limits. A limit on the time between tokens is left out where no request has two tokens."""
    limits = [limit for limit in slo.limits() if not _is_void(limit, runs)]
    if not limits or not runs or any(beyond_of(limit) not in run.counts for limit in limits for run in runs):
        return None
    begin, end = window
    return Sample(
        limits=tuple(limits),
        requests=np.array([[sum(run.counts[column_of(lim)][begin:end]) for lim in limits] for run in runs], float),
        beyond=np.array([[sum(run.counts[beyond_of(lim)][begin:end]) for lim in limits] for run in runs], float),
        unserved=int(sum(run.unserved for run in runs)),
    )


def _is_void(limit: Limit, runs: Iterable[Outcome]) -> bool:
    return limit.metric == "tbt" and all(limit.is_void(run.summary) for run in runs)


def judge_sample(
    sample: Sample, confidence: float = CONFIDENCE, *, within: float | None = None, beyond: float | None = None
) -> Judgement:
    """What a sample says at a confidence. `within` and `beyond` are the errors that these two claims may have (default:
    half of what the confidence leaves); whoever makes several claims shares the error out among them.

    All limits have to be within, so each is tested at the whole level. One that is beyond is enough, so the level is
    shared among the limits of which at least half is taken. Requests that were not served are beyond all limits,
    whatever the statistic says.
    """
    within, beyond = ((1.0 - confidence) / 2.0 if level is None else level for level in (within, beyond))
    seeds, shares = len(sample), sample.shares()
    if not np.isfinite(shares).all():  # a limit whose figure was not measured is never within
        limit = sample.limits[int(np.argmin(np.isfinite(shares)))]
        return Judgement("beyond", seeds, nan, limit, None, None, inf, inf, sample.unserved)
    worst = int(shares.argmax())
    share, limit = float(shares[worst]), sample.limits[worst]
    low, high, t_within, t_beyond = _statistics(sample, worst, confidence)
    state: State = "undecided"
    if sample.unserved:
        state = "beyond"
    elif seeds == 1:
        state = "within" if share <= 1.0 else "beyond"
    elif t_within <= -quantile(1.0 - within, seeds - 1):
        state = "within"
    elif t_beyond >= quantile(1.0 - beyond / max(1, int((shares >= _IN_PLAY).sum())), seeds - 1):
        state = "beyond"
    return Judgement(state, seeds, share, limit, low, high, t_within, t_beyond, sample.unserved)


def _statistics(sample: Sample, worst: int, confidence: float) -> tuple[float | None, float | None, float, float]:
    """The interval of the share of the limit `worst`, and the largest statistics for "within" and for "beyond"."""
    seeds = len(sample)
    if seeds < 2:
        return None, None, nan, nan
    differences = sample.beyond - sample.allowed * sample.requests
    means, may_be = differences.mean(0), (sample.allowed * sample.requests).mean(0)
    error = np.maximum(differences.std(0, ddof=1), _LEAST_SPREAD) / sqrt(seeds)
    scale = np.clip(1.0 + means / may_be, 0.5, 1.0)
    reach = quantile(0.5 + confidence / 2.0, seeds - 1) * float(error[worst]) / float(may_be[worst])
    share = 1.0 + float(means[worst]) / float(may_be[worst])
    return max(0.0, share - reach), share + reach, float((means / error * scale).max()), float((means / error).max())


@cache
def quantile(probability: float, freedom: int) -> float:
    """The quantile of Student's t."""
    from scipy.special import stdtrit  # here: the import takes 0.1 s, which a sweep of one seed does without

    return float(stdtrit(freedom, probability))


def mean_interval(values: Iterable[float], confidence: float = CONFIDENCE) -> Interval | None:
    """The mean of a figure over repetitions, with the interval of Student's t. None where no value is finite."""
    known = [value for value in values if isfinite(value)]
    if not known:
        return None
    mean = fmean(known)
    if len(known) < 2:
        return Interval(mean, None, None, len(known))
    reach = quantile(0.5 + confidence / 2.0, len(known) - 1) * stdev(known) / sqrt(len(known))
    return Interval(mean, mean - reach, mean + reach, len(known))


def ratio(one: tuple[float, float], other: tuple[float, float]) -> tuple[float, float]:
    """The interval of a ratio from the intervals of two figures above 0: the least over the most, and the reverse. Each
    interval at half the error that the ratio may have keeps its level; intervals at the same confidence make that of
    the ratio a little too sure. Seeds that two designs share narrow it by little (docs/planning.md)."""
    return one[0] / other[1], one[1] / other[0]
