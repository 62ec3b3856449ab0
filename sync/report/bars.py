"""Throughput within the SLO, cost and power per design, as multiples of the reference's."""

from __future__ import annotations

import math

from sync.report.base import Missing, Plot, for_each_workload
from sync.report.data import ReportData
from sync.report.style import panels

TITLE = "Throughput, cost and power, normalised"
# By panel: the field of a `Configuration`, and its unit where the reference carries or costs nothing.
_PANELS = {
    "throughput within the SLO": ("carries", "requests per second"),
    "cost": ("cost", "dollars an hour"),
    "power": ("power", "power weight"),
}
_BY_WATTS = {**_PANELS, "power": ("watts", "W by nameplate")}  # where the watts of all designs are known


@for_each_workload(TITLE)
def bars(data: ReportData, workload: str) -> Plot | Missing:
    """A figure of three panels for each workload with two designs or more."""
    champions = data.champions[workload]
    if len(champions) < 2:
        return Missing(f"{TITLE}, {workload}", "there is one design, and nothing to compare it with")
    named = data.workloads[workload].reference
    reference = next((champion for champion in champions if champion.system == named), champions[0])
    champions = data.drawn_champions(workload)
    figure, (row,) = panels(1, 3, 2.6)
    look = data.look
    by_watts = data.workloads[workload].draws_by == "watts"
    shown = _BY_WATTS if by_watts else _PANELS
    for panel, (name, (field, unit)) in zip(row, shown.items(), strict=True):
        unit_height = getattr(reference, field)
        for place, champion in enumerate(champions):
            style, value = look[champion.system], getattr(champion, field)
            height = math.nan if value is None else value / (unit_height or 1)
            panel.bar(place, height, 0.7, color="white", edgecolor=style.color, hatch=style.hatch, linewidth=1.0)
            text = "none" if value is None else f"{height:.2f}" if unit_height else f"{height:g}"
            panel.annotate(text, (place, 0.0 if value is None else height), xytext=(0, 2), textcoords="offset points",
                           ha="center", fontsize=7, bbox={"fc": "white", "ec": "none", "pad": 0.4})  # fmt: skip
        if unit_height:
            panel.axhline(1.0, color="0.35", linewidth=0.7, linestyle=(0, (2, 2)), zorder=0)
        if panel is row[0] or not unit_height:
            panel.set_ylabel(f"relative to {reference.system}" if unit_height else unit)
        panel.set_xticks(range(len(champions)), [champion.system for champion in champions], rotation=40, ha="right")
        panel.set_title(name, pad=4)
        panel.margins(y=0.12)
        panel.set_xlim(-0.6, len(champions) - 0.4)  # also where the first or last has no bar
        panel.set_ylim(bottom=0)
        panel.tick_params(axis="x", length=0)
    power = f"{reference.watts / 1000:.3g} kW by nameplate" if by_watts else f"power weight {reference.power:g}"
    rate = reference.carries
    carried = f"{rate:g} requests/s within the SLO" if rate else "none of its rates is within the SLO"
    caption = (
        f"Of each system the design that carries most, where it has none its largest:"
        f" {'; '.join(champion.design for champion in champions)}. Relative to {reference.design}: {carried},"
        f" ${reference.cost:,.2f} an hour, {power}."
    )
    return Plot(f"normalised-{workload}", f"{TITLE}, {workload}", figure, caption)
