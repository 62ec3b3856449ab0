"""The pictures of docs/validation.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from benchmarks.validation.errors import TPOT, TTFT, Comparison, errors_in, grouped, load_of, package_errors_in
from benchmarks.validation.points import Point

ENGINES = {"vllm": "tab:blue", "sglang": "tab:orange", "trtllm": "tab:green"}
METRICS = {TTFT: "mean TTFT", TPOT: "mean TPOT"}
SCATTER, BARS = "validation-points.png", "validation-errors.png"
DPI = 90
PROPERTIES = {
    "model": lambda point: point.family,
    "GPU": lambda point: point.system,
    "engine": lambda point: point.backend,
    "clients": load_of,
}


def draw(comparisons: Sequence[Comparison], folder: Path) -> None:
    """Draw both pictures of the aggregated points."""
    _save(_scatter(comparisons), folder / SCATTER)
    _save(_bars(comparisons), folder / BARS)


def _save(figure: Figure, path: Path) -> None:
    figure.savefig(path, dpi=DPI, metadata={"Software": None})  # no version: equal results are equal files


def _scatter(comparisons: Sequence[Comparison]) -> Figure:
    """What was simulated against what was measured, a dot a point."""
    figure = Figure(figsize=(11, 5.2), layout="constrained")
    for panel, (metric, title) in zip(figure.subplots(1, 2), METRICS.items(), strict=True):
        for engine, members in sorted(grouped(comparisons, _engine).items(), key=str):
            measured = [getattr(each.point, metric) for each in members]
            simulated = [getattr(each.outcome, metric) for each in members]
            panel.scatter(measured, simulated, s=5, alpha=0.5, linewidths=0, color=ENGINES[str(engine)], label=engine)
        low, high = _range([getattr(each.point, metric) for each in comparisons])
        for factor, look in ((1.0, "-"), (1.5, ":"), (1 / 1.5, ":")):
            panel.plot([low, high], [low * factor, high * factor], color="0.4", linewidth=1, linestyle=look)
        panel.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
        panel.set(xlabel="measured (ms)", ylabel="simulated (ms)", title=title)
        panel.legend(markerscale=3)
    return figure


def _engine(point: Point) -> str:
    return point.backend


def _range(values: Sequence[float]) -> tuple[float, float]:
    return min(values) * 0.8, max(values) * 1.25


def _bars(comparisons: Sequence[Comparison]) -> Figure:
    """The median error by model, GPU, engine and load, beside that of the package's own estimate."""
    figure = Figure(figsize=(11, 7.5), layout="constrained")
    panels = figure.subplots(2, len(PROPERTIES), width_ratios=[2.2, 1.4, 1, 1.2], sharey="row")
    for row, (metric, title) in zip(panels, METRICS.items(), strict=True):
        for panel, (name, key) in zip(row, PROPERTIES.items(), strict=True):
            groups = sorted(grouped(comparisons, key).items(), key=_by_name)
            _draw_bars(panel, groups, metric)
            panel.set_title(f"{title} by {name}", fontsize=10)
        row[0].set_ylabel("median error (%)")
        row[0].legend()
    return figure


def _by_name(group: tuple[Any, list[Comparison]]) -> tuple[int, str]:
    name = str(group[0])
    first = name.split()[0]
    return int(first) if first.isdigit() else 0, name


def _draw_bars(panel: Any, groups: Sequence[tuple[Any, list[Comparison]]], metric: str) -> None:
    for shift, label, figures, color in (
        (-0.2, "simulator", errors_in, "tab:blue"),
        (0.2, "package's own estimate", package_errors_in, "0.7"),
    ):
        found = [figures(members, metric) for _, members in groups]
        heights = [0.0 if errors is None else errors.median for errors in found]
        panel.bar([place + shift for place in range(len(groups))], heights, width=0.4, color=color, label=label)
    panel.set_xticks(range(len(groups)), [str(name) for name, _ in groups], rotation=60, ha="right", fontsize=8)
    panel.grid(axis="y", color="0.9")
    panel.set_axisbelow(True)
