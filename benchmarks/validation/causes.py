"""What is known of errors, by rules that look at the points themselves."""

from __future__ import annotations

from collections.abc import Container, Hashable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.validation.errors import TPOT, TTFT, Comparison, Errors, errors_in, grouped, residual
from benchmarks.validation.points import Point

LEAST_POINTS = 8  # of a group that is listed
FACTOR_LEAVES = 10.0  # percent: what one factor may leave where it explains a group's errors
SAME_EXCESS = 0.5  # by how much of it an excess may differ from its median, in the median, to be called constant
LEAST_EXCESS_MS = 15.0
FEWER = 2.0  # times as many requests run at a time in the simulation, to be called the cause
NOT_MONOTONE = 1.25  # by how much a run is slower than one with more clients, to be called doubtful

CACHED_RUNS = "nvidia_Llama-3.1-8B-Instruct-FP8.csv"
DOUBTFUL = "doubtful: the same engine was faster with more clients"
PREFIX_HITS = "prompts computed faster than the GPU can: hits of a prefix cache, which the row does not tell"
NO_CAUSE = "not explained"


@dataclass(frozen=True, slots=True)
class Group:
    """Points of one engine, model, GPU and precision, with their errors in one metric."""

    name: tuple[str, ...]
    errors: Errors
    cause: str


def worst_groups(comparisons: Sequence[Comparison], metric: str, most: int) -> list[Group]:
    """The groups with the largest median errors, and what is known of them."""
    groups = []
    for members in grouped(comparisons, _group).values():
        errors = errors_in(members, metric)
        if errors is not None and errors.count >= LEAST_POINTS:
            groups.append(Group(_names(members[0].point), errors, _cause(members, metric)))
    return sorted(groups, key=lambda group: (-group.errors.median, group.name))[:most]


def _group(point: Point) -> Hashable:
    return _names(point)


def _names(point: Point) -> tuple[str, ...]:
    return point.backend, point.family, point.system, point.precision


def _cause(members: Sequence[Comparison], metric: str) -> str:
    """What explains the errors of a group, as far as its points tell."""
    if metric == TTFT and all(_hits_prefixes(each.point) for each in members):
        return PREFIX_HITS
    left = residual(members, metric)
    if left is not None and left.median <= FACTOR_LEAVES:
        factor = median(getattr(each.point, metric) / getattr(each.outcome, metric) for each in members)
        return f"one factor of {factor:.2f} would leave {left.median:.0f}%"
    if metric == TTFT:
        excess = [each.point.ttft_ms - each.outcome.ttft_ms for each in members]
        middle = median(excess)
        spread = median(abs(each - middle) for each in excess)
        if middle >= LEAST_EXCESS_MS and spread <= SAME_EXCESS * middle:
            return f"{middle:.0f} ms more at any load: what is not modelled before or after the prompt's step"
    return NO_CAUSE


def _hits_prefixes(point: Point) -> bool:
    """Whether a run is of those whose prompts were computed at 16 times the rate that the GPU has."""
    return point.source == CACHED_RUNS


def doubtful(comparisons: Sequence[Comparison]) -> set[str]:
    """The names of points that were slower than the same engine with more clients, by a wide margin in TPOT."""
    found = set()
    for members in grouped(comparisons, _without_load).values():
        points = sorted((each.point for each in members), key=lambda point: -point.concurrency)
        least = float("inf")
        for number, point in enumerate(points):
            if number and point.tpot_ms > NOT_MONOTONE * least and point.concurrency < points[0].concurrency:
                found.add(point.name)
            least = min(least, point.tpot_ms)
    return found


def _without_load(point: Point) -> Hashable:
    return (*_names(point), point.isl, point.osl, point.engine, point.prompts, point.decodes, point.is_inferencex)


def of_point(comparison: Comparison, doubtful: Container[str]) -> str:
    """What is known of the error of a point."""
    point, outcome = comparison.point, comparison.outcome
    if point.name in doubtful:
        return DOUBTFUL
    ran = running(point, point.ttft_ms, point.tpot_ms)
    if FEWER * ran <= running(point, outcome.ttft_ms, outcome.tpot_ms):
        return f"{ran:.0f} of its {point.concurrency} requests ran at a time, by Little's law; the others waited"
    return PREFIX_HITS if _hits_prefixes(point) else NO_CAUSE


def running(point: Point, ttft_ms: float, tpot_ms: float) -> float:
    """How many of the clients' requests get tokens at a time, in the mean."""
    decodes_ms = (point.osl - 1) * tpot_ms
    return point.concurrency * decodes_ms / (ttft_ms + decodes_ms)


def worst_points(comparisons: Sequence[Comparison], most: int) -> list[Comparison]:
    """The points with the largest errors in TPOT."""
    return sorted(comparisons, key=lambda each: (-abs(each.error(TPOT)), each.point.name))[:most]
