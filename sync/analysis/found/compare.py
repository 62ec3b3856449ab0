"""Designs side by side: the interval of each answer, their ratios, and a sentence that says which one is the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from sync.analysis.found.texts import full_name, has_cluster, price, price_of, rate_interval
from sync.analysis.repetitions import ratio
from sync.analysis.texts import joined
from sync.results.found import Found, Plan
from sync.results.grouping import grouped


@dataclass(frozen=True)
class Ratio:
    """The answer of `one` divided by that of the `other`, with its interval."""

    one: Found
    other: Found
    low: float
    estimate: float
    high: float


def by_workload(plan: Plan) -> list[list[Found]]:
    """The answers of each workload and question, in their order."""
    return grouped(plan.found, lambda found: (found.workload, found.asks, found.measure, found.load))


def bracket(found: Found) -> tuple[float, float]:
    """The interval that the answer is known to be in: of `most` the rate, of `least` the value. A design that has no
    answer has (0, 0) for a rate, and infinite values."""
    if found.none:
        return (0.0, 0.0) if found.asks == "most" else (inf, inf)
    if found.asks == "most":
        if found.rate is not None:
            return found.rate.low, inf if found.rate.high is None else found.rate.high
        return found.low or 0.0, inf if found.high is None else found.high
    if found.value is None:
        return found.low or 0.0, inf
    if found.decided:
        return found.value, found.value
    cheaper = [price_of(checked, found.measure) for checked in found.undecided]
    return min([found.value, found.value if found.low is None else found.low, *cheaper]), found.value


def ratio_of(one: Found, other: Found) -> Ratio | None:
    """The ratio of two answers; None where one of them is open at an end, or is none."""
    ends = bracket(one), bracket(other)
    if not (has_cluster(one) and has_cluster(other)) or any(not 0.0 < end < inf for pair in ends for end in pair):
        return None
    low, high = ratio(*ends)
    return Ratio(one, other, low, _estimate(one) / _estimate(other), high)


def ratios(answers: Sequence[Found]) -> list[Ratio]:
    """The ratios of all pairs that have one, the better answer first in each."""
    ranked = best_first(answers)
    pairs = [(one, other) for place, one in enumerate(ranked) for other in ranked[place + 1 :]]
    return [found for one, other in pairs if (found := ratio_of(one, other)) is not None]


def reference(found: Found, answers: Sequence[Found]) -> Found | None:
    """The best of the baselines, which the design is compared to in its sentence; None for a baseline."""
    if _is_baseline(found):
        return None
    known = [other for other in answers if _is_baseline(other) and has_cluster(other)]
    return best_first(known)[0] if known else None


def best_first(answers: Sequence[Found]) -> list[Found]:
    """The answers that have a cluster, the best first."""
    known = [found for found in answers if has_cluster(found)]
    return sorted(known, key=lambda found: -bracket(found)[0] if found.asks == "most" else bracket(found)[1])


def comparison(answers: Sequence[Found]) -> str:
    """A sentence that says which of several designs is the best, or between which it is open; empty for one design."""
    ranked = best_first(answers)
    if len(answers) < 2 or not ranked:
        return ""
    best, most = ranked[0], ranked[0].asks == "most"
    rivals = [found for found in answers if found is not best and not found.none and _may_be_better(found, best)]
    without = [full_name(found) for found in answers if found.none]
    does = "cannot carry it" if not most else "carries nothing" if len(without) == 1 else "carry nothing"
    none = f" {joined(without)} {does}." if without else ""
    if rivals:
        names = joined([full_name(found) for found in [best, *rivals]])
        which = "carries most" if most else least_words(best.measure)
        return f"It is open which of {names} {which}: their intervals overlap ({_intervals([best, *rivals])}).{none}"
    verb = "carries most" if most else least_words(best.measure)
    text = f"Of the {len(answers)} designs {full_name(best)} {verb} ({_interval(best)})"
    if len(ranked) == 1:
        return f"{text}.{none}"
    if not most and bracket(ranked[1]) == bracket(best):
        return f"{text}, as does {full_name(ranked[1])}.{none}"
    apart = ": the intervals do not overlap" if most else ""
    return f"{text}; {full_name(ranked[1])} comes next ({_interval(ranked[1])}){apart}.{none}"


def least_words(measure: str) -> str:
    """`costs least`: what the answer to a question for the least does."""
    known = {"cost": "costs least", "watts": "draws least", "power": "has the least power weight"}
    return known.get(measure, "needs the fewest machines")


def _may_be_better(found: Found, best: Found) -> bool:
    """Whether the intervals leave open which of the two is the better one."""
    if found.asks == "most":
        return bracket(found)[1] > bracket(best)[0]
    return bracket(found)[0] < bracket(best)[1] or (bracket(best)[0] < bracket(best)[1] == bracket(found)[0])


def _intervals(answers: Sequence[Found]) -> str:
    return "; ".join(_interval(found) for found in answers)


def _interval(found: Found) -> str:
    """`150 to 153 requests/s`, `$739.84 an hour`, `open`."""
    if not has_cluster(found):
        return f"{full_name(found)}: open"
    if found.asks == "most" and found.rate is not None:
        return f"{rate_interval(found.rate)} requests/s"
    low, high = bracket(found)
    return price(high, found.measure) if low == high else f"{price(low, found.measure)} to {price(high, found.measure)}"


def _estimate(found: Found) -> float:
    return found.rate.estimate if found.asks == "most" and found.rate is not None else found.value or 0.0


def _is_baseline(found: Found) -> bool:
    return found.system.lower().startswith("baseline")
