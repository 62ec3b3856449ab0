"""Writes what a calibration found: the performance model, which runs name, and a picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

from sim_core.errors import OutputError
from sim_core.performance.calibrated import FORMAT
from sim_core.whole_file import replacing
from sweep.calibrate.fit import Compared, Fit, errors
from sync.report.style import STYLES, legend_below, panels, picture, plain_log_ticks, printed

METRICS = {"tpot_ms": "TPOT", "ttft_ms": "TTFT"}
STAGES = {"before": "as configured", "after": "calibrated", "left_out": "by the other points"}


def medians(rows: Sequence[Compared]) -> dict[str, dict[str, float]]:
    """By metric and stage the median of the absolute relative errors, where there are any."""
    found: dict[str, dict[str, float]] = {}
    for metric, name in METRICS.items():
        by_stage = {stage: errors([(row.point, getattr(row, stage)) for row in rows], metric) for stage in STAGES}
        found[name.lower()] = {stage: median(values) for stage, values in by_stage.items() if values}
    return found


def write(
    folder: Path, name: str, fit: Fit, rows: Sequence[Compared], performance: Mapping[str, Any], fitted_on: list[str]
) -> tuple[Path, Path]:
    """Write the model and the picture; returns their paths. OutputError where that is not possible."""
    model, image = folder / f"{name}.json", folder / f"{name}.svg"
    content = {
        "format": FORMAT,
        "name": name,
        **asdict(fit),
        "performance_model": dict(performance),
        "fitted_on": fitted_on,
        "errors": medians(rows),
        "points": [_described(row) for row in rows],
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, text in (
            (model, json.dumps(content, indent=1, allow_nan=False).encode() + b"\n"),
            (image, drawn(rows)),
        ):
            with replacing(path) as file:
                file.write(text)
    except OSError as error:
        raise OutputError(str(error.strerror), source=str(folder)) from error
    return model, image


def _described(row: Compared) -> dict[str, Any]:
    point = row.point
    load = {"rate": point.rate} if point.concurrency is None else {"concurrency": point.concurrency}
    return {
        "name": point.name,
        "isl": point.prompts.mean,
        "osl": point.outputs.mean,
        **load,
        "measured": {"ttft_ms": point.ttft_ms, "tpot_ms": point.tpot_ms},
        **{stage: asdict(times) for stage in STAGES if (times := getattr(row, stage)) is not None},
    }


def drawn(rows: Sequence[Compared]) -> bytes:
    """What was simulated against what was measured, as SVG: a panel for TPOT, and one for TTFT."""
    with printed():
        figure, (axes,) = panels(1, 2, 3.4)
        for panel, (metric, name) in zip(axes, METRICS.items(), strict=True):
            ends = []
            for style, (stage, label) in zip((STYLES[7], STYLES[5], STYLES[1]), STAGES.items(), strict=True):
                pairs = [(getattr(row.point, metric), getattr(row, stage)) for row in rows]
                known = [
                    (measured, value)
                    for measured, times in pairs
                    if measured is not None and times is not None and (value := getattr(times, metric)) is not None
                ]
                ends += [value for pair in known for value in pair]
                if known:
                    look = style.line | {"linestyle": "none"}
                    panel.plot(*zip(*known, strict=True), label=label, **look)
            if ends:
                low, high = 0.8 * min(ends), 1.25 * max(ends)
                panel.plot([low, high], [low, high], color="0.4", linewidth=0.8, zorder=0)
                panel.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high))
                for axis in (panel.xaxis, panel.yaxis):
                    plain_log_ticks(axis, low, high)
            panel.set(xlabel=f"measured {name} (ms)", ylabel=f"simulated {name} (ms)")
        legend_below(figure, *axes)
        return picture(figure, "svg")
