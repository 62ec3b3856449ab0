"""What an experiment's `find:` asks.

    find: {most: rate}                                   # the highest rate that a cluster, or a design's best, carries
    find: {least: cost}                                  # the cheapest cluster of each design that carries the load
    find: {most: rate, width: 3%, confidence: 95%, seeds: 64}

`least` is one of cost, power, watts and machines. `width` is how wide the interval of a rate may be, as a share of its
lower end; clusters that are cheaper than the answer by less than that share get few seeds. `seeds` is how many
repetitions a probe may have at most.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sim_core.errors import SpecError, choices
from sync.analysis.repetitions import CONFIDENCE, FEW

Measure = Literal["rate", "cost", "power", "watts", "machines"]

MEASURES: Mapping[str, tuple[Measure, ...]] = {"most": ("rate",), "least": ("cost", "power", "watts", "machines")}
KEYS = ("most", "least", "width", "confidence", "seeds")
WIDTH = 0.03
MOST_SEEDS = 64
_LEAST_WIDTH, _MOST_WIDTH = 0.005, 1.0
_LEAST_CONFIDENCE, _MOST_CONFIDENCE = 0.5, 0.999
_SEEDS_LIMIT = 4096


@dataclass(frozen=True)
class Question:
    """`asks` for the `most` or the `least` of `measure`; `width`, `confidence` and `seeds` as above, as shares of 1."""

    asks: Literal["most", "least"]
    measure: Measure
    width: float = WIDTH
    confidence: float = CONFIDENCE
    seeds: int = MOST_SEEDS

    @property
    def level(self) -> float:
        """The error that each of the claims "carries" and "does not carry" may have."""
        return (1.0 - self.confidence) / 2.0


def parse_question(raw: object) -> Question | None:
    """The question of an experiment, None for none. Raises SpecError."""
    if raw is None:
        return None
    if not isinstance(raw, dict) or not raw:
        raise SpecError("say what to find, such as {most: rate} or {least: cost}", key="find", value=raw)
    for name in raw:
        if name not in KEYS:
            raise SpecError(f"unknown key{choices(name, KEYS)}", key=f"find.{name}")
    asked = [name for name in MEASURES if name in raw]
    if len(asked) != 1:
        reason = "say one of the two: most: rate, or least: cost (power, watts, machines)"
        raise SpecError(reason, key="find", value=raw)
    asks = asked[0]
    if raw[asks] not in MEASURES[asks]:
        reason = f"cannot be searched for{choices(raw[asks], MEASURES[asks])}"
        raise SpecError(reason, key=f"find.{asks}", value=raw[asks])
    return Question(
        asks="most" if asks == "most" else "least",
        measure=raw[asks],
        width=_share(raw, "width", WIDTH, _LEAST_WIDTH, _MOST_WIDTH),
        confidence=_share(raw, "confidence", CONFIDENCE, _LEAST_CONFIDENCE, _MOST_CONFIDENCE),
        seeds=_seeds(raw),
    )


def changed_question(question: Question | None, changes: Mapping[str, Any]) -> Question | None:
    """The question with other values of some of its keys, such as `{"width": "2%"}`; `most` and `least` replace one
    another. Raises SpecError."""
    raw: dict[str, Any] = {}
    if question is not None:
        raw = {"width": question.width, "confidence": question.confidence, "seeds": question.seeds}
        if not changes.keys() & MEASURES.keys():
            raw[question.asks] = question.measure
    return parse_question({**raw, **changes})


def _share(raw: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    """A share of 1, written as `3%` or `0.03`."""
    if (value := raw.get(name)) is None:
        return default
    reason = f"must be from {100 * low:g}% to {100 * high:g}%, such as {100 * default:g}%"
    text = str(value).strip()
    try:
        share = float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        raise SpecError(reason, key=f"find.{name}", value=value) from None
    if isinstance(value, bool) or not low <= share <= high:
        raise SpecError(reason, key=f"find.{name}", value=value)
    return share


def _seeds(raw: Mapping[str, Any]) -> int:
    if (value := raw.get("seeds")) is None:
        return MOST_SEEDS
    if isinstance(value, bool) or not isinstance(value, int) or not FEW <= value <= _SEEDS_LIMIT:
        reason = f"must be a whole number from {FEW} to {_SEEDS_LIMIT}: with fewer seeds intervals promise too much"
        raise SpecError(reason, key="find.seeds", value=value)
    return value
