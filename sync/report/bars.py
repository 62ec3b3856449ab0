"""Throughput within the SLO, cost and power per design, as multiples of the baseline's."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from sync.analysis.answers import Configuration
from sync.report.base import Missing, Plot
from sync.report.data import Champion, ReportData
from sync.report.style import MOST_DESIGNS, panels, styles

TITLE = "Throughput, cost and power, normalised"
THROUGHPUT = "throughput within the SLO"
QUANTITIES: Mapping[str, Callable[[Configuration], float | None]] = {
    THROUGHPUT: lambda one: one.carries,
    "cost": lambda one: one.cost,
    "power": lambda one: one.power,
}
_UNITS = {THROUGHPUT: "requests per second", "cost": "dollars an hour", "power": "power weight"}


def bars(data: ReportData) -> Sequence[Plot | Missing]:
    """A figure of three panels for each load with two designs or more."""
    made: list[Plot | Missing] = []
    for load in data.loads:
        members = data.of_load(load)
        if len(members) < 2:
            made.append(Missing(f"{TITLE}, {load}", "there is one design, and nothing to compare it with"))
        else:
            made.append(_three(data, load, members[:MOST_DESIGNS]))
    return made or [Missing(TITLE, "the sweep has no finished runs")]


def _three(data: ReportData, load: str, members: list[Champion]) -> Plot:
    base = reference(data, load)
    figure, (row,) = panels(1, 3, 2.6)
    look = styles(data.systems)
    for panel, (name, value_of) in zip(row, QUANTITIES.items(), strict=True):
        unit = value_of(base.configuration)  # none where a baseline holds nothing, or costs nothing
        for place, one in enumerate(members):
            style, value = look[one.system], value_of(one.configuration)
            height = math.nan if value is None else value / (unit or 1.0)
            panel.bar(place, height, 0.7, color="white", edgecolor=style.color, hatch=style.hatch, linewidth=1.0)
            told = "none" if value is None else f"{height:.2f}" if unit else f"{height:g}"
            panel.annotate(told, (place, 0.0 if value is None else height), xytext=(0, 2), textcoords="offset points",
                           ha="center", fontsize=7, bbox={"fc": "white", "ec": "none", "pad": 0.4})  # fmt: skip
        if unit:
            panel.axhline(1.0, color="0.35", linewidth=0.7, linestyle=(0, (2, 2)), zorder=0)
        if panel is row[0] or not unit:
            panel.set_ylabel(f"relative to {base.system}" if unit else _UNITS[name])
        panel.set_xticks(range(len(members)), [one.system for one in members], rotation=40, ha="right")
        panel.set_title(name, pad=4)
        panel.margins(y=0.12)
        panel.set_xlim(-0.6, len(members) - 0.4)  # also where the first or last has no bar
        panel.set_ylim(bottom=0)
        panel.tick_params(axis="x", length=0)
    return Plot(f"normalised-{load}", f"{TITLE}, {load}", figure, _caption(base, members))


def reference(data: ReportData, load: str) -> Champion:
    """What the others are normalised to: the reference of the answers, else the first system."""
    members = data.of_load(load)
    named = next(of.reference for of in data.answers.workloads if of.workload == load)
    return next((one for one in members if one.system == named), members[0])


def _caption(base: Champion, members: list[Champion]) -> str:
    of = base.configuration
    carried = f"{of.carries:g} requests/s within the SLO" if of.carries else "none of its rates is within the SLO"
    return (
        f"Of each system the design that carries most, where it has none its largest:"
        f" {'; '.join(m.design for m in members)}."
        f" Relative to {base.design}: {carried}, ${of.cost:,.2f} an hour, power weight {of.power:g}."
    )
