"""A comparison of two configurations over their seeds: what the seeds show of it, in words, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sync.analysis.differences import Difference, difference_of
from sync.analysis.repeated import Repeated, interval_text
from sync.analysis.repetitions import FEW, Interval
from sync.analysis.seeds import CONFIDENCE_TEXT, TOO_FEW
from sync.analysis.texts import Table
from sync.results.metrics import METRICS
from sync.results.point_id import point_text

DECIDING = "e2e/p90_s"  # by which two configurations are told apart of which the SLO says the same
# The figures that are compared, by what they are called in a table.
FIGURES: Mapping[str, str] = {
    **{f"{metric.upper()} {name} (s)": f"{metric}/{name}_s" for metric in METRICS for name in ("p50", "p90", "p99")},
    "good requests (share)": "goodput/attainment",
    "machines busy (share)": "utilisation/mean",
}
_ORDER = ("within", "undecided", "beyond", "failed")
ONE_DRAW = (
    "Each was run with one seed: these differences are of one draw of the load and have no interval, and other seeds"
    " may show others."
)
SAME = "Both are seeds of one configuration: these are the differences that the load makes alone."


@dataclass(frozen=True)
class SeedComparison:
    """Two configurations with all of their seeds, the better one first where the seeds show that one is. `is_decided`:
    they do, by the SLO (`by_slo`), else by `DECIDING`. `differences`: by the name of a figure, where both have it."""

    better: Repeated
    worse: Repeated
    is_decided: bool
    by_slo: bool
    differences: Mapping[str, Difference]

    @property
    def have_intervals(self) -> bool:
        """Whether both have several seeds."""
        return min(self.better.seeds, self.worse.seeds) > 1


def compare_seeds(first: Repeated, second: Repeated) -> SeedComparison:
    """Find what the seeds of two configurations show. One is better where it is within the SLO and the other beyond it;
    of two with the same state the one that takes less time at p90 of E2E, if the interval of the difference shows it.
    One seed shows nothing of others."""
    states = [_ORDER.index(side.state) for side in (first, second)]
    by_slo = {first.state, second.state} == {"within", "beyond"}
    less = difference_of(first, second, DECIDING)
    by_time = states[0] == states[1] and less is not None and less.is_shown
    is_decided = min(first.seeds, second.seeds) > 1 and (by_slo or by_time)
    if is_decided:
        is_second = states[1] < states[0] if by_slo else less is not None and less.difference.mean > 0.0
        first, second = (second, first) if is_second else (first, second)
    found = {name: difference_of(first, second, name) for name in FIGURES.values()}
    known = {name: difference for name, difference in found.items() if difference is not None}
    return SeedComparison(first, second, is_decided, is_decided and by_slo, known)


def seeds_headline(found: SeedComparison) -> str:
    """What all seeds show of the two configurations, and nothing else. Of one seed see `one_draw`."""
    a, b = found.better, found.worse
    names = point_text(a.runs[0].point_id), point_text(b.runs[0].point_id)
    if found.by_slo:
        return f"{names[0]} beats {names[1]}: it is {a.text}; the other is {b.text}."
    judged = f"{names[0]} is {a.text}; {names[1]} is {b.text}."
    time = found.differences.get(DECIDING)
    if time is None:
        return f"These seeds do not tell which is better. {judged}"
    texts = f"{interval_text(time.one)} s against {interval_text(time.other)} s at p90 of E2E"
    if found.is_decided:
        return f"{names[0]} beats {names[1]}: its requests take less time, {texts}, {_by(time)}. {judged}"
    if time.is_shown:  # of different states of which one is undecided
        return f"By the SLO these seeds do not tell which is better: {judged} Times differ: {texts}, {_by(time)}."
    return f"No difference that these seeds show: {texts}, {_by(time)}. {judged}"


def one_draw(found: SeedComparison) -> str:
    """What one seed, or too few, leave open; empty where there are enough."""
    least, most = sorted((found.better.seeds, found.worse.seeds))
    if most == 1:
        return ONE_DRAW
    if least == 1:
        alone = next(side for side in (found.better, found.worse) if side.seeds == 1)
        name = point_text(alone.runs[0].point_id)
        return f"{name} was run with one seed: these differences are of one draw of its load and have no interval."
    return f"{TOO_FEW[:1].upper()}{TOO_FEW[1:]}." if least < FEW else ""


def _by(difference: Difference) -> str:
    """`a difference of -1.2 [-1.9, -0.5] s, a ratio of 0.87 [0.81, 0.94]`."""
    text = f"a difference of {interval_text(difference.difference)} s"
    return f"{text}, a ratio of {ratio_text(difference)}" if difference.ratio_interval else text


def ratio_text(difference: Difference) -> str:
    """`0.87 [0.81, 0.94]`."""
    between = difference.ratio_interval
    low, high = (None, None) if between is None else between
    return interval_text(Interval(difference.ratio, low, high, difference.difference.count))


def seeds_table(found: SeedComparison) -> Table:
    """The means of both configurations over their seeds, difference and ratio, each with its interval."""
    rows = [
        (
            head,
            interval_text(difference.one),
            interval_text(difference.other),
            interval_text(difference.difference),
            ratio_text(difference),
            "yes" if difference.is_shown else "no",
        )
        for head, name in FIGURES.items()
        if (difference := found.differences.get(name)) is not None
    ]
    counts = f"{found.better.seeds} and {found.worse.seeds} seeds"
    title = f"Means over {counts}, with their intervals at {CONFIDENCE_TEXT} by Student's t."
    heads = ("mean over seeds", "A", "B", "A-B", "A/B", "shown")
    return Table(title, heads, tuple(rows), words=frozenset({0, 5}), spare=(4,))


def seeds_json(found: SeedComparison) -> dict[str, Any]:
    """The comparison over seeds as plain values."""
    sides = {"better": found.better, "worse": found.worse}
    return {
        **{
            name: {"seeds": side.seeds, "state": side.state, "verdict": side.text, "keys": [r.key for r in side.runs]}
            for name, side in sides.items()
        },
        "is_decided": found.is_decided,
        "verdict": seeds_headline(found) if found.have_intervals else ONE_DRAW,
        "figures": {name: asdict(d) | {"is_shown": d.is_shown} for name, d in found.differences.items()},
    }
