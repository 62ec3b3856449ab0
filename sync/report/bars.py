"""Throughput within the SLO, cost and power per design, as multiples of the baseline's."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sync.report.base import Missing, Plot
from sync.report.data import Champion, ReportData
from sync.report.style import MOST_DESIGNS, panels, styles

TITLE = "Throughput, cost and power, normalised"


def bars(data: ReportData) -> Sequence[Plot | Missing]:
    """A figure of three panels for each load with two designs or more."""
    made: list[Plot | Missing] = []
    for load in data.loads:
        members = [one for one in data.champions if one.load == load]
        if len(members) < 2:
            made.append(Missing(f"{TITLE}, {load}", "there is one design, and nothing to compare it with"))
        else:
            made.append(_three(data, load, members[:MOST_DESIGNS]))
    return made or [Missing(TITLE, "the sweep has no finished runs")]


def baseline(members: Sequence[Champion]) -> Champion:
    """What others are compared with: Baseline-A100, else the first baseline, else the first design."""
    named = [one for one in members if one.system == "baseline-a100"]
    named += [one for one in members if one.system.startswith("baseline")]
    return (named or list(members))[0]


def _three(data: ReportData, load: str, members: list[Champion]) -> Plot:
    base = baseline(members)
    figure, (row,) = panels(1, 3, 2.6)
    quantities: dict[str, list[float | None]] = {
        "throughput within the SLO": [one.best for one in members],
        "cost": [one.cost for one in members],
        "power": [one.power for one in members],
    }
    bases = {"throughput within the SLO": base.best, "cost": base.cost, "power": base.power}
    look = styles(data.systems)
    absolute = []
    for panel, (name, values) in zip(row, quantities.items(), strict=True):
        unit = bases[name]
        if not unit:  # a baseline that holds nothing, or costs nothing
            unit = 1.0
            absolute.append(name)
        for place, (one, value) in enumerate(zip(members, values, strict=True)):
            style = look[one.system]
            height = math.nan if value is None else value / unit
            panel.bar(place, height, 0.7, color="white", edgecolor=style.color, hatch=style.hatch, linewidth=1.0)
            told = "none" if value is None else f"{height:.2f}" if name not in absolute else f"{height:g}"
            panel.annotate(told, (place, 0.0 if value is None else height), xytext=(0, 2), textcoords="offset points",
                           ha="center", fontsize=7, bbox={"fc": "white", "ec": "none", "pad": 0.4})  # fmt: skip
        if name not in absolute:
            panel.axhline(1.0, color="0.35", linewidth=0.7, linestyle=(0, (2, 2)), zorder=0)
        panel.set_xticks(range(len(members)), [one.system for one in members], rotation=40, ha="right")
        panel.set_title(name, pad=4)
        panel.margins(y=0.12)
        panel.tick_params(axis="x", length=0)
        if name in absolute or panel is row[0]:
            panel.set_ylabel(_units(name) if name in absolute else f"relative to {base.system}")
    caption = (
        f"Of each system its best design for {load}: {'; '.join(one.design for one in members)}. "
        f"Relative to {base.design}: "
        + (f"{base.best:g} requests/s within the SLO, " if base.best else "none of its rates is within the SLO, ")
        + f"${base.cost:,.2f} an hour, power weight {base.power:g}."
    )
    return Plot(f"normalised-{load}", f"{TITLE}, {load}", figure, caption)


def _units(name: str) -> str:
    return {"cost": "dollars an hour", "power": "power weight"}.get(name, "requests per second")
