"""What an experiment plans: how many points, and which rates of which designs. Held against results, it says what is
still open."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Design = tuple[str, str, str]  # system, design, workload


@dataclass(frozen=True)
class Plan:
    """`points` counts all points of the experiment. `designs` are those whose points are known one by one, each with
    its rates (empty: its workload has no rate). `systems` are all systems of the experiment, each with the values of
    its axis `rate`; a sweep that was started with `--limit` knows more of them than points."""

    points: int
    designs: Mapping[Design, frozenset[float]] = field(default_factory=dict)
    systems: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def rates(self, design: Design, run: Iterable[float]) -> frozenset[float]:
        """The rates that are planned for a design; `run` are those that it was run at."""
        known = self.designs.get(design, frozenset()).union(run)
        axis = frozenset(self.systems.get(design[0], ()))
        # an axis `rate` may be something else than the rate of the trace: then the design's rates are not on it
        return known | axis if known and known <= axis else known

    def never_run(self, run: Iterable[Design]) -> list[Design]:
        """The designs none of whose points was run; a system whose designs are not known stands for them, with an empty
        design and workload."""
        ran = list(run)
        designs = [design for design in self.designs if design not in ran]
        named = {system for system, _, _ in (*ran, *designs)}
        return designs + [(system, "", "") for system in self.systems if system not in named]


def plan_of(points: int, systems: Mapping[str, Sequence[float]], facts: Iterable[Mapping[str, Any]]) -> Plan:
    """The plan of an experiment with so many points at least; `facts` describe those that are known (`facts_of` a
    point). Facts of one point under several keys, which newer code gave it, are one point."""
    designs: dict[Design, set[float]] = {}
    known = set()
    for fact in facts:
        design, rate = (fact["system"], fact["design"], fact["workload"]), fact.get("rate")
        rates = designs.setdefault(design, set())
        if rate is not None:
            rates.add(float(rate))
        known.add((design, rate, fact.get("seed", fact.get("name")), fact.get("trace")))
    counted = max(points, len(known))
    return Plan(counted, {design: frozenset(rates) for design, rates in designs.items()}, dict(systems))


def joined_systems(parts: Iterable[Mapping[str, Sequence[float]]]) -> dict[str, list[float]]:
    """The systems of several starts of an experiment, each with the rates of all of them."""
    found: dict[str, set[float]] = {}
    for part in parts:
        for system, rates in part.items():
            found.setdefault(system, set()).update(rates)
    return {system: sorted(rates) for system, rates in found.items()}
