"""All designs of a workload in order, with their ties, and how much each axis of the experiment matters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Literal

from sync.analysis.answers.base import AxisEffect, Configuration, DrawsBy, Ranked
from sync.analysis.repetitions import Judgement
from sync.results.grouping import grouped

SYSTEM = "system"
_ORDER = {"carries": 0, "undecided": 1, "open": 2, "none": 3}  # by state


def drawn(member: Configuration | Ranked, draws_by: DrawsBy) -> float:
    """What a design draws: W by nameplate, or the paper's weight."""
    return member.watts if draws_by == "watts" else member.power


def order(member: Configuration, draws_by: DrawsBy) -> tuple[float, ...]:
    """The highest rate first, of equals the cheapest, then the one that draws least, then the one with the most room
    below its limits. Those that carry nothing follow, the one nearest to its limits first."""
    if member.state == "carries":
        room = math.inf if member.tightest is None else member.tightest
        return 0, -(member.carries or 0.0), member.cost, drawn(member, draws_by), member.machine_count, room
    share = math.inf if member.lowest is None else member.lowest[0]
    return _ORDER[member.state], -max(member.above, default=0.0), share, member.cost, 0.0, 0.0


def ranking(members: Sequence[Configuration], draws_by: DrawsBy) -> tuple[Ranked, ...]:
    """All configurations, the best first; see `Ranked`."""
    ordered = sorted(members, key=lambda member: order(member, draws_by))
    found: list[Ranked] = []
    for number, member in enumerate(ordered, 1):
        place = None
        if member.state == "carries":
            before = ordered[number - 2] if number > 1 else None
            is_tie = before is not None and (before.carries, before.cost) == (member.carries, member.cost)
            place = found[-1].place if is_tie else number
        lowest = min(member.rates, default=None)
        judgement = member.judgement if place else _at(member, lowest)
        share, limit = (member.tightest, member.limit) if place else member.lowest or (None, None)
        found.append(
            Ranked(
                place=place,
                design=member.design,
                state=member.state,
                carries=member.carries,
                at_least=member.may_carry_more,
                rate=member.carries if place else lowest,
                share=share,
                limit=limit,
                cost=member.cost,
                power=member.power,
                watts=member.watts,
                less_than=None if member.interval is None else member.interval[1],
                low=None if judgement is None else judgement.low,
                high=None if judgement is None else judgement.high,
            )
        )
    return tuple(found)


def _at(member: Configuration, rate: float | None) -> Judgement | None:
    return next((standing.judgement for standing in member.at if standing.rate == rate), None)


def axis_effects(members: Sequence[Configuration]) -> tuple[AxisEffect, ...]:
    """The axes in which configurations differ, the one that matters most first. Configurations of which a rate that
    decides is open or undecided are left out."""
    one_rate = len({rate for member in members for rate in member.rates}) <= 1
    known = [member for member in members if _figure(member, one_rate) is not None]
    axes = list(dict.fromkeys(axis for member in known for axis in member.axes))
    varied = [axis for axis in axes if len({repr(member.axes.get(axis)) for member in known}) > 1]
    effects = [_effect(known, axis, [other for other in varied if other != axis], one_rate) for axis in varied]
    effects.append(_effect_of_system(known, varied, one_rate))
    return tuple(sorted(filter(None, effects), key=lambda effect: (-effect.mean, -effect.largest, effect.axis)))


def _figure(member: Configuration, one_rate: bool) -> float | None:
    """What is compared: the carried rate (0 for none), or the attainment at the one rate; None where it is open, or
    undecided whether there is any."""
    if one_rate:
        return member.attainment
    return None if member.missing or member.state == "undecided" else member.carries or 0.0


def _effect(members: Sequence[Configuration], axis: str, others: Sequence[str], one_rate: bool) -> AxisEffect | None:
    """The effect of an axis: within a system, with all other axes the same."""
    having = [member for member in members if axis in member.axes]
    alike = grouped(having, lambda member: (member.system, *(repr(member.axes.get(other)) for other in others)))
    spreads = [_spread([_figure(member, one_rate) or 0.0 for member in group]) for group in alike if len(group) > 1]
    values = dict.fromkeys(str(member.axes[axis]) for member in having)
    return _made(axis, tuple(values), spreads, one_rate)


def _effect_of_system(members: Sequence[Configuration], varied: Sequence[str], one_rate: bool) -> AxisEffect | None:
    """The effect of the system, each with the best of its own axes; axes that all systems have are held the same."""
    systems = grouped(members, lambda member: member.system)
    shared = [axis for axis in varied if all(any(axis in m.axes for m in system) for system in systems)]
    best: dict[tuple[str, ...], dict[str, float]] = {}
    for member in members:
        figures = best.setdefault(tuple(repr(member.axes.get(axis)) for axis in shared), {})
        figures[member.system] = max(figures.get(member.system, 0.0), _figure(member, one_rate) or 0.0)
    spreads = [_spread(list(figures.values())) for figures in best.values() if len(figures) > 1]
    return _made(SYSTEM, tuple(dict.fromkeys(member.system for member in members)), spreads, one_rate)


def _spread(figures: Sequence[float]) -> float:
    return max(figures) - min(figures)


def _made(axis: str, values: tuple[str, ...], spreads: Sequence[float], one_rate: bool) -> AxisEffect | None:
    """The effect; None where nothing could be compared."""
    unit: Literal["requests/s", "attainment"] = "attainment" if one_rate else "requests/s"
    return AxisEffect(axis, values, len(spreads), fmean(spreads), max(spreads), unit) if spreads else None


def by_system(members: Sequence[Configuration]) -> Mapping[str, list[Configuration]]:
    """The configurations of each system, in their order."""
    return {group[0].system: group for group in grouped(members, lambda member: member.system)}
