"""How far a simulation is from what was measured, by group, and whether it orders configurations as measured."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import fmean, median

from benchmarks.validation.package import Estimate
from benchmarks.validation.points import Point
from benchmarks.validation.runs import Outcome

TTFT, TPOT = "ttft_ms", "tpot_ms"
LOADS = ((1, 8), (9, 32), (33, 128), (129, 1 << 30))  # clients
CLEAR, VERY_CLEAR = 1.1, 1.5  # by how much two measurements differ at least, where their order is asked


@dataclass(frozen=True, slots=True)
class Comparison:
    """A point, what the simulator says of it, and what the package itself says of it, if it does."""

    point: Point
    outcome: Outcome
    package: Estimate | None

    def error(self, metric: str) -> float:
        """The signed relative error, in percent."""
        return _error(getattr(self.outcome, metric), getattr(self.point, metric))

    def package_error(self, metric: str) -> float:
        assert self.package is not None
        return _error(getattr(self.package, metric), getattr(self.point, metric))


def _error(said: float, measured: float) -> float:
    return 100.0 * (said - measured) / measured


@dataclass(frozen=True, slots=True)
class Errors:
    """Of a group: figures of the relative errors' sizes, and the median of the signed ones, in percent."""

    count: int
    median: float
    mean: float
    p90: float
    bias: float


def errors_of(signed: Iterable[float]) -> Errors | None:
    """The figures of signed errors; None of nothing."""
    errors = list(signed)
    if not errors:
        return None
    sizes = sorted(map(abs, errors))
    return Errors(len(errors), median(sizes), fmean(sizes), percentile(sizes, 0.9), median(errors))


def percentile(ascending: Sequence[float], share: float) -> float:
    """Linear between ranks, as numpy's."""
    place = share * (len(ascending) - 1)
    low = int(place)
    high = min(low + 1, len(ascending) - 1)
    return ascending[low] + (ascending[high] - ascending[low]) * (place - low)


def errors_in(comparisons: Iterable[Comparison], metric: str) -> Errors | None:
    """Those of the simulator."""
    return errors_of(each.error(metric) for each in comparisons)


def package_errors_in(comparisons: Iterable[Comparison], metric: str) -> Errors | None:
    """Those of the package's own estimate, where it has one."""
    return errors_of(each.package_error(metric) for each in comparisons if each.package is not None)


def within(comparisons: Sequence[Comparison], metric: str, percent: float) -> float:
    """The share of points with an error of at most so many percent, in percent."""
    return 100.0 * sum(abs(each.error(metric)) <= percent for each in comparisons) / len(comparisons)


def load_of(point: Point) -> str:
    """The range of concurrency that a point is in."""
    low, high = next((low, high) for low, high in LOADS if low <= point.concurrency <= high)
    if high == LOADS[-1][1]:
        return f"{low} and more"
    return f"{low} to {high}"


def grouped(comparisons: Iterable[Comparison], key: Callable[[Point], Hashable]) -> dict[Hashable, list[Comparison]]:
    """The comparisons by a property of their points, in the order of their first ones."""
    groups: dict[Hashable, list[Comparison]] = {}
    for each in comparisons:
        groups.setdefault(key(each.point), []).append(each)
    return groups


# -- order ---------------------------------------------------------------------------------------------------------


def _workload(point: Point) -> tuple[Hashable, ...]:
    return point.family, point.isl, point.osl, point.concurrency


@dataclass(frozen=True, slots=True)
class Question:
    """Which of two configurations is better? `same`: what they share. `varied`: what they differ in."""

    name: str
    same: Callable[[Point], Hashable]
    varied: Callable[[Point], Hashable]


PARALLELISM = Question(
    "another parallelism; the same GPU, engine and precision",
    lambda point: (*_workload(point), point.system, point.backend, point.precision),
    lambda point: point.engine,
)
SYSTEM = Question(
    "another GPU; the same engine, precision and parallelism",
    lambda point: (*_workload(point), point.backend, point.precision, point.engine),
    lambda point: point.system,
)
ENGINE = Question(
    "another engine; the same GPU, precision and parallelism",
    lambda point: (*_workload(point), point.system, point.precision, point.engine),
    lambda point: point.backend,
)
QUESTIONS = (
    PARALLELISM,
    Question(
        "another parallelism or precision; the same GPU and engine",
        lambda point: (*_workload(point), point.system, point.backend),
        lambda point: (point.engine, point.precision),
    ),
    SYSTEM,
    ENGINE,
    Question(
        "any two configurations",
        _workload,
        lambda point: (point.system, point.backend, point.precision, point.engine),
    ),
)


@dataclass(frozen=True, slots=True)
class Order:
    """Of pairs that differ clearly in the measurement: how many there are, and how many are in the right order, in
    percent (None: there are none)."""

    pairs: int
    right: float | None
    very_clear_pairs: int
    very_clear_right: float | None


Value = Callable[[Point, float, float], float]  # of a point with its TTFT and TPOT in ms


def tokens_per_s(point: Point, ttft_ms: float, tpot_ms: float) -> float:
    """The output tokens a second of clients that send one request after the other."""
    return 1e3 * point.concurrency * point.osl / (ttft_ms + (point.osl - 1) * tpot_ms)


VALUES: dict[str, Value] = {
    "TTFT": lambda point, ttft_ms, tpot_ms: ttft_ms,
    "TPOT": lambda point, ttft_ms, tpot_ms: tpot_ms,
    "tokens/s": tokens_per_s,
    "tokens/s a GPU": lambda point, ttft_ms, tpot_ms: tokens_per_s(point, ttft_ms, tpot_ms) / point.gpus,
}


def order(comparisons: Iterable[Comparison], question: Question, value: Value) -> Order:
    """How often the simulator orders two points as the measurement does."""
    counts = [[0, 0], [0, 0]]  # pairs, and right ones, of those that differ clearly and very clearly
    for group in grouped(comparisons, question.same).values():
        values = [
            (
                question.varied(each.point),
                value(each.point, each.point.ttft_ms, each.point.tpot_ms),
                value(each.point, each.outcome.ttft_ms, each.outcome.tpot_ms),
            )
            for each in group
        ]
        for (one, true, said), (other, other_true, other_said) in combinations(values, 2):
            if one == other:
                continue
            ratio = max(true, other_true) / min(true, other_true)
            for count, least in zip(counts, (CLEAR, VERY_CLEAR), strict=True):
                if ratio > least:
                    count[0] += 1
                    count[1] += (true < other_true) == (said < other_said)
    (pairs, right), (very_clear, very_right) = counts
    return Order(pairs, _share(right, pairs), very_clear, _share(very_right, very_clear))


def _share(part: int, whole: int) -> float | None:
    return 100.0 * part / whole if whole else None


# -- noise and what remains ----------------------------------------------------------------------------------------


def noise(repeats: Iterable[tuple[Point, Point]], metric: str) -> tuple[float, float] | None:
    """By which factor two measurements of one configuration differ: the median, and the 90th percentile."""
    ratios = []
    for one, other in repeats:
        low, high = sorted((getattr(one, metric), getattr(other, metric)))
        ratios.append(high / low)
    ratios.sort()
    return (median(ratios), percentile(ratios, 0.9)) if ratios else None


def residual(comparisons: Iterable[Comparison], metric: str) -> Errors | None:
    """The errors that one factor for each (engine, GPU, model, precision) would leave. It is a diagnosis and no
    prediction: the factors are those of the very points."""
    left = []
    for group in grouped(comparisons, _stack).values():
        ratios = [getattr(each.point, metric) / getattr(each.outcome, metric) for each in group]
        factor = median(ratios)
        left += [_error(factor * getattr(each.outcome, metric), getattr(each.point, metric)) for each in group]
    return errors_of(left)


def _stack(point: Point) -> Hashable:
    return point.backend, point.system, point.family, point.precision
